"""Announce all deleted accounts again, for services that still have their personal data."""

from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from atoll.bus import publish
from atoll.bus.operations import personal_data
from services.users.events import UserDeleted
from services.users.models import User


class Command(BaseCommand):
    help = (
        "Announce `user.deleted` again for every deleted account. Use it after an upgrade, or after you "
        "restored a service from an older copy. The other services change nothing."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        deleted = User.objects.exclude(deleted_at=None).order_by("id").values_list("id", flat=True)
        count = 0
        for user_id in deleted.iterator(chunk_size=500):
            # One transaction per account, so that other transactions never wait long.
            with transaction.atomic():
                personal_data.forget(user_id)
                publish(UserDeleted(user_id), key=str(user_id))
            count += 1
        self.stdout.write(f"{count} deleted accounts announced.")
