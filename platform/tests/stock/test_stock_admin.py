"""The bus's pages in Django's own admin, in a project that has neither unfold nor any other app of ours."""

import importlib
import re
from typing import Any
from urllib.parse import urlencode

import pytest
from conftest import CORRELATION, Ledger, member
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.admin.sites import AdminSite
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from atoll.bus import Message, on
from atoll.bus.handlers import enrolment, registry
from atoll.bus.models import Delivery, KnownHandler, Outbox, Quarantine
from atoll.testing.bus import Bus

PLACE = "/admin/atoll_bus"
PAGES = {
    "overview": "To publish",
    "overview_figures": "To publish",
    "where": "Correlation id or message id",
    "dead_letters": "the pencil is broken",
    "handlers": "A handler stays known",
    "decisions": "Nobody has decided anything yet.",
}
LISTS = ("delivery", "inbox", "outbox", "quarantine")
LINK = re.compile(r'<a [^>]*href="([^"]+)"')


def text_of(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, (address, answer.status_code)
    return answer.content.decode()


def links(page: str) -> list[str]:
    return [found.replace("&amp;", "&") for found in LINK.findall(page)]


def link(page: str, *, part: str) -> str:
    """The first link with ``part`` in its address."""
    return next(one for one in links(page) if part in one)


def act(client: Client, model: str, action: str, *ids: Any, reason: str = "") -> str:
    """Run an action on rows of a list, and say yes where it asks first."""
    sent = {"action": action, "_selected_action": [str(pk) for pk in ids], "reason": reason}
    answer = client.post(f"{PLACE}/{model}/", sent, follow=True)
    if b'name="confirmed"' in answer.content:
        answer = client.post(f"{PLACE}/{model}/", sent | {"confirmed": f"{action}_chosen"}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_unfold_cannot_be_imported_here() -> None:
    with pytest.raises(ImportError):
        importlib.import_module("unfold")
    assert not apps.is_installed("atoll.admin")


def test_the_project_keeps_its_site_its_users_and_its_password_page(staff: Client) -> None:
    assert type(admin.site._wrapped) is AdminSite  # type: ignore[attr-defined]
    assert type(admin.site.get_model_admin(User)) is UserAdmin
    assert "Change password" in text_of(staff, "/admin/")
    for name in ("password_change", "auth_user_changelist", "auth_user_add", "auth_group_changelist"):
        assert staff.get(reverse(f"admin:{name}")).status_code == 200


@pytest.mark.parametrize(("name", "shown"), PAGES.items())
def test_every_page_opens(staff: Client, ledger: Ledger, name: str, shown: str) -> None:
    assert shown in text_of(staff, reverse(f"admin:atoll_bus_{name}"))


def test_every_list_row_and_history_opens(staff: Client, ledger: Ledger) -> None:
    rows = {
        "delivery": ledger.dead,
        "inbox": ledger.inbox,
        "outbox": ledger.outbox,
        "quarantine": ledger.quarantined,
    }
    for model, row in rows.items():
        shown = text_of(staff, f"{PLACE}/{model}/")
        assert f"{PLACE}/{model}/{row.pk}/change/" in shown
        assert "Dead letters" in shown  # the menu of the bus's pages
        text_of(staff, f"{PLACE}/{model}/{row.pk}/change/")
        assert "no decision about this row" in text_of(staff, f"{PLACE}/{model}/{row.pk}/history/")
        for form in ("csv", "json"):
            assert staff.get(f"{PLACE}/{model}/export/{form}/").status_code == 200


def test_every_filter_search_and_date_of_the_lists_works(staff: Client, ledger: Ledger) -> None:
    for model in LISTS:
        for query in links(text_of(staff, f"{PLACE}/{model}/")):
            if query.startswith("?"):
                text_of(staff, f"{PLACE}/{model}/{query}")
        text_of(staff, f"{PLACE}/{model}/?q={CORRELATION}")


def test_no_link_of_a_page_leads_nowhere(staff: Client, ledger: Ledger) -> None:
    """Follow every link from the first page on, as staff would."""
    seen: set[str] = set()
    waiting = ["/admin/"]
    while waiting:
        address = waiting.pop()
        seen.add(address)
        answer = staff.get(address)
        assert answer.status_code in (200, 302), (address, answer.status_code)
        if address.startswith(("/admin/auth/", "/admin/password", "/admin/logout")) or "/export/" in address:
            continue
        page = "".join(answer).decode() if answer.streaming else answer.content.decode()
        for found in links(page):
            target = found.partition("#")[0]
            if target.startswith("/admin/") and target not in seen and target not in waiting:
                waiting.append(target)
    assert len(seen) > 30


def test_the_first_page_of_the_app_leads_to_all_pages_and_shows_failures(
    staff: Client, ledger: Ledger
) -> None:
    page = text_of(staff, f"{PLACE}/")
    for name in ("overview", "where", "dead_letters", "handlers", "decisions"):
        assert f'href="{reverse(f"admin:atoll_bus_{name}")}"' in page
    assert "Failing now" in page
    assert "there is no drawer" in page
    assert f'href="{PLACE}/"' in text_of(staff, "/admin/")


def test_a_dead_delivery_is_replayed_from_its_page_and_runs(
    staff: Client, ledger: Ledger, atoll_bus: Bus
) -> None:
    replay = link(text_of(staff, f"{PLACE}/delivery/{ledger.dead.pk}/change/"), part="/replay/")
    assert "runs again with all its attempts" in text_of(staff, replay)
    assert "1 row: will run again." in staff.post(replay, follow=True).content.decode()
    assert atoll_bus.run_due() == 1
    assert ledger.notes == ["late"]
    assert "will run again" in text_of(staff, f"{PLACE}/delivery/{ledger.dead.pk}/history/")
    assert "/replay/" not in text_of(staff, f"{PLACE}/delivery/{ledger.dead.pk}/change/")


def test_a_dead_delivery_is_edited_and_runs_with_the_new_data(
    staff: Client, ledger: Ledger, atoll_bus: Bus
) -> None:
    edit = link(text_of(staff, f"{PLACE}/delivery/{ledger.dead.pk}/change/"), part="/edit/")
    page = text_of(staff, edit)
    digest = re.search(r'name="instead_of" value="(\w+)"', page)
    assert digest
    sent = {"payload": "{", "reason": "a typing error", "instead_of": digest[1]}
    assert "errorlist" in staff.post(edit, sent).content.decode()
    assert ledger.notes == []
    sent["payload"] = '{"text": "mended"}'
    assert "edited and will run again" in staff.post(edit, sent, follow=True).content.decode()
    atoll_bus.run_due()
    assert ledger.notes == ["mended"]


def test_a_dead_delivery_is_discarded_with_a_reason(staff: Client, ledger: Ledger) -> None:
    discard = link(text_of(staff, f"{PLACE}/delivery/{ledger.dead.pk}/change/"), part="/discard/")
    assert "This field is required." in staff.post(discard, {"reason": ""}).content.decode()
    staff.post(discard, {"reason": "the customer left"})
    ledger.dead.refresh_from_db()
    assert (ledger.dead.status, ledger.dead.error) == ("discarded", "Discarded: the customer left")


@pytest.mark.parametrize(("verb", "status"), [("replay", "pending"), ("discard", "discarded")])
def test_a_group_of_dead_letters_is_decided_at_once(
    staff: Client, ledger: Ledger, verb: str, status: str
) -> None:
    groups = text_of(staff, reverse("admin:atoll_bus_dead_letters"))
    dead = groups[groups.index(">Dead<") :]
    assert "the pencil is broken" in text_of(staff, link(dead, part="/dead-letters/group/"))
    decide = link(dead, part=f"/dead-letters/{verb}/")
    text_of(staff, decide)
    staff.post(decide, {"reason": "known fault"}, follow=True)
    ledger.dead.refresh_from_db()
    assert ledger.dead.status == status
    assert Delivery.objects.get(pk=ledger.failing.pk).status == "pending"
    assert "1 delivery" in text_of(staff, reverse("admin:atoll_bus_decisions"))


def test_chosen_rows_of_every_list_are_decided(staff: Client, ledger: Ledger) -> None:
    assert "say why" in act(staff, "delivery", "discard", ledger.failing.pk)
    assert "1 row: discarded: no drawer." in act(
        staff, "delivery", "discard", ledger.failing.pk, reason="no drawer"
    )
    assert "1 row: will run again." in act(staff, "delivery", "replay", ledger.dead.pk)
    assert "1 row: will be published." in act(staff, "outbox", "publish_now", ledger.outbox.pk)
    act(staff, "outbox", "discard", ledger.outbox.pk, reason="a mistake")
    assert Outbox.objects.get().status == "discarded"
    act(staff, "quarantine", "replay", ledger.quarantined.pk)
    assert Quarantine.objects.get().status == "replayed"


def test_a_quarantined_message_is_decided_from_its_page(staff: Client, ledger: Ledger) -> None:
    change = f"{PLACE}/quarantine/{ledger.quarantined.pk}/change/"
    page = text_of(staff, change)
    assert "&lt;script&gt;late&lt;/script&gt;" in page
    assert "<script>late" not in page
    text_of(staff, link(page, part="/replay/"))
    staff.post(link(page, part="/discard/"), {"reason": "nonsense"})
    assert Quarantine.objects.get().status == "discarded"
    download = link(page, part="/download/")
    assert staff.get(download).content.startswith(b'{"eventType"')


def test_a_handler_without_code_is_retired(
    staff: Client, atoll_bus: Bus, handlers: list[registry.Handler]
) -> None:
    @on("note.asked", name="write_note")
    def write(event: dict[str, Any], message: Message) -> None: ...

    enrolment.register(runs_handlers=True)
    handlers.clear()
    long_ago = timezone.now() - timezone.timedelta(hours=1)
    KnownHandler.objects.update(seen_at=long_ago, known_since=long_ago)
    retire = link(text_of(staff, reverse("admin:atoll_bus_handlers")), part="/retire/")
    text_of(staff, retire)
    answer = staff.post(retire, {"reason": "replaced"}, follow=True)
    assert "The handler write_note is retired" in answer.content.decode()
    assert KnownHandler.objects.get().retired_at is not None


def test_a_message_is_traced_by_its_correlation_id(staff: Client, ledger: Ledger) -> None:
    page = text_of(staff, f"{reverse('admin:atoll_bus_where')}?q={CORRELATION}")
    assert "note.asked" in page
    assert "the pencil is broken" in page
    assert f"{PLACE}/delivery/{ledger.dead.pk}/change/" in page
    assert "/console/" not in page


def test_only_staff_with_the_permission_see_and_decide(ledger: Ledger) -> None:
    reader, operator, stranger = (
        member("view_delivery"),
        member("view_delivery", "decide_delivery"),
        member("view_outbox"),
    )
    replay = f"{PLACE}/delivery/{ledger.dead.pk}/replay/"
    groups = reverse("admin:atoll_bus_dead_letters")
    assert Client().get(groups).status_code == 302
    assert stranger.get(groups).status_code == 403
    assert stranger.get(f"{PLACE}/delivery/").status_code == 403
    assert stranger.get(f"{PLACE}/delivery/export/csv/").status_code == 403
    assert stranger.get(f"{PLACE}/delivery/{ledger.dead.pk}/download/body/").status_code == 403
    assert "Replay…" not in text_of(reader, groups)
    assert "/replay/" not in text_of(reader, f"{PLACE}/delivery/{ledger.dead.pk}/change/")
    assert reader.post(replay).status_code == 403
    reader.post(f"{PLACE}/delivery/", {"action": "replay", "_selected_action": [str(ledger.dead.pk)]})
    assert Delivery.objects.get(pk=ledger.dead.pk).status == "dead"
    assert not LogEntry.objects.exists()
    page = text_of(operator, f"{PLACE}/delivery/{ledger.dead.pk}/change/")
    assert "/edit/" not in page
    assert operator.get(f"{PLACE}/delivery/{ledger.dead.pk}/edit/").status_code == 403
    operator.post(replay)
    assert Delivery.objects.get(pk=ledger.dead.pk).status == "pending"


def test_rows_cannot_be_added_changed_or_deleted_by_hand(staff: Client, ledger: Ledger) -> None:
    assert staff.get(f"{PLACE}/delivery/add/").status_code == 403
    assert staff.post(f"{PLACE}/delivery/{ledger.dead.pk}/change/", {"status": "done"}).status_code == 403
    assert staff.post(f"{PLACE}/delivery/{ledger.dead.pk}/delete/", {"post": "yes"}).status_code == 403
    act(staff, "delivery", "delete_selected", ledger.dead.pk)
    assert Delivery.objects.get(pk=ledger.dead.pk).status == "dead"


@pytest.mark.parametrize(
    "address",
    [
        f"{PLACE}/delivery/?q={'x' * 300}",
        f"{PLACE}/delivery/?{urlencode({'q': 'a' + chr(0)})}",
        f"{PLACE}/delivery/?status__exact=none",
        f"{PLACE}/delivery/?created_at__year=99999",
        f"{PLACE}/delivery/?no_column=1",
        f"{PLACE}/delivery/no-id/change/",
        f"{PLACE}/delivery/no-id/replay/",
        f"{PLACE}/outbox/99999999999999999999999/change/",
        f"{PLACE}/delivery/no-id/download/body/",
        f"{PLACE}/delivery/dead-letters/group/",
        f"{PLACE}/delivery/dead-letters/replay/?handler=a&name=b&group=c&until=never",
        f"{PLACE}/delivery/handlers/retire/?handler=none",
        f"{PLACE}/delivery/where/?q={'x' * 400}",
        f"{PLACE}/delivery/decisions/?p=none",
        f"{PLACE}/delivery/export/xls/",
    ],
)
def test_an_address_edited_by_hand_is_refused_or_ignored(staff: Client, ledger: Ledger, address: str) -> None:
    assert staff.get(address).status_code in (200, 302, 400, 404)


def test_a_selection_edited_by_hand_is_refused(staff: Client, ledger: Ledger) -> None:
    answer = staff.post(f"{PLACE}/delivery/", {"action": "replay", "_selected_action": ["no-id"]})
    assert answer.status_code == 400
