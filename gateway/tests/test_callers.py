"""Issuers, consumers and keys in the admin: what takes effect when, and what is never shown."""

import re
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from atoll.addresses import networks
from atoll.identity.foreign.outside import Rules
from atoll.testing.identity_provider import AUDIENCE, DISCOVERY, KEYS, IdentityProvider, public_row
from gateway import recording
from gateway.callers import ApiKey, Consumer, Grant, Issuer
from gateway.draft.rows import load
from gateway.edge.identity.api_keys import ApiKeys, digest
from gateway.edge.routes import snapshot
from gateway.models import Publication, RequestLog, Route
from gateway.tests.test_control_plane import entry
from gateway.usecases.api_keys import (
    TooManyKeys,
    active_keys,
    issue_key,
    record_key_use,
    revoke_key,
    rotate_keys,
)
from gateway.usecases.load_routes import load_routes

pytestmark = pytest.mark.django_db

ADMIN = "/admin/gateway"


@pytest.fixture
def admin(settings: Any) -> Client:
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
    load_routes()
    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.create_superuser("root@example.com", email="ada@example.com"))
    return client


@pytest.fixture
def scanner() -> Consumer:
    load_routes()
    made = Consumer.objects.create(code="scanner", name="Scanner")
    Grant.objects.create(consumer=made, route=Route.objects.get(name="orders"), methods=["GET"])
    return made


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    provider = IdentityProvider()
    yield provider
    provider.close()


def published() -> snapshot.Snapshot:
    latest = Publication.objects.first()
    assert latest is not None
    return snapshot.read(latest.document)


def accepts(key: str) -> bool:
    """Whether the edge takes the key with the table that is published now."""
    return ApiKeys(published().consumers).find(key.encode()) is not None


def shown_key(page: Any) -> str:
    found = re.search(r'<code id="secret"[^>]*>(atoll_[a-z0-9_]+)</code>', page.content.decode())
    assert found, page.content.decode()
    return found.group(1)


def issuer_form(**fields: Any) -> dict[str, Any]:
    return {
        "name": "shop",
        "issuer": "https://id.example.com/realms/shop",
        "jwks_url": "",
        "audience": "api",
        "algorithms": ["RS256", "ES256"],
        "id_claim": "sub",
        "roles_claim": "realm_access.roles",
        "role_names": "shop-admin = operator\ncook=catalogue\n",
        "enabled": "on",
        **fields,
    }


def consumer_form(**fields: Any) -> dict[str, Any]:
    orders = Route.objects.get(name="orders")
    return {
        "code": "scanner",
        "name": "Scanner",
        "enabled": "on",
        "grants-TOTAL_FORMS": "1",
        "grants-INITIAL_FORMS": "0",
        "grants-0-route": orders.pk,
        "grants-0-methods": ["GET", "POST"],
        "keys-TOTAL_FORMS": "0",
        "keys-INITIAL_FORMS": "0",
        **fields,
    }


def test_an_issuer_is_a_draft_until_it_is_published(admin: Client) -> None:
    assert admin.post(f"{ADMIN}/issuer/add/", issuer_form()).status_code == 302
    assert published().issuers == ()

    row = Issuer.objects.get()
    admin.post(f"{ADMIN}/issuer/{row.pk}/change/", issuer_form(bare_ids="on"))
    review = admin.get("/admin/gateway/review/").content.decode()
    assert "issuer shop" in review


def test_saving_and_publishing_an_issuer_lets_the_edge_believe_it(admin: Client) -> None:
    admin.post(f"{ADMIN}/issuer/add/", issuer_form(_publish="1"))

    [issuer] = published().issuers
    assert issuer == Issuer.objects.get().compiled()
    assert issuer.role_names == (("cook", "catalogue"), ("shop-admin", "operator"))
    assert issuer.algorithms == ("RS256", "ES256")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"issuer": "id.example.com"}, "is no address such as"),
        ({"issuer": "https://root:secret@id.example.com"}, "is no address such as"),
        ({"audience": ""}, "This field is required"),
        ({"algorithms": ["HS256"]}, "Select a valid choice"),
        ({"role_names": "cook"}, "is no line such as shop-admin = operator"),
        ({"role_names": "cook = root"}, "must become one of"),
        ({"roles_claim": ""}, "name the claim that has the roles"),
    ],
)
def test_a_bad_issuer_is_refused_with_its_reason(admin: Client, fields: dict[str, Any], problem: str) -> None:
    answer = admin.post(f"{ADMIN}/issuer/add/", issuer_form(**fields))

    assert (answer.status_code, problem in answer.content.decode()) == (200, True)
    assert not Issuer.objects.exists()


def _issuer_of(provider: IdentityProvider, **fields: Any) -> Issuer:
    return Issuer.objects.create(name="shop", issuer=provider.issuer, audience=[AUDIENCE], **fields)


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "gateway.admin.issuers.issuer_rules", lambda: Rules(networks("127.0.0.0/8"), allow_http=True)
    )


def check(admin: Client, issuer: Issuer, **fields: str) -> str:
    page = admin.post(f"{ADMIN}/issuer/{issuer.pk}/check/", fields, follow=True)
    assert page.status_code == 200
    return page.content.decode()


def test_a_check_asks_first_and_names_what_it_will_fetch(
    admin: Client, provider: IdentityProvider, loopback: None
) -> None:
    page = admin.get(f"{ADMIN}/issuer/{_issuer_of(provider).pk}/check/").content.decode()

    assert f"{provider.origin}{DISCOVERY}" in page
    assert provider.asked == []


def test_a_check_says_what_it_found(admin: Client, provider: IdentityProvider, loopback: None) -> None:
    provider.documents[DISCOVERY]["id_token_signing_alg_values_supported"] = ["RS256", "PS256", "HS256"]
    provider.documents[KEYS]["keys"] += [
        public_row("other-rsa", use="enc"),
        {"kty": "oct", "kid": "x", "k": "x"},
    ]

    told = check(admin, _issuer_of(provider), confirmed="check")
    for text in (
        f"The key set is at {provider.origin}{KEYS}.",
        "Key rsa: RS256.",
        "Key p256 is for other algorithms.",
        "Not usable: a key that is not for signatures.",
        "Not usable: a key of the kind &#x27;oct&#x27;.",
        "It can sign with PS256, too.",
    ):
        assert text in told


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"issuer": "https://other.test", "jwks_uri": "x"}, "is the document of"),
        ((404, {}), "it answered 404"),
        ({"issuer": "ISSUER", "jwks_uri": "http://169.254.169.254/latest"}, "which is not public"),
    ],
)
def test_a_check_says_what_is_wrong(
    admin: Client, provider: IdentityProvider, loopback: None, document: Any, problem: str
) -> None:
    if isinstance(document, dict) and document["issuer"] == "ISSUER":
        document = document | {"issuer": provider.issuer}
    provider.documents[DISCOVERY] = document

    assert problem in check(admin, _issuer_of(provider), confirmed="check")


def test_issuers_of_an_old_table_come_back_and_others_are_switched_off(admin: Client) -> None:
    kept = Issuer.objects.create(name="kept", issuer="https://a.test", audience=["api"])
    document = {"issuers": [kept.document()]}
    Issuer.objects.create(name="new", issuer="https://b.test", audience=["api"])
    Issuer.objects.filter(name="kept").update(audience=["other"])

    load(document, "ada")
    assert {row.name: (row.enabled, row.audience) for row in Issuer.objects.all()} == {
        "kept": (True, ["api"]),
        "new": (False, ["api"]),
    }


def test_a_new_consumer_is_published_at_once_and_alone(admin: Client) -> None:
    Route.objects.filter(name="payments").update(rate_limit=7)
    assert admin.post(f"{ADMIN}/consumer/add/", consumer_form()).status_code == 302

    now = published()
    [consumer] = now.consumers
    assert (consumer.id, consumer.allows, consumer.keys) == ("scanner", {"orders": ("GET", "POST")}, ())
    [payments] = [route for route in now.routes if route.name == "payments"]
    assert payments.rate_limit != 7


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"code": "Scanner"}, "its id must be lower-case letters"),
        ({"name": " "}, "This field is required"),
        ({"roles": ["root"]}, "Select a valid choice"),
        ({"grants-0-methods": ["TRACE"]}, "Select a valid choice"),
        ({"grants-0-methods": []}, "This field is required"),
    ],
)
def test_a_bad_consumer_is_refused_with_its_reason(
    admin: Client, fields: dict[str, Any], problem: str
) -> None:
    answer = admin.post(f"{ADMIN}/consumer/add/", consumer_form(**fields))

    assert (answer.status_code, problem in answer.content.decode()) == (200, True)
    assert not Consumer.objects.exists()


def test_a_key_is_shown_once_and_kept_as_a_hash(admin: Client, scanner: Consumer) -> None:
    page = admin.post(f"{ADMIN}/consumer/{scanner.pk}/new-key/", {"label": "Depot 3", "days": "90"})
    key = shown_key(page)

    assert "no-store" in page.headers["Cache-Control"]
    row = ApiKey.objects.get()
    assert (row.digest, row.label, row.created_by) == (digest(key), "Depot 3", "ada@example.com")
    assert timedelta(days=89) < row.expires_at - timezone.now() < timedelta(days=91)
    assert accepts(key)
    secret = key.rsplit("_", 1)[1]
    for shown in ("consumer/", f"consumer/{scanner.pk}/change/", "apikey/", f"apikey/{row.pk}/change/"):
        text = admin.get(f"{ADMIN}/{shown}").content.decode()
        assert secret not in text
        assert row.digest not in text
    kept = [*Publication.objects.values_list("document", "changes", "why"), *LogEntry.objects.values_list()]
    assert secret not in str(kept)
    assert any(f"{row}" in log.change_message for log in LogEntry.objects.all())


def test_the_form_alone_makes_no_key(admin: Client, scanner: Consumer) -> None:
    for page in ("new-key", "rotate"):
        assert admin.get(f"{ADMIN}/consumer/{scanner.pk}/{page}/").status_code == 200
        answer = admin.post(f"{ADMIN}/consumer/{scanner.pk}/{page}/", {"days": "7", "label": "a\u202eb"})
        assert answer.status_code == 200
        assert "Select a valid choice" in answer.content.decode()
    assert not ApiKey.objects.exists()
    assert admin.get(f"{ADMIN}/consumer/999/new-key/").status_code == 302


def test_the_page_of_a_consumer_leads_to_the_page_that_revokes_a_key(
    admin: Client, scanner: Consumer
) -> None:
    row, _ = issue_key(scanner, by="ada")

    assert (
        f'href="{ADMIN}/apikey/{row.pk}/change/"'
        in admin.get(f"{ADMIN}/consumer/{scanner.pk}/change/").content.decode()
    )
    assert (
        f"{ADMIN}/apikey/{row.pk}/revoke/" in admin.get(f"{ADMIN}/apikey/{row.pk}/change/").content.decode()
    )


def test_two_keys_overlap_during_a_rotation_and_a_third_is_refused(admin: Client, scanner: Consumer) -> None:
    old = issue_key(scanner, by="ada")[1]
    form = {"label": "", "days": "0", "hours": "24"}
    new = shown_key(admin.post(f"{ADMIN}/consumer/{scanner.pk}/rotate/", form))

    assert [accepts(key) for key in (old, new)] == [True, True]
    former = ApiKey.objects.get(digest=digest(old))
    assert timedelta(hours=23) < former.expires_at - timezone.now() < timedelta(hours=25)

    for page in ("rotate", "new-key"):
        refused = admin.post(f"{ADMIN}/consumer/{scanner.pk}/{page}/", form)
        assert "revoke one" in refused.content.decode()
    assert ApiKey.objects.count() == 2


def test_a_rotation_without_overlap_ends_the_former_key(scanner: Consumer) -> None:
    old = issue_key(scanner, by="ada")[1]
    new = rotate_keys(scanner, by="ada", overlap=timedelta())[1]

    assert [accepts(key) for key in (old, new)] == [False, True]


def test_a_rotation_never_lengthens_the_life_of_a_key(scanner: Consumer) -> None:
    end = timezone.now() + timedelta(hours=1)
    old, _ = issue_key(scanner, by="ada", expires_at=end)
    rotate_keys(scanner, by="ada", overlap=timedelta(days=7))

    old.refresh_from_db()
    assert old.expires_at == end


def test_expired_keys_make_room_and_do_not_gather_in_the_table(scanner: Consumer) -> None:
    for _ in range(12):
        issue_key(scanner, by="ada", expires_at=timezone.now() - timedelta(seconds=1))

    assert len(published().consumers[0].keys) == 1
    assert active_keys(scanner).count() == 0


def test_revoking_asks_first_and_takes_effect_with_its_publication(admin: Client, scanner: Consumer) -> None:
    row, key = issue_key(scanner, by="ada")
    address = f"{ADMIN}/apikey/{row.pk}/revoke/"

    assert "cannot be taken back" in admin.post(address).content.decode()
    assert accepts(key)
    admin.post(address, {"confirmed": "revoke"})
    assert not accepts(key)
    row.refresh_from_db()
    assert row.revoked_by == "ada@example.com"
    assert not revoke_key(row, by="bob")


def test_keys_are_revoked_from_the_list(admin: Client, scanner: Consumer) -> None:
    made = [issue_key(scanner, by="ada") for _ in range(2)]
    form = {"action": "revoke_selected", "_selected_action": [row.pk for row, _ in made]}

    admin.post(f"{ADMIN}/apikey/", form)
    assert all(accepts(key) for _, key in made)
    admin.post(f"{ADMIN}/apikey/", form | {"confirmed": "revoke_selected"})
    assert not any(accepts(key) for _, key in made)


def test_a_consumer_that_is_switched_off_is_refused_at_once_and_never_deleted(
    admin: Client, scanner: Consumer
) -> None:
    key = issue_key(scanner, by="ada")[1]
    grant = scanner.grants.get()
    form = consumer_form(
        **{"grants-INITIAL_FORMS": "1", "grants-0-id": grant.pk, "grants-0-consumer": scanner.pk}
    )
    del form["enabled"]

    admin.post(f"{ADMIN}/consumer/{scanner.pk}/change/", form | {"confirmed": "save"})
    assert not accepts(key)
    admin.post(f"{ADMIN}/consumer/{scanner.pk}/change/", form | {"enabled": "on"})
    assert accepts(key)
    assert admin.post(f"{ADMIN}/consumer/{scanner.pk}/delete/", {"post": "yes"}).status_code == 403


def test_too_many_keys_is_a_refusal_that_changes_nothing(scanner: Consumer) -> None:
    for _ in range(2):
        issue_key(scanner, by="ada")
    version = published().version

    with pytest.raises(TooManyKeys):
        issue_key(scanner, by="ada")
    with pytest.raises(TooManyKeys):
        rotate_keys(scanner, by="ada", overlap=timedelta(days=1))
    assert (ApiKey.objects.count(), published().version) == (2, version)


def test_the_last_use_of_a_key_is_kept_and_never_goes_back(scanner: Consumer) -> None:
    row, _ = issue_key(scanner, by="ada")
    now = time.time()

    record_key_use({row.key_id: now, "gone0000": now})
    record_key_use({row.key_id: now - 100})
    row.refresh_from_db()
    assert row.last_used_at.timestamp() == pytest.approx(now)
    assert Publication.objects.first().version == published().version


def test_the_request_log_takes_the_longest_id_of_a_foreign_user() -> None:
    recording.store([entry(user_id="a" * 31 + ":" + "%C3%85" * 255)])

    assert len(RequestLog.objects.get().user_id) == 320


def test_every_page_opens(admin: Client, scanner: Consumer) -> None:
    row, _ = issue_key(scanner, by="ada")
    issuer = Issuer.objects.create(name="shop", issuer="https://a.test", audience=["api"])
    pages = (
        "issuer/", "issuer/add/", f"issuer/{issuer.pk}/change/", f"issuer/{issuer.pk}/history/",
        "consumer/", "consumer/add/", f"consumer/{scanner.pk}/change/", "consumer/?q=scanner",
        "apikey/", f"apikey/{row.pk}/change/", f"apikey/?q={row.key_id}",
    )  # fmt: skip
    for page in pages:
        assert admin.get(f"{ADMIN}/{page}").status_code == 200, page
    assert admin.get(f"{ADMIN}/apikey/?digest__startswith=a").status_code == 400
