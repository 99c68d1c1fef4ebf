from typing import Any

from django.core.management.base import BaseCommand

from atoll.api.idempotency import purge


class Command(BaseCommand):
    help = "Delete stored answers of Idempotency-Keys that are older than 24 hours."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{purge()} deleted")
