"""The rules for the HTTP API of every project, as a test suite.

Subclass ``ApiDoors`` in ``tests/test_doors.py`` of the project. It finds the addresses and lists in the
project's URLs and in its OpenAPI document.
"""

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve

from atoll.api.paths import IdConverter

__all__ = ["ApiDoors"]

ANY_ID = UUID("0199a1b2-cdef-7abc-8def-abcdefabcdef")
PROBES = ("/health", "/health/live", "/health/ready")
FOREIGN_HOSTS = ("10.1.2.3:8001", "[fd00::7]:8001", "evil.example", "no host", "a,b", "")
PAGING = ("page", "pageSize")


def patterns(of: Any = None, before: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every address of the running project outside its admin, as written in its URLs."""
    for pattern in (of or get_resolver()).url_patterns:
        address = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            if not address.startswith("admin"):
                yield from patterns(pattern, address)
        else:
            yield address, pattern


def lists() -> dict[str, set[str]]:
    """The address of every list, and the parameters of its description.

    A list is a call that answers with an array by the OpenAPI document, or an address without an id
    and with a view that pages. Calls that are answered in front of Django, such as the registry's,
    have tests of their own.
    """
    from drf_spectacular.generators import SchemaGenerator

    generator: Any = SchemaGenerator  # drf-spectacular is not typed
    document = generator().get_schema(request=None, public=True)
    found = {}
    for address, operations in document["paths"].items():
        operation = operations.get("get", {})
        if not _is_a_view(address):
            continue
        if any(_is_array(answer, document) for answer in operation.get("responses", {}).values()):
            found[address] = {row["name"] for row in operation.get("parameters", ()) if row["in"] == "query"}
    for address, pattern in patterns():
        view = getattr(pattern.callback, "cls", None)
        if getattr(view, "pagination_class", None) and hasattr(view, "get") and "<" not in address:
            found.setdefault(f"/{address}", set())
    return found


def _is_a_view(address: str) -> bool:
    try:
        resolve(re.sub(r"\{\w+\}", str(ANY_ID), address))
    except Resolver404:
        return False
    return True


def _is_array(answer: dict[str, Any], document: dict[str, Any]) -> bool:
    schemas = [media["schema"] for media in answer.get("content", {}).values()]
    named = document["components"]["schemas"]
    return any(
        named.get(schema.get("$ref", "").rpartition("/")[2], schema).get("type") == "array"
        for schema in schemas
    )


class ApiDoors:
    """Each method tests one rule on all addresses of the project."""

    @pytest.mark.django_db
    @pytest.mark.parametrize("host", FOREIGN_HOSTS)
    @pytest.mark.parametrize("path", PROBES)
    def test_probes_are_answered_whatever_host_they_name(self, client: Any, path: str, host: str) -> None:
        assert client.get(path, HTTP_HOST=host).status_code == 200

    def test_other_pages_refuse_a_host_that_is_not_ours(self, client: Any) -> None:
        refused = client.get("/metrics", HTTP_HOST="evil.example")
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")

    def test_an_id_in_a_path_may_be_written_in_upper_case(self) -> None:
        for address, pattern in patterns():
            assert "<uuid:" not in address, f"{address}: write <id:…>, which takes upper case, too."
            ids = [name for name, kind in pattern.pattern.converters.items() if isinstance(kind, IdConverter)]
            if ids:
                path = "/" + address.replace(f"<id:{ids[0]}>", "{}")
                lower, upper = (resolve(path.format(text)) for text in (str(ANY_ID), str(ANY_ID).upper()))
                assert lower.func is upper.func
                assert lower.kwargs == upper.kwargs == {ids[0]: ANY_ID}

    @pytest.mark.django_db
    def test_lists_refuse_parameters_they_do_not_know(self, atoll_as_admin: Any) -> None:
        for address in lists():
            refused = atoll_as_admin().get(address, {"madeUp": "1", "rol": "admin"})
            assert refused.status_code == 400, f"{address} ignores a mistyped parameter."
            assert refused.json()["details"] == {"madeUp": ["Unknown filter."], "rol": ["Unknown filter."]}

    @pytest.mark.django_db
    def test_lists_refuse_a_parameter_that_is_given_twice(self, atoll_as_admin: Any) -> None:
        for address, described in lists().items():
            assert described >= set(PAGING), f"{address} does not say how it is paged."
            for name in described:
                refused = atoll_as_admin().get(f"{address}?{name}=1&{name}=1")
                assert refused.status_code == 400, f"{address} takes one of two {name}=."
                assert refused.json()["details"] == {name: ["Give it once."]}
