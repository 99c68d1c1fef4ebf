"""The possible answers of hotel and bank to a command about one booking."""

from collections.abc import Iterable

from atoll.testing.interleavings import Neighbour, World

Outcomes = Iterable[tuple[str, str | None]]


def hotel(room: str, command: str) -> Outcomes:
    match command, room:
        case "reserve.room", "unknown":
            return [("held", "room.reserved"), ("refused", "room.refused")]
        case "reserve.room", "held":
            return [("held", "room.reserved")]
        case "reserve.room", _:
            return [(room, "room.refused")]
        case _, "refused":
            return [("refused", "room.freed")]
    # Also before the reservation arrives, which is then refused.
    return [("freed", "room.freed"), (room, None)]


def bank(money: str, command: str) -> Outcomes:
    match command, money:
        case "charge.card", "unknown":
            return [("taken", "card.charged"), ("taken", None), ("declined", "card.declined")]
        case "charge.card", "taken":
            return [("taken", "card.charged")]
        case "charge.card", _:
            return [(money, "card.declined")]
        case _, "taken":
            return [("returned", "card.refunded"), ("taken", "card.refund_failed"), ("taken", None)]
        case _, "unknown":
            return [("voided", "card.refunded"), ("unknown", None)]
    return [(money, "card.refunded")]


HOTEL = Neighbour("hotel", "unknown", hotel, ("reserve.room", "free.room"))
BANK = Neighbour("bank", "unknown", bank, ("charge.card", "refund.card"))


def booked_is_paid(world: World) -> bool:
    return world.state.name != "booked" or (world["bank"] == "taken" and world["hotel"] == "held")


def cancelled_keeps_no_money_unseen(world: World) -> bool:
    """Either the process waits for the refund with a deadline, or a person was called."""
    is_seen = world.state.of("refund.card") in ("asked", "failed", "settled")
    return world.state.name != "cancelled" or world["bank"] != "taken" or is_seen


def cancelled_keeps_no_room_unseen(world: World) -> bool:
    is_seen = world.state.of("free.room") in ("asked", "failed", "settled")
    return world.state.name != "cancelled" or world["hotel"] != "held" or is_seen
