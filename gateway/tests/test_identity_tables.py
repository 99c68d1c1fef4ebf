"""Issuers and consumers of a published document: what is refused, and with which words."""

from typing import Any

import pytest

from gateway.edge.routes import snapshot
from gateway.tests.harness import row, table

ISSUER = {"name": "shop", "issuer": "https://id.test/realms/shop", "audience": ["api"]}
KEY = {"id": "abcd1234", "digest": "0" * 64}
CONSUMER = {"id": "scanner", "name": "Scanner", "allows": {"open": ["GET"]}, "keys": [KEY]}


def read(**sections: Any) -> snapshot.Snapshot:
    return snapshot.read(table(row("open", "/open")) | sections)


def test_a_table_from_before_has_no_issuers_and_no_consumers() -> None:
    assert (read().issuers, read().consumers) == ((), ())


def test_a_row_needs_little_and_the_rest_has_careful_defaults() -> None:
    [issuer] = read(issuers=[ISSUER]).issuers
    [consumer] = read(consumers=[CONSUMER]).consumers

    assert (issuer.algorithms, issuer.id_claim, issuer.role_names, issuer.bare_ids) == (
        ("RS256",),
        "sub",
        (),
        False,
    )
    assert (consumer.roles, consumer.keys[0].expires_at) == ((), float("inf"))


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"name": "Shop"}, "its name must be lower-case letters"),
        ({"name": 7}, "name must be a text"),
        ({"issuer": "shop"}, "is no address such as"),
        ({"issuer": "ftp://id.test"}, "is no address such as"),
        ({"issuer": "https://user:secret@id.test"}, "is no address such as"),
        ({"issuer": "https://id.test?x=1"}, "is no address such as"),
        ({"issuer": "https://id.test/\n"}, "is no address such as"),
        ({"jwks_url": "file:///etc/passwd"}, "is no address such as"),
        ({"audience": []}, "name 1 to 20 audiences"),
        ({"audience": "api"}, "audience must be a list of texts"),
        ({"algorithms": ["HS256"]}, "its algorithms must be some of RS256"),
        ({"algorithms": ["none"]}, "its algorithms must be some of RS256"),
        ({"id_claim": ""}, "name the claim with the id"),
        ({"roles_claim": "a b"}, "is no claim"),
        ({"roles_claim": "roles", "role_names": {"cook": "root"}}, "the role 'cook' must become one of"),
        ({"role_names": {"cook": "catalogue"}}, "name the claim that has the roles"),
        ({"role_names": ["cook"]}, "role_names must be a table"),
        ({"bare_ids": 1}, "bare_ids must be true or false"),
    ],
)
def test_a_bad_issuer_is_refused_with_its_name_and_its_mistake(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(snapshot.InvalidConfiguration, match="Issuer ") as refused:
        read(issuers=[ISSUER | fields])
    assert problem in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"id": "Scanner"}, "its id must be lower-case letters"),
        ({"id": "a\r\nx-user-id: 1"}, "its id must be lower-case letters"),
        ({"name": "a\n"}, "printable characters"),
        ({"allows": ["open"]}, "allows must be a table"),
        ({"allows": {"open": []}}, "choose the methods"),
        ({"allows": {"open": ["TRACE"]}}, "choose the methods"),
        ({"allows": {"open": "GET"}}, "open must be a list of texts"),
        ({"roles": ["root"]}, "its roles must be some of"),
        ({"keys": [KEY | {"id": "x"}]}, "a key needs an id"),
        ({"keys": [KEY | {"digest": "secret"}]}, "a key needs an id"),
        ({"keys": [KEY | {"expires": "tomorrow"}]}, "is no time with a zone"),
        ({"keys": [KEY | {"expires": "2027-01-01T00:00:00"}]}, "is no time with a zone"),
        ({"keys": [KEY | {"expires": 7}]}, "expires must be a text"),
        ({"keys": [KEY] * 11}, "it may have 10 keys at most"),
        ({"keys": 7}, "The keys of the table are no list"),
    ],
)
def test_a_bad_consumer_is_refused_with_its_name_and_its_mistake(
    fields: dict[str, Any], problem: str
) -> None:
    with pytest.raises(snapshot.InvalidConfiguration, match="Consumer ") as refused:
        read(consumers=[CONSUMER | fields])
    assert problem in str(refused.value)


@pytest.mark.parametrize(
    ("sections", "problem"),
    [
        ({"issuers": {}}, "The issuers of the table are no list"),
        ({"issuers": ["shop"]}, "The issuers of the table are no list"),
        ({"issuers": [ISSUER, ISSUER]}, "Two issuers are called 'shop'"),
        ({"issuers": [ISSUER, ISSUER | {"name": "b"}]}, "Two issuers are called 'https://id.test/"),
        ({"consumers": [CONSUMER, CONSUMER | {"keys": []}]}, "Two consumers are called 'scanner'"),
        ({"consumers": [CONSUMER, CONSUMER | {"id": "b"}]}, "Two keys are called"),
    ],
)
def test_a_section_that_is_not_clear_is_refused(sections: dict[str, Any], problem: str) -> None:
    with pytest.raises(snapshot.InvalidConfiguration) as refused:
        read(**sections)
    assert problem in str(refused.value)
