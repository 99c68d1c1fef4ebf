"""``manage.py users sync_credentials``: store the credentials and the sign-in clients of all projects."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand

from atoll import conf
from services.users.oidc.clients import store_client
from services.users.usecases.issue_credential import store_credential


class Command(BaseCommand):
    help = (
        "Store the credential of every project whose SERVICE_SECRET is known here, and register every "
        "project as a client of the sign-in to the admins. Safe to repeat."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        for project in conf.projects().values():
            if store_client(project):
                self.stdout.write(f"{project.service}: registered for {conf.public_urls(project.name)[0]}")
            try:
                secret = conf.secret("SERVICE_SECRET", project.name)
            except ImproperlyConfigured:
                self.stdout.write(f"{project.service}: no SERVICE_SECRET here, left as it is")
                continue
            changed = store_credential(project.service, secret)
            self.stdout.write(f"{project.service}: {'stored' if changed else 'unchanged'}")
