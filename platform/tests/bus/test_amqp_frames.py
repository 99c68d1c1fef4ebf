"""The frames that the relay builds are those that py-amqp would build."""

from datetime import UTC, datetime
from struct import unpack
from uuid import UUID

import pytest
from amqp.basic_message import Message
from hypothesis import given
from hypothesis import strategies as st

from atoll.bus.broker import amqp_frames as frames
from atoll.bus.broker.amqp_frames import Properties
from atoll.bus.broker.messages import Outgoing
from atoll.bus.broker.publisher import properties
from atoll.ids import uuid7

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60)


def outgoing(
    body: str = "{}", *, name: str = "account.opened", key: str = "", correlation: str = ""
) -> Outgoing:
    return Outgoing(
        id=1,
        message_id=uuid7(),
        kind="event",
        name=name,
        destination=name,
        key=key,
        key_sequence=2**40 if key else None,
        body=body,
        correlation_id=correlation or str(uuid7()),
        created_at=datetime(2026, 11, 28, 12, 0, 0, 999_999, UTC),
    )


@given(TEXT, st.one_of(st.just(""), TEXT), st.uuids() | st.from_regex(r"[A-Za-z0-9-]{8,64}", fullmatch=True))
@pytest.mark.parametrize("user_id", ["", "library-service"])
def test_properties_are_encoded_as_py_amqp_encodes_them(
    user_id: str, name: str, key: str, correlation: UUID | str
) -> None:
    row = outgoing(name=name, key=key, correlation=str(correlation))
    expected = Message("", **properties(row, "library-service"), **({"user_id": user_id} if user_id else {}))
    encoded = Properties(name, "library-service", user_id=user_id)
    assert encoded.of(row) == expected._serialize_properties()


@pytest.mark.parametrize("size", [0, 1, 4088, 4089, 20_000])
def test_a_body_goes_in_frames_that_the_broker_takes(size: int) -> None:
    body = b"x" * size
    parts = list(frames.content(3, b"properties", body, 4096))
    assert all(len(part) <= 4096 and part.endswith(b"\xce") for part in parts)
    assert unpack(">BHI", parts[0][:7]) == (2, 3, 12 + len(b"properties"))
    assert unpack(">HHQ", parts[0][7:19]) == (60, 0, size)
    assert {unpack(">BH", part[:3]) for part in parts[1:]} <= {(3, 3)}
    assert b"".join(part[7:-1] for part in parts[1:]) == body


def test_a_name_that_is_too_long_for_the_wire_is_refused() -> None:
    assert len(frames.publish(1, "events", "x" * 255, mandatory=True)) > 255
    with pytest.raises(ValueError, match="256"):
        frames.publish(1, "events", "x" * 256, mandatory=True)
