"""The bus asks a transport, not which transport it has (docs/decisions/0063)."""

import re
from pathlib import Path

BUS = Path(__file__).resolve().parents[2] / "platform" / "atoll" / "bus"
ASKS_WHICH = re.compile(
    r"driver_type|is_amqp|is_redis|isinstance\([^)]*\b(Amqp|Redis)\b|startswith\([^)]*['\"](amqp|redis|valkey)"
)
NAMES_ONE = re.compile(r"bus\.broker(\.| import (.*\b)?)(amqp|redis)")


def of_a_transport(path: Path) -> bool:
    return path.parent.name == "broker" and path.stem.startswith(("amqp", "redis"))


def elsewhere() -> list[tuple[Path, str]]:
    return [(path, path.read_text()) for path in sorted(BUS.rglob("*.py")) if not of_a_transport(path)]


def test_nothing_outside_of_a_transport_asks_which_broker_it_is() -> None:
    found = [str(path.relative_to(BUS)) for path, text in elsewhere() if ASKS_WHICH.search(text)]
    assert not found, f"Let the transport say it, in `Capabilities` or a method: {found}"


def test_nothing_but_the_table_names_one() -> None:
    found = [str(path.relative_to(BUS)) for path, text in elsewhere() if NAMES_ONE.search(text)]
    assert found == ["broker/transports.py"], "Ask `transports.current()` instead."
