"""The statuses of a health answer."""

OK, DEGRADED, UNAVAILABLE = "ok", "degraded", "unavailable"
