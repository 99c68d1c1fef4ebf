"""WSGI entry point of the products project."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "services.products.settings")
application = get_wsgi_application()
