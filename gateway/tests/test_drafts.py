"""Saves change the draft. It is looked at in words, published with a reason, dropped, or replaced."""

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from atoll.identity.roles import ADMIN, OPERATOR, SUPPORT
from atoll.testing.rights import signed_in
from gateway.models import CorsSettings, Publication, Route
from gateway.tests.test_admin import form
from gateway.usecases.load_routes import load_routes
from gateway.usecases.publish import Overtaken, draft, publish
from gateway.usecases.restore import restore

pytestmark = pytest.mark.django_db

REVIEW = "/admin/gateway/review/"
STAN = "Stan Staff (stan@example.com)"


@pytest.fixture(autouse=True)
def loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    names = frozenset({"thing-service", "user-service", "order-service", "payment-service"})
    for module in ("routes", "route_form"):
        monkeypatch.setattr(f"gateway.admin.{module}.known_services", lambda: names)
    load_routes()


@pytest.fixture
def operator() -> Client:
    return signed_in(OPERATOR)


def page(client: Client, address: str = REVIEW) -> str:
    return client.get(address).content.decode()


def seen(client: Client, address: str = REVIEW) -> str:
    found = re.search(r'name="seen" value="(\w+)"', page(client, address))
    assert found
    return found[1]


def typed(route: Route) -> dict[str, Any]:
    """The values of the route as its form sends them."""
    told = {key: value for key, value in route.document().items() if value is not None}
    return told | {"builtin": "", "hosts": "", "header_matches": ""}


def edit(client: Client, name: str, **fields: Any) -> None:
    """Save a route's page with other values, as a browser does."""
    route = Route.objects.get(name=name)
    answer = client.post(f"/admin/gateway/route/{route.pk}/change/", form(**typed(route) | fields))
    assert answer.status_code == 302, answer.content.decode()


def words() -> list[str]:
    return [change.text for change in draft().changes()]


def test_a_save_changes_the_draft_and_a_bar_on_every_page_says_so(operator: Client) -> None:
    assert "unpublished change" not in page(operator, "/admin/gateway/route/")
    edit(operator, "orders", timeout_s="5")

    assert Publication.objects.count() == 1
    assert words() == ["orders: time-out 10 s \u2192 5 s"]
    for address in ("", "gateway/route/", "gateway/requestlog/", "gateway/route/add/"):
        shown = page(operator, f"/admin/{address}")
        assert shown.count("1 unpublished change<") == 1
        assert "orders: time-out 10 s \u2192 5 s" in shown


def test_the_review_asks_why_and_publishes_under_the_name_of_the_person(operator: Client) -> None:
    edit(operator, "orders", timeout_s="5")
    without = operator.post(REVIEW, {"seen": seen(operator), "why": ""})
    assert (without.status_code, Publication.objects.count()) == (200, 1)

    answer = operator.post(REVIEW, {"seen": seen(operator), "why": "Orders got faster."}, follow=True)

    assert "Published as version 2." in answer.content.decode()
    latest = Publication.objects.get(version=2)
    assert (latest.by, latest.why) == (STAN, "Orders got faster.")
    assert latest.changes == ["orders: time-out 10 s \u2192 5 s"]
    history = page(operator, "/admin/gateway/publication/")
    for told in (STAN, "Orders got faster.", "orders: time-out 10 s \u2192 5 s"):
        assert told in history
    assert words() == []


def test_the_second_publisher_sees_the_changes_of_the_first_before(operator: Client) -> None:
    edit(operator, "orders", timeout_s="5")
    ours = seen(operator)
    edit(signed_in(OPERATOR), "payments", timeout_s="7")

    answer = operator.post(REVIEW, {"seen": ours, "why": "Orders got faster."})

    shown = answer.content.decode()
    assert Publication.objects.count() == 1
    assert "payments" in shown
    assert "Somebody changed or published something" in shown
    assert 'value="Orders got faster."' in shown
    operator.post(REVIEW, {"seen": seen(operator), "why": "Both."})
    assert len(Publication.objects.get(version=2).changes) == 2


def test_a_publication_in_between_is_noticed_too(operator: Client) -> None:
    edit(operator, "orders", timeout_s="5")
    ours = seen(operator)
    publish("bob")

    with pytest.raises(Overtaken):
        publish("ann", seen=ours)


def test_save_and_publish_publishes_at_once_when_nothing_else_waits(operator: Client) -> None:
    edit(operator, "orders", timeout_s="5", _publish="")

    latest = Publication.objects.get(version=2)
    assert latest.why == "Saved and published: orders: time-out 10 s \u2192 5 s"


def test_save_and_publish_leads_to_the_review_when_other_changes_wait(operator: Client) -> None:
    edit(operator, "orders", timeout_s="5")
    route = Route.objects.get(name="payments")
    values = form(**typed(route) | {"timeout_s": "7", "_publish": ""})
    answer = operator.post(f"/admin/gateway/route/{route.pk}/change/", values)

    assert (answer.status_code, answer.headers["location"]) == (302, REVIEW)
    assert Publication.objects.count() == 1
    assert len(words()) == 2


def test_dropping_makes_the_draft_the_published_table_again(operator: Client) -> None:
    edit(operator, "orders", timeout_s="5")
    operator.post("/admin/gateway/route/add/", form())
    CorsSettings.objects.create(origins=["https://a.test"])

    assert "are lost" in operator.post(f"{REVIEW}discard/", {"seen": seen(operator)}).content.decode()
    assert words()
    operator.post(f"{REVIEW}discard/", {"seen": seen(operator), "confirmed": "discard"})

    assert words() == []
    assert not Route.objects.get(name="things").enabled


def test_dropping_needs_the_changes_that_were_shown(operator: Client) -> None:
    edit(operator, "orders", timeout_s="5")
    token = seen(operator)
    edit(operator, "payments", timeout_s="7")

    operator.post(f"{REVIEW}discard/", {"seen": token, "confirmed": "discard"})
    assert len(words()) == 2


def test_a_former_version_comes_back_as_a_new_one_with_the_rows_of_the_admin(operator: Client) -> None:
    edit(operator, "orders", timeout_s="5", _publish="")
    operator.post("/admin/gateway/route/add/", form(_publish=""))
    edit(operator, "payments", timeout_s="7")

    address = "/admin/gateway/restore/?version=1"
    shown = page(operator, address)
    assert "unpublished changes are dropped" in shown
    assert "10 s" in shown
    operator.post(address, {"seen": seen(operator, address), "why": "Faster was wrong."})

    latest = Publication.objects.get(version=4)
    first = Publication.objects.get(version=1)
    assert latest.document["routes"] == first.document["routes"]
    assert (latest.by, latest.why, latest.restores) == (STAN, "Faster was wrong.", 1)
    assert Route.objects.get(name="orders").timeout_s == 10
    assert not Route.objects.get(name="things").enabled
    assert words() == []


def test_two_routes_that_swapped_their_places_come_back(operator: Client) -> None:
    orders, payments = (Route.objects.get(name=name) for name in ("orders", "payments"))
    Route.objects.filter(pk=orders.pk).update(prefix="/x")
    Route.objects.filter(pk=payments.pk).update(prefix=orders.prefix)
    Route.objects.filter(pk=orders.pk).update(prefix=payments.prefix)
    publish("ann")

    restore(1, "ann")
    assert Route.objects.get(name="orders").prefix == "/api/orders"


def test_a_version_that_does_not_exist_or_is_not_valid_any_more_changes_nothing(operator: Client) -> None:
    assert operator.get("/admin/gateway/restore/?version=99").status_code == 404
    broken = Publication.objects.get(version=1)
    broken.document["routes"][0]["colour"] = "red"
    broken.save()
    edit(operator, "orders", timeout_s="5")
    publish("ann")

    address = "/admin/gateway/restore/?version=1"
    answer = operator.post(address, {"seen": seen(operator, address), "why": "x"})

    assert answer.status_code == 200
    assert "Nothing was changed." in answer.content.decode()
    assert (Route.objects.get(name="orders").timeout_s, Publication.objects.count()) == (5, 2)


def test_support_may_look_and_not_publish() -> None:
    edit(signed_in(OPERATOR), "orders", timeout_s="5")
    support = signed_in(SUPPORT)

    assert "10 s" in page(support)
    support.post(REVIEW, {"seen": draft().token, "why": "x"})
    assert support.post(f"{REVIEW}discard/", {"seen": draft().token}).status_code == 403
    assert support.get("/admin/gateway/restore/?version=1").status_code == 403
    assert (Publication.objects.count(), len(words())) == (1, 1)


def test_the_audit_names_the_person_and_the_old_and_new_values(operator: Client) -> None:
    edit(operator, "orders", timeout_s="5", methods=["GET"])

    entry = LogEntry.objects.latest("pk")
    assert "time-out 10 s \u2192 5 s" in entry.get_change_message()
    assert "methods: without HEAD, POST" in entry.get_change_message()
    shown = page(operator, f"/admin/gateway/route/{entry.object_id}/history/")
    assert STAN in shown
    assert ">stan<" not in shown


def test_shipped_routes_are_published_without_the_changes_that_wait(operator: Client) -> None:
    edit(operator, "orders", timeout_s="5")
    Route.objects.filter(name="payments").delete()
    publish("ann", routes=["payments"])

    load_routes()

    latest = Publication.objects.first()
    assert latest is not None
    by_name = {row["name"]: row for row in latest.document["routes"]}
    assert ("payments" in by_name, by_name["orders"]["timeout_s"]) == (True, 10)
    assert words() == ["orders: time-out 10 s \u2192 5 s"]


def test_only_a_named_part_of_the_draft_is_published_on_demand() -> None:
    Route.objects.filter(name="orders").update(timeout_s=5)
    CorsSettings.objects.create(origins=["https://a.test"])

    publication = publish("ann", only=["cors"])

    assert publication.changes == ["cross-origin rules: origins: with https://a.test"]
    assert words() == ["orders: time-out 10 s \u2192 5 s"]


def test_an_administrator_may_do_all_of_it() -> None:
    admin = signed_in(ADMIN)
    edit(admin, "orders", timeout_s="5")
    admin.post(REVIEW, {"seen": seen(admin), "why": "x"})
    assert Publication.objects.count() == 2
