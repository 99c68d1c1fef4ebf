"""``manage.py users sync_credentials``: store the credentials of all projects."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand

from atoll import conf
from services.users.usecases.issue_credential import store_credential


class Command(BaseCommand):
    help = "Store the credential of every project whose SERVICE_SECRET is known here. Safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        for project in conf.projects().values():
            try:
                secret = conf.secret("SERVICE_SECRET", project.name)
            except ImproperlyConfigured:
                self.stdout.write(f"{project.service}: no SERVICE_SECRET here, left as it is")
                continue
            changed = store_credential(project.service, secret)
            self.stdout.write(f"{project.service}: {'stored' if changed else 'unchanged'}")
