"""Settings of the sample project. Only the type checker loads them."""

SECRET_KEY = "only for the type checker"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "atoll.bus", "shop"]
ATOLL = {"SERVICE": "shop"}
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
