"""WSGI entry point of the payments project."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "services.payments.settings")
application = get_wsgi_application()
