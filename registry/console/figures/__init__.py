"""Figures of all services: read from their ``/metrics``, kept by the minute for a day, summed for pages."""
