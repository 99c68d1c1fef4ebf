"""The types of options: how a value is read from text of the environment or from a value in Python."""

import ipaddress
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

T_co = TypeVar("T_co", covariant=True)

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})


class OutOfBounds(ValueError):
    """The value has the right type, and it is too small, too large or none of the choices."""


class Kind(Protocol[T_co]):
    @property
    def name(self) -> str:
        """The type and its bounds in words, for documents."""

    def read(self, value: object) -> T_co:
        """Raises ValueError with the end of a sentence that begins with the value; OutOfBounds is one."""


@dataclass(frozen=True)
class Text:
    name: str = "text"

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError("is not text")
        return value


@dataclass(frozen=True)
class Name:
    """A name on the wire: it is a part of the names of queues and of addresses."""

    name: str = "a name: lower-case letters, digits and hyphens, 60 at most"

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError("is not text")
        letters = value.replace("-", "")
        if not (value[:1].isalpha() and letters.isascii() and letters.isalnum() and letters.islower()):
            raise ValueError("is not a name of lower-case letters, digits and hyphens")
        if len(value) > 60:
            raise OutOfBounds("is longer than 60 characters")
        return value


@dataclass(frozen=True)
class Choice:
    choices: tuple[str, ...]

    @property
    def name(self) -> str:
        return " or ".join(f"`{choice}`" for choice in self.choices)

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError("is not text")
        if value not in self.choices:
            raise OutOfBounds(f"is not one of {', '.join(self.choices)}")
        return value


@dataclass(frozen=True)
class Level:
    """The name of a level of ``logging``, in capitals or not."""

    name: str = "the name of a level: DEBUG, INFO, WARNING, ERROR or CRITICAL"

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError("is not text")
        if value.upper() not in logging.getLevelNamesMapping():
            raise OutOfBounds("is not one of DEBUG, INFO, WARNING, ERROR, CRITICAL")
        return value


@dataclass(frozen=True)
class Flag:
    name: str = "true or false"

    def read(self, value: object) -> bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in TRUE:
            return True
        if isinstance(value, str) and value.lower() in FALSE:
            return False
        raise ValueError("is neither true nor false")


@dataclass(frozen=True)
class Whole:
    least: int = 1
    most: int | None = None

    @property
    def name(self) -> str:
        return f"a whole number{_bounds(self.least, self.most)}"

    def read(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError("is not a whole number")
        if isinstance(value, str) and not (value.isascii() and value.removeprefix("-").isdigit()):
            raise ValueError(f"is not a whole number{_bounds(self.least, self.most)}")
        return int(_within(int(value), self.least, self.most, "whole number"))


@dataclass(frozen=True)
class Amount:
    """A number with a unit that the option's name ends with: seconds, days."""

    unit: str = "seconds"
    least: float = 0.0
    most: float | None = None
    is_above: bool = False

    @property
    def name(self) -> str:
        if not self.is_above:
            return f"a number of {self.unit}{_bounds(self.least, self.most)}"
        return f"a number of {self.unit} above 0" + (f", {self.most:g} at most" if self.most else "")

    def read(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError(f"is not a number of {self.unit}")
        try:
            number = float(value)
        except ValueError:
            raise ValueError(f"is not a number of {self.unit}") from None
        if not math.isfinite(number):
            raise ValueError(f"is not a number of {self.unit}")
        if self.is_above and number <= 0:
            raise OutOfBounds(f"is not a number of {self.unit}, above 0")
        return _within(number, self.least, self.most, f"number of {self.unit}")


@dataclass(frozen=True)
class Places:
    """Where all services are found: ``registry``, or an address with ``{service}`` for the name of each."""

    schemes: tuple[str, ...]

    @property
    def name(self) -> str:
        return "`registry`, or an address with `{service}` in it: " + self._choices()

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError("is not text")
        if value == "registry":
            return value
        scheme, colon, rest = value.partition("://")
        if not colon or scheme not in self.schemes:
            raise OutOfBounds(f"is neither registry nor an address that begins with {self._choices()}")
        if "{service}" not in rest:
            raise OutOfBounds("is an address without {service} in it")
        port = _port(value.replace("{service}", "service"))
        if scheme.startswith("srv") and port is not None:
            raise OutOfBounds("has a port, and SRV records give the ports")
        return value

    def _choices(self) -> str:
        return ", ".join(f"`{scheme}://`" for scheme in self.schemes)


@dataclass(frozen=True)
class Address:
    """A URL. Its text may hold a password: messages show the scheme alone."""

    schemes: tuple[str, ...] = ("http", "https")

    @property
    def name(self) -> str:
        return "a URL: " + ", ".join(f"`{scheme}://`" for scheme in self.schemes)

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError("is not text")
        for one in value.split(";"):  # several nodes of a broker
            try:
                parts = urlsplit(one.strip())
            except ValueError:
                raise ValueError("is not a URL") from None
            if "://" not in one:
                raise ValueError(f"is not a URL such as {self.schemes[0]}://host")
            if parts.scheme not in self.schemes:
                raise OutOfBounds(f"begins with {parts.scheme}:// and not with {self._choices()}")
            _port(one)
        return value

    def _choices(self) -> str:
        return " or ".join(f"{scheme}://" for scheme in self.schemes)


@dataclass(frozen=True)
class Items:
    """In Python a list or tuple of texts; in the environment one text with commas between."""

    name: str = "texts, with commas between"

    def read(self, value: object) -> tuple[str, ...]:
        if isinstance(value, str):
            return tuple(item.strip() for item in value.split(",") if item.strip())
        if isinstance(value, Sequence) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise ValueError("is neither text nor a list of texts")


@dataclass(frozen=True)
class Networks:
    """Addresses and networks in one text."""

    name: str = "networks, with commas between"

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError("is not text")
        for part in filter(None, map(str.strip, value.split(","))):
            try:
                ipaddress.ip_network(part)
            except ValueError as error:
                raise ValueError(f"has a part that is no network: {error}") from None
        return value


def _port(url: str) -> int | None:
    """Raises ValueError for a port that is no number, such as the rest of a password with `#` in it."""
    try:
        return urlsplit(url.strip()).port
    except ValueError:
        raise ValueError(
            "has a port that is no number from 0 to 65535; is a password not percent-encoded?"
        ) from None


def _bounds(least: float, most: float | None) -> str:
    return f" from {least:g} to {most:g}" if most is not None else f" from {least:g}"


def _within(number: float, least: float, most: float | None, what: str) -> float:
    if number < least or (most is not None and number > most):
        raise OutOfBounds(f"is not a {what}{_bounds(least, most)}")
    return number
