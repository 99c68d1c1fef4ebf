"""A function that could not be called as a handler is refused where it is registered."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from atoll.bus import Message, handles, on
from atoll.bus.handlers import registry
from atoll.errors import Misuse

pytestmark = pytest.mark.usefixtures("handlers")


def plain(payload: dict[str, Any], message: Message) -> None: ...


def alone(payload: dict[str, Any]) -> None: ...


def three(payload: dict[str, Any], message: Message, prepared: int) -> None: ...


def keyword(payload: dict[str, Any], *, message: Message) -> None: ...


async def later(payload: dict[str, Any], message: Message) -> None: ...


def generator(payload: dict[str, Any], message: Message) -> Iterator[int]:
    yield 1


async def generator_later(payload: dict[str, Any], message: Message) -> Any:
    yield 1


def with_default(payload: dict[str, Any], message: Message, more: int = 0) -> None: ...


def any_number(*arguments: Any) -> None: ...


NEVER = [alone, three, keyword, later, generator, generator_later, lambda: None]


@pytest.mark.parametrize("function", NEVER)
def test_a_function_that_cannot_be_called_as_a_handler_is_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(Misuse, match=r"payload, message|plain function"):
        on("note.asked", name="n")(function)
    with pytest.raises(Misuse, match=r"payload, message|plain function"):
        handles("note.write", name="n")(function)
    assert registry.handlers() == []


@pytest.mark.parametrize("function", [alone, later, generator])
def test_what_runs_before_a_handler_is_held_to_the_same(function: Callable[..., Any]) -> None:
    with pytest.raises(Misuse, match=r"payload, message\)|plain function"):
        handles("note.write", before=function, name="n")(three)
    assert registry.handlers() == []


def test_with_before_a_third_argument_is_wanted() -> None:
    with pytest.raises(Misuse, match="payload, message, prepared"):
        handles("note.write", before=plain, name="n")(plain)
    handles("note.write", before=plain, name="n")(three)


@pytest.mark.parametrize("function", [plain, with_default, any_number])
def test_every_function_that_takes_both_is_welcome(function: Callable[..., Any]) -> None:
    on("note.asked", name="n")(function)
    assert [handler.function for handler in registry.handlers()] == [function]


def test_the_error_says_how_the_function_is_called_and_why_it_cannot_be() -> None:
    with pytest.raises(Misuse) as refusal:
        on("note.asked")(alone)
    assert str(refusal.value) == "alone is called as alone(payload, message): too many positional arguments."


def test_a_partial_function_is_taken_by_the_arguments_that_are_left() -> None:
    with pytest.raises(Misuse, match="too many positional arguments"):
        on("note.asked", name="n")(partial(plain, {}))
