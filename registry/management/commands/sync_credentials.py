"""Gives every project of projects.toml its credential, from the secrets configured here."""

from typing import Any

from django.core.management.base import BaseCommand

from atoll import conf
from registry.usecases.credentials import ensure


class Command(BaseCommand):
    help = "Makes the registry accept every project's SERVICE_SECRET. Safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        for project in conf.projects().values():
            secret = conf.secret("SERVICE_SECRET", project.name)
            _, is_new = ensure(project.service, secret, label="configured", actor="sync_credentials")
            self.stdout.write(f"{project.service}: {'added' if is_new else 'already known'}")
