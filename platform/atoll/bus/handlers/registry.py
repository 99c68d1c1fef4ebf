"""The handlers in the code of this process.

Registration happens when a service's ``handlers.py`` is imported; the app
registry of Django imports them all once it is ready.
"""

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, get_type_hints, overload

from atoll.bus.message import Message
from atoll.bus.message_types import Function, Payload, Prepared
from atoll.bus.retry import Retry
from atoll.bus.topic_match import is_pattern, matches
from atoll.errors import Misuse

Kind = Literal["event", "command"]
Where = Literal["auto", "pool"]

DEFAULT_TIMEOUT_S = 30.0
HANDLER_ID = re.compile(r"[\w.<>-]{1,250}")
RUNS_NOTHING = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)


@dataclass(frozen=True, kw_only=True)
class Handler:
    """One function and the messages it reacts to.

    ``name`` is an event type, a pattern of event types in AMQP's notation, or a command.
    ``stable_id`` and ``aliases`` are ``name=`` and ``aliases=`` of the decorators.
    """

    kind: Kind
    name: str
    function: Callable[..., None]
    retry: Retry = field(default_factory=Retry)
    timeout_s: float = DEFAULT_TIMEOUT_S
    before: Callable[..., Any] | None = None
    ordered: bool = False
    stable_id: str = ""
    aliases: tuple[str, ...] = ()
    run: Where = "auto"

    @cached_property
    def id(self) -> str:
        """The handler's name in the database: ``stable_id``, or else ``place``.

        Without a ``stable_id`` it changes when the function is moved or renamed.
        """
        return self.stable_id or self.place

    @cached_property
    def place(self) -> str:
        """The function's module and name."""
        return f"{self.function.__module__}.{self.function.__qualname__}"

    @cached_property
    def ids(self) -> frozenset[str]:
        """The handler's id and its earlier names."""
        return frozenset((self.id, *self.aliases))

    @cached_property
    def payload_type(self) -> type[Any]:
        """The annotation of the first parameter; ``dict`` stands for the data as it arrived."""
        parameters = list(inspect.signature(self.function).parameters)
        hints = get_type_hints(self.function)
        if not parameters or parameters[0] not in hints:
            raise Misuse(f"{self.id} must annotate its first parameter with the payload's class.")
        return hints[parameters[0]]  # type: ignore[no-any-return]

    def takes(self, kind: str, name: str) -> bool:
        return kind == self.kind and matches(self.name, name)


_handlers: list[Handler] = []


def on(
    event_type: str,
    *,
    retry: Retry | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    ordered: bool = False,
    name: str = "",
    aliases: Sequence[str] = (),
    run: Where = "auto",
) -> Callable[[Function], Function]:
    """React to an event type, or to all event types that match a pattern such as ``order.*``.

    The function is called as ``f(payload, message)`` inside one transaction, at
    least once and, as far as the database goes, with exactly one effect. Several
    functions may react to one event; each has its own attempts and outcome.
    Past ``timeout_s`` seconds its effects are rolled back and it counts as failed.
    With ``ordered``, messages of one producer and key are handled one at a time, in
    the order in which they were announced; one that is retried or dead keeps those
    behind it waiting, until it is replayed or discarded. Messages without a key,
    other keys and other handlers go on.
    ``name`` is what the service's database calls the handler; without it, the
    function's module and name. ``aliases`` are earlier names: with the old one among
    them, a function that was moved, renamed or given a ``name`` stays the same handler.
    With ``run="pool"`` it always runs in the worker's pool; otherwise several messages may be handled in
    one transaction while the function is fast (``delivery/fast_path.py``).
    Raises Misuse when another function has one of the names, and when the function cannot be called so.
    """

    def register(function: Function) -> Function:
        _add(
            Handler(
                kind="event",
                name=event_type,
                function=function,
                retry=retry or Retry(),
                timeout_s=timeout_s,
                ordered=ordered,
                stable_id=name,
                aliases=tuple(aliases),
                run=run,
            )
        )
        return function

    return register


@overload
def handles(
    command: str,
    *,
    before: None = None,
    retry: Retry | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    ordered: bool = False,
    name: str = "",
    aliases: Sequence[str] = (),
    run: Where = "auto",
) -> Callable[[Function], Function]: ...
@overload
def handles(
    command: str,
    *,
    before: Callable[[Payload, Message], Prepared],
    retry: Retry | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    ordered: bool = False,
    name: str = "",
    aliases: Sequence[str] = (),
    run: Where = "auto",
) -> Callable[
    [Callable[[Payload, Message, Prepared], None]], Callable[[Payload, Message, Prepared], None]
]: ...
def handles(
    command: str,
    *,
    before: Callable[[Any, Message], Any] | None = None,
    retry: Retry | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    ordered: bool = False,
    name: str = "",
    aliases: Sequence[str] = (),
    run: Where = "auto",
) -> Callable[..., Any]:
    """Carry out a command addressed to this service, or a timer it scheduled for itself.

    With ``before``, ``before(payload, message)`` runs first, outside any
    transaction: the place for the network. It may run more than once, so it must
    be repeatable; what it returns is the handler's third argument. ``ordered``,
    ``name``, ``aliases`` and ``run`` are as for ``on``; a timer has no key.
    Raises Misuse when the command has a handler already, and when a function cannot be called so.
    """
    if is_pattern(command):
        raise Misuse(f"A command is handled by its exact name, not by the pattern {command!r}.")

    def register(function: Callable[..., None]) -> Callable[..., None]:
        other = command_handler(command)
        if other and other.place != f"{function.__module__}.{function.__qualname__}":
            raise Misuse(f"{command} is handled by {other.id} already; a command has one handler.")
        _add(
            Handler(
                kind="command",
                name=command,
                function=function,
                retry=retry or Retry(),
                timeout_s=timeout_s,
                before=before,
                ordered=ordered,
                stable_id=name,
                aliases=tuple(aliases),
                run=run,
            )
        )
        return function

    return register


def _add(handler: Handler) -> None:
    """Register a handler. A module that is imported again replaces its own handlers."""
    _check_signature(handler.function, "payload", "message", *(["prepared"] if handler.before else []))
    if handler.before:
        _check_signature(handler.before, "payload", "message")
    for identifier in handler.ids:
        if not HANDLER_ID.fullmatch(identifier):
            raise Misuse(
                f"{handler.place} cannot be called {identifier!r}: give it 1 to 250 letters, digits, dots, "
                "dashes or underscores."
            )
    for held in _handlers:
        if held.place != handler.place and (common := held.ids & handler.ids):
            raise Misuse(f"{held.place} and {handler.place} are both called {sorted(common)[0]}.")
    _handlers[:] = [held for held in _handlers if (held.place, held.name) != (handler.place, handler.name)]
    _handlers.append(handler)


def _check_signature(function: Callable[..., Any], *arguments: str) -> None:
    """Raises Misuse when the function cannot be called with these, or when the call would run nothing."""
    name = getattr(function, "__qualname__", repr(function))
    if any(kind(function) for kind in RUNS_NOTHING):
        raise Misuse(
            f"{name} must be a plain function: calling an `async` function or a generator runs nothing."
        )
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError as error:
        raise Misuse(f"{name} is called as {name}({', '.join(arguments)}): {error}.") from None


def handlers() -> list[Handler]:
    return list(_handlers)


def handlers_for(kind: str, name: str) -> list[Handler]:
    """Every handler that a message of this kind and name goes to, each once."""
    return list({handler.id: handler for handler in _handlers if handler.takes(kind, name)}.values())


def command_handler(command: str) -> Handler | None:
    return next((h for h in _handlers if h.kind == "command" and h.name == command), None)


def by_id(handler_id: str) -> Handler | None:
    """The handler of this process with that name, of today or earlier."""
    return next((handler for handler in _handlers if handler_id in handler.ids), None)


def has_ordered() -> bool:
    """Whether any handler here depends on the order in which messages are stored."""
    return any(handler.ordered for handler in _handlers)


def event_patterns() -> list[str]:
    """The event types and patterns of the handlers of this process, sorted."""
    return sorted({handler.name for handler in _handlers if handler.kind == "event"})
