"""Pages about journeys: the recent ones, and one of them as a waterfall."""
