"""WSGI entry point of the users project."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "services.users.settings")
application = get_wsgi_application()
