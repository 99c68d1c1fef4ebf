from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID


@dataclass(frozen=True)
class OfHotel:
    to: ClassVar[str] = "hotel-service"
    outside: ClassVar[bool] = True
    booking_id: UUID


@dataclass(frozen=True)
class ReserveRoom(OfHotel):
    command: ClassVar[str] = "reserve.room"


@dataclass(frozen=True)
class FreeRoom(OfHotel):
    command: ClassVar[str] = "free.room"


@dataclass(frozen=True)
class OfBank:
    to: ClassVar[str] = "bank-service"
    outside: ClassVar[bool] = True
    booking_id: UUID


@dataclass(frozen=True)
class ChargeCard(OfBank):
    command: ClassVar[str] = "charge.card"


@dataclass(frozen=True)
class RefundCard(OfBank):
    command: ClassVar[str] = "refund.card"


@dataclass(frozen=True)
class BookingConfirmed:
    type: ClassVar[str] = "booking.confirmed"
    booking_id: UUID


@dataclass(frozen=True)
class BookingCancelled:
    type: ClassVar[str] = "booking.cancelled"
    booking_id: UUID
    reason: str


@dataclass(frozen=True)
class Answer:
    booking_id: UUID
