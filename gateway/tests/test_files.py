"""The table as a YAML file: exported, checked with every problem, and imported into the draft."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.test import Client

from atoll.identity.roles import ADMIN, OPERATOR, SUPPORT
from atoll.testing.rights import signed_in
from gateway.callers import Issuer
from gateway.draft.as_yaml import MAX_BYTES
from gateway.draft.checking import problems
from gateway.models import CorsSettings, Publication, Route
from gateway.usecases.load_routes import load_routes
from gateway.usecases.publish import draft, publish

KNOWN = frozenset({"user-service", "order-service", "product-service", "payment-service"})
FILES = "/admin/gateway/files/"
GOOD = """
routes:
  things:
    prefix: /things
    service: order-service
    service_path: /things
    access: public
"""


@pytest.fixture
def operator(db: None, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr("gateway.admin.files.known_services", lambda: KNOWN)
    load_routes()
    return signed_in(OPERATOR)


def send(client: Client, text: str) -> str:
    file = BytesIO(text.encode())
    file.name = "routes.yml"
    return client.post(FILES, {"file": file}, follow=True).content.decode()


def export(client: Client, of: str = "") -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(client.get(f"{FILES}export/?of={of}").content)
    return loaded


def test_what_is_exported_and_imported_again_changes_nothing(operator: Client) -> None:
    CorsSettings.objects.create(origins=["https://a.test"])
    Route.objects.filter(name="orders").update(hosts=["a.test"], header_matches={"x-a": "1"})
    publish("ann")
    text = operator.get(f"{FILES}export/").content.decode()
    assert problems(text.encode(), KNOWN) == []

    assert "Imported into the draft" in send(operator, text)
    assert draft().changes() == []


def test_an_import_waits_in_the_draft_and_is_looked_at_first(operator: Client) -> None:
    table = export(operator)
    table["routes"]["orders"]["timeout_s"] = 5
    del table["routes"]["payments"]

    page = send(operator, yaml.safe_dump(table))

    assert "Unpublished changes" in page
    assert {change.text for change in draft().changes()} == {
        "orders: time-out 10 s \u2192 5 s",
        "payments: removed",
    }
    assert Publication.objects.count() == 1
    assert not Route.objects.get(name="payments").enabled


def test_a_file_with_one_section_leaves_the_others(operator: Client) -> None:
    send(operator, "cors:\n  origins: [https://a.test]\n")
    assert [change.text for change in draft().changes()] == [
        "cross-origin rules: origins: with https://a.test"
    ]


BAD = """
routes:
  one: {prefix: /admin/x, service: order-service, service_path: /x}
  two: {prefix: /two, service: order-service, service_path: /x, colour: red}
  three: {prefix: /three, service: gone-service, service_path: /x}
  four: {prefix: /four, service: order-service}
  five: {prefix: /five, service: order-service, service_path: /x, timeout_s: ten}
  six: {prefix: /six, service: order-service, service_path: /metrics}
  seven: {prefix: /seven, service: order-service, service_path: /x, access: public}
  eight: {prefix: /seven, service: order-service, service_path: /x, access: public}
aggregates:
  a: {path: nowhere, legs: []}
  b: {path: /b, legs: []}
services:
  order-service: {strategy: hope}
cors: {origins: [nowhere]}
"""


def test_the_check_tells_every_problem_and_fails(tmp_path: Path) -> None:
    file = tmp_path / "routes.yml"
    file.write_text(BAD)

    with pytest.raises(CommandError) as refused:
        call_command("check", str(file))

    told = str(refused.value)
    for problem in (
        "'one': the path '/admin/x' belongs to the gateway itself",
        "'two': there is no field 'colour'",
        "Nobody knows a service 'gone-service'",
        "'four': Without a service path it opens every address",
        "'five': its timeout_s has a value of the wrong type",
        "'six': /metrics of a service is never forwarded",
        "Routes 'seven' and 'eight' both take",
        "Aggregate 'a'",
        "Aggregate 'b'",
        "strategy",
        "'nowhere' is no origin",
    ):
        assert problem in told
    assert all(line.startswith(str(file)) for line in told.splitlines())


def test_a_good_file_passes_without_a_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "routes.yml"
    file.write_text(GOOD)
    call_command("check", str(file))
    assert "no problem" in capsys.readouterr().out

    with pytest.raises(CommandError, match="cannot be read"):
        call_command("check", str(tmp_path / "gone.yml"))


def test_without_a_file_it_is_djangos_check() -> None:
    call_command("check", "gateway")


LONG_TEXT = b"""
aggregates:
  a: {path: /a, refused_message: %b, legs: [{name: b, service: user-service, path: /b}]}
""" % (b"x" * 201)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xff", "not UTF-8"),
        (b"routes: [", "no YAML"),
        (b"- a", "must have sections"),
        (b"", "must have sections"),
        (b"colours: {}", "no section 'colours'"),
        (b"consumers: {}", "no section 'consumers'"),
        (b"routes: {a: &x {}, b: *x}", "aliases are not read"),
        (b"routes: {a: {}, a: {}}", "'a' is here twice"),
        (b"routes: [a]", "must have names"),
        (b"routes: !!python/object:os.system {}", "no YAML"),
        (b"[" * 5000, "nested too deep"),
        (b"#" * (MAX_BYTES + 1), "more than"),
        (b"routes: {1: {prefix: /a}}", "name must be lower-case"),
        (b"routes: {a: {prefix: 1, service: b, service_path: /c}}", "wrong type"),
        (b"routes: {a: {prefix: 2026-01-01, methods: 3, service: b}}", "Route 'a'"),
        (b"cors: 3", "no field"),
        (b"aggregates: {a: {path: /a, legs: 3}}", "incomplete"),
        (b"services: {a: {max_inflight: 5}}", "service 'a': there is no field 'max_inflight'"),
        (b"services: {a: {health: {pth: /x}}}", "service 'a': there is no field 'pth'"),
        (b"services: {a: {id: 3}}", "service 'a': there is no field 'id'"),
        (b"limits: {a: {limit: 5, window_s: 60, apply_to: anonymous}}", "there is no field 'apply_to'"),
        (b"limits: {a: {limit: 5, window_s: 60, routes: orders}}", "routes are no list"),
        (b"issuers: {a: {issuer: https://a.test, audience: [a], roles_clm: b}}", "no field 'roles_clm'"),
        (LONG_TEXT, "aggregate 'a': refused_message: Ensure this value has at most 200"),
        (b"routes: {a: {prefix: /a, service: order-service, service_path: /a, priority: 40000}}", "priority"),
        (b'aggregates: {a: {path: "/a\\0", legs: []}}', "a character that cannot be stored"),
        (b'aggregates: {a: {path: "/a\\ud800", legs: []}}', "a character that cannot be stored"),
    ],
)
def test_what_is_no_table_is_refused_in_words(content: bytes, problem: str) -> None:
    [told] = problems(content, KNOWN)
    assert problem in told


def test_a_bad_import_changes_nothing_and_shows_all_problems(operator: Client) -> None:
    page = send(operator, BAD)

    assert "Nothing was imported." in page
    assert "Nobody knows a service" in page
    assert "Routes &#x27;seven&#x27; and &#x27;eight&#x27; both take" in page
    assert draft().changes() == []


def test_only_an_administrator_may_import_what_opens_too_much(operator: Client) -> None:
    risky = GOOD.replace("service_path: /things", "insist: true")

    assert "Only an administrator may insist on it." in send(operator, risky)
    assert draft().changes() == []
    assert "Imported into the draft" in send(signed_in(ADMIN), risky)
    assert Route.objects.get(name="things").insisted_by
    assert "Imported into the draft" in send(signed_in(OPERATOR), risky)


ISSUER = """
issuers:
  theirs: {issuer: "https://id.example.com", audience: [shop]}
"""


def test_an_operator_cannot_bring_an_issuer_in_by_a_file_or_an_old_version(operator: Client) -> None:
    assert "Only an administrator may change issuers." in send(operator, ISSUER)
    assert draft().changes() == []
    assert "Imported into the draft" in send(signed_in(ADMIN), ISSUER)
    version = publish("ann").version
    Issuer.objects.update(enabled=False)
    publish("ann")

    page = f"/admin/gateway/restore/?version={version}"
    operator = signed_in(OPERATOR)
    operator.post(page, {"seen": draft().token, "why": "x"})
    assert not Issuer.objects.get().enabled
    signed_in(ADMIN).post(page, {"seen": draft().token, "why": "x"})
    assert Issuer.objects.get().enabled


def test_support_may_export_and_not_import(operator: Client) -> None:
    support = signed_in(SUPPORT)
    assert "orders" in export(support)["routes"]
    send(support, GOOD)
    assert draft().changes() == []
