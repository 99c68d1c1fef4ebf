"""``?page=&pageSize=`` with ``Link`` and ``X-Total-Count``, as in every list (docs/http.md)."""

from dataclasses import dataclass
from urllib.parse import urlencode

from atoll.api.pagination import MAX_NUMBER_CHARS, PageNumberPagination
from atoll.errors import InvalidInput


@dataclass(frozen=True)
class Page:
    """``number`` counts from 1."""

    number: int
    size: int

    @classmethod
    def asked(cls, query: dict[str, str]) -> "Page":
        """Raises InvalidInput for anything but whole numbers from 1. ``pageSize`` is capped at the
        largest size of a page."""
        number = _positive(query, "page", 1)
        size = _positive(query, "pageSize", PageNumberPagination.page_size)
        return cls(number, min(size, PageNumberPagination.max_page_size))

    @property
    def start(self) -> int:
        return (self.number - 1) * self.size

    def headers(self, total: int) -> dict[str, str]:
        last = max(1, -(-total // self.size))
        pages = {"first": 1, "last": last}
        if self.number > 1:
            pages["prev"] = min(self.number - 1, last)
        if self.number < last:
            pages["next"] = self.number + 1
        links = (
            f'<?{urlencode({"page": page, "pageSize": self.size})}>; rel="{relation}"'
            for relation, page in pages.items()
        )
        return {"X-Total-Count": str(total), "Link": ", ".join(links)}


def _positive(query: dict[str, str], name: str, default: int) -> int:
    given = query.get(name)
    if given is None:
        return default
    if not (given.isascii() and given.isdigit()) or len(given) > MAX_NUMBER_CHARS or int(given) < 1:
        raise InvalidInput(
            f"{name} must be a whole number from 1.", code="invalid_query", details={name: given}
        )
    return int(given)
