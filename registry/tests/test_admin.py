"""The pages and actions of operators. No action breaks the registry."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db.models import DateTimeField, Value

from atoll.admin.tiles import tiles
from registry import selectors
from registry.console.figures import store
from registry.console.figures.counts import Counts
from registry.models import Credential, Instance, JournalEntry, Lease
from registry.tests.conftest import SERVICE
from registry.usecases.credentials import issue
from registry.usecases.discover import discover
from registry.usecases.drain import drain, undrain
from registry.usecases.heartbeat import heartbeat

pytestmark = pytest.mark.django_db

INSTANCES = "/admin/registry/instance/"


def page(answer):
    assert answer.status_code == 200
    return answer.content.decode()


def healthy():
    return [instance["id"] for instance in discover(SERVICE).instances]


def select(verb, *instances, **more):
    return {"action": f"{verb}_selected", "_selected_action": [i.pk for i in instances]} | more


def test_services_show_how_many_of_their_instances_are_healthy(staff, put, silence):
    put("o-1")
    put("o-2", metadata={"version": "2"})
    silence("o-2", seconds=61)

    shown = page(staff.get("/admin/registry/service/"))
    for text in (SERVICE, "1 / 2", "reduced", "1, 2"):
        assert text in shown


@pytest.fixture
def after_the_beat(monkeypatch):
    """Stop the clock of the registry so many seconds after the only instance's last heartbeat."""

    def stop(*, seconds):
        moment = Lease.objects.get().beat_at + timedelta(seconds=seconds)
        standing = Value(moment, output_field=DateTimeField())
        monkeypatch.setattr(selectors, "judged_at", lambda: standing)

    return stop


def test_instances_show_status_place_version_and_last_beat(staff, put, after_the_beat):
    put("o-1", metadata={"version": "7.1", "zone": "north"})
    after_the_beat(seconds=12)

    shown = page(staff.get(INSTANCES))
    for text in ("o-1", "healthy", "10.0.0.7:8002", "7.1", "north", "12 s ago"):
        assert text in shown


@pytest.mark.parametrize("health", ["healthy", "unhealthy", "draining"])
def test_instances_are_filtered_by_health(staff, put, silence, health):
    put("is-healthy")
    put("is-unhealthy")
    put("is-draining")
    silence("is-unhealthy", seconds=61)
    Instance.objects.filter(instance_id="is-draining").update(is_drained=True)

    shown = page(staff.get(INSTANCES, {"health": health}))
    assert re.findall(r">(is-\w+)<", shown) == [f"is-{health}"]


def test_a_service_that_fell_silent_as_a_whole_is_shown_as_last_known_everywhere(staff, put, silence):
    put("o-1")
    silence("o-1", seconds=61)
    assert healthy() == ["o-1"]

    assert "last known" in page(staff.get("/admin/registry/service/"))
    assert "last-known" in page(staff.get(INSTANCES))
    assert ">o-1<" in page(staff.get(INSTANCES, {"health": "last-known"}))
    assert ">o-1<" not in page(staff.get(INSTANCES, {"health": "unhealthy"}))
    values = {tile.title: (tile.value, tile.is_alarming) for tile in tiles()}
    assert values["Last known instances"] == ("1", True)
    assert values["Unhealthy instances"][0] == "0"


def test_staff_empty_a_silent_service_by_deregistering_it(staff, put, silence):
    put("o-1")
    silence("o-1", seconds=61)
    assert healthy() == ["o-1"]

    chosen = Instance.objects.get()
    staff.post(INSTANCES, select("deregister", chosen, confirmed="deregister"))
    assert healthy() == []


def test_the_page_of_an_instance_tells_the_same(staff, put, after_the_beat):
    put("o-1", host="fd00::7", address="fd00::7")
    after_the_beat(seconds=0)

    shown = page(staff.get(f"{INSTANCES}{Instance.objects.get().pk}/change/"))
    for text in ("o-1", "healthy", "[fd00::7]:8002", "0 s ago"):
        assert text in shown
    assert "(&#x27;" not in shown, "no Python tuple"


def test_instances_are_found_by_what_they_say_of_themselves(staff, put):
    put("o-1", metadata={"zone": "north"})
    put("o-2", metadata={"zone": "south"})

    shown = page(staff.get(INSTANCES, {"q": "south"}))
    assert "o-2" in shown
    assert ">o-1<" not in shown


def test_metadata_is_shown_as_text_and_never_run(staff, put):
    put("o-1", metadata={"version": "<script>alert(1)</script>"})
    pk = Instance.objects.get().pk

    for url in (INSTANCES, f"{INSTANCES}{pk}/change/", "/admin/registry/service/"):
        shown = page(staff.get(url))
        assert "<script>alert(1)" not in shown
        assert "&lt;script&gt;alert(1)" in shown


def test_draining_asks_first_and_then_takes_it_out_of_traffic(staff, put):
    put("o-1")
    put("o-2")
    chosen = Instance.objects.get(instance_id="o-1")

    asked = page(staff.post(INSTANCES, select("drain", chosen)))
    assert "stop sending requests" in asked
    assert healthy() == ["o-1", "o-2"]

    done = page(staff.post(INSTANCES, select("drain", chosen, confirmed="drain"), follow=True))
    assert "o-1 is drained" in done
    assert healthy() == ["o-2"]
    assert heartbeat(SERVICE, "o-1") == "draining"
    assert JournalEntry.objects.get(kind="drained").actor.startswith("staff:")


def test_draining_says_how_many_stay_and_warns_of_the_last_one(staff, put):
    put("o-1")
    put("o-2")
    first, second = Instance.objects.order_by("instance_id")

    assert f"{SERVICE}: 1 of 2 in traffic leave, 1 stay." in page(
        staff.post(INSTANCES, select("drain", first))
    )
    both = page(staff.post(INSTANCES, select("drain", first, second)))
    assert f"{SERVICE}: no instance is left." in both
    drain(first, actor="staff:x")
    last = page(staff.get(f"{INSTANCES}{second.pk}/drain/"))
    assert f"{SERVICE}: no instance is left." in last
    assert f'href="{INSTANCES}"' in last
    assert "none of these is in traffic now. In traffic: 1." in page(
        staff.get(f"{INSTANCES}{first.pk}/deregister/")
    )
    assert "in traffic leave" not in page(staff.get(f"{INSTANCES}{first.pk}/undrain/"))
    assert healthy() == ["o-2"]


def test_draining_the_last_instance_names_its_callers(staff, put):
    put("o-1")
    page_of_drain = f"{INSTANCES}{Instance.objects.get().pk}/drain/"
    assert "has seen no call of it in the last five minutes" in page(staff.get(page_of_drain))
    store.add(
        {
            ("called", SERVICE, "api-gateway"): Counts(1200),
            ("call", "payment-service", SERVICE): Counts(7),
            ("call", "payment-service", "user-service"): Counts(9),
        },
        {},
    )
    asked = page(staff.get(page_of_drain))
    assert "Calls in the last five minutes: api-gateway (1,200), payment-service (7)." in asked


def test_draining_a_worker_says_that_nothing_stops(staff, put):
    put("w-1", service=f"{SERVICE}.worker", port=0)
    asked = page(staff.get(f"{INSTANCES}{Instance.objects.get().pk}/drain/"))
    assert f"{SERVICE}.worker: nothing stops." in asked
    assert "no instance is left" not in asked


def test_revoking_a_credential_says_which_processes_use_its_service(chief, put):
    put("o-1")
    credential = issue(SERVICE, label="laptop", actor="test")[0]
    issue(SERVICE, label="cluster", actor="test")
    kept = Credential.objects.filter(service=SERVICE, revoked_at=None).count() - 1
    asked = page(
        chief.post(
            "/admin/registry/credential/",
            {"action": "revoke_selected", "_selected_action": [credential.pk]},
        )
    )

    assert f"{SERVICE}: running instances and workers: 1. Other credentials that stay: {kept}." in asked
    credential.refresh_from_db()
    assert credential.revoked_at is None


def test_the_journal_names_the_member_of_staff(staff, put):
    put("o-1")
    somebody = User.objects.create(username="0197f1c0-0000-7000-8000-000000000007", email="ada@example.com")
    drain(Instance.objects.get(), actor=f"staff:{somebody.username}")
    undrain(Instance.objects.get(), actor="staff:nobody")
    User.objects.filter(pk=somebody.pk).update(first_name="Ada")

    shown = page(staff.get("/admin/registry/journalentry/"))
    assert "Ada (ada@example.com)" in shown
    assert "staff:nobody" in shown


def test_the_page_of_a_drained_instance_offers_to_undrain_it(staff, put):
    put("o-1")
    pk = Instance.objects.get().pk
    fresh = page(staff.get(f"{INSTANCES}{pk}/change/"))
    assert "Drain…" in fresh
    assert "Undrain…" not in fresh

    staff.post(f"{INSTANCES}{pk}/drain/", {"confirmed": "drain"})
    drained = page(staff.get(f"{INSTANCES}{pk}/change/"))
    assert "Undrain…" in drained
    assert "Drain…" not in drained.replace("Undrain…", "")

    staff.post(f"{INSTANCES}{pk}/undrain/", {"confirmed": "undrain"})
    assert healthy() == ["o-1"]


def test_opening_the_link_of_an_action_changes_nothing(staff, put):
    put("o-1")
    pk = Instance.objects.get().pk
    for verb in ("drain", "undrain", "deregister"):
        page(staff.get(f"{INSTANCES}{pk}/{verb}/"))

    assert healthy() == ["o-1"]


def test_deregistering_warns_that_a_running_process_comes_back_and_buries_this_life(staff, put):
    put("o-1", incarnation=5)
    pk = Instance.objects.get().pk

    assert "registers again within 15 seconds" in page(staff.get(f"{INSTANCES}{pk}/deregister/"))
    staff.post(f"{INSTANCES}{pk}/deregister/", {"confirmed": "deregister"})

    assert healthy() == []
    put("o-1", incarnation=6)
    assert healthy() == ["o-1"]


def test_nobody_writes_instances_services_or_the_journal_by_hand(chief, put):
    put("o-1")
    pk = Instance.objects.get().pk
    for model in ("instance", "service", "journalentry"):
        assert chief.get(f"/admin/registry/{model}/add/").status_code == 403
    assert chief.post(f"{INSTANCES}{pk}/change/", {"port": 1}).status_code == 403
    assert chief.post(f"{INSTANCES}{pk}/delete/", {"post": "yes"}).status_code == 403
    assert Instance.objects.get().port == 8002


def test_the_journal_is_searched_and_opened(staff, put):
    put("o-1")
    put("u-1", service="user-service")

    shown = page(staff.get("/admin/registry/journalentry/", {"q": "o-1"}))
    assert "registered" in shown.lower()
    assert "u-1" not in shown
    page(staff.get(f"/admin/registry/journalentry/{JournalEntry.objects.first().pk}/change/"))


def test_the_former_address_of_the_journal_leads_to_it(staff):
    answer = staff.get("/admin/registry/event/", {"q": "o-1"})

    assert (answer.status_code, answer["Location"]) == (302, "/admin/registry/journalentry/?q=o-1")


def test_the_index_page_counts_the_unhealthy(staff, put, silence):
    put("o-1")
    put("o-2")
    silence("o-2", seconds=61)

    values = {tile.title: (tile.value, tile.is_alarming) for tile in tiles()}
    assert values["Healthy instances"] == ("1", False)
    assert values["Unhealthy instances"] == ("1", True)
    assert "Unhealthy instances" in page(staff.get("/admin/"))
