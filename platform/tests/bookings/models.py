import uuid

from django.db import models

from atoll.process import ProcessHistory, ProcessRow


class Booking(ProcessRow):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    guest = models.CharField(max_length=100)

    class Meta:
        app_label = "bookings"


class BookingHistory(ProcessHistory):
    process = models.ForeignKey(Booking, on_delete=models.CASCADE, related_name="history")
