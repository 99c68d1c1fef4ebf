"""Messages about a deleted account contain no personal data; all other messages keep theirs."""

import json
from dataclasses import dataclass
from datetime import timedelta
from types import ModuleType
from typing import Any, ClassVar
from uuid import UUID

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db.models import F

from atoll.api.models import IdempotencyRecord
from atoll.bus import Message, Retry, on, publish
from atoll.bus.broker.messages import Arrival
from atoll.bus.inbox import quarantine
from atoll.bus.models import Delivery, Forgotten, Inbox, Outbox, Quarantine
from atoll.bus.operations import personal_data
from atoll.bus.operations.retention import Janitor
from atoll.bus.schemas import asyncapi, catalogue, definitions
from atoll.bus.schemas.definitions import ServiceMessages
from atoll.errors import Misuse
from atoll.forgetting import forget_person
from atoll.identity import copies
from atoll.ids import uuid7
from atoll.testing.bus import Bus

pytestmark = pytest.mark.usefixtures("handlers")

ADA, BOB = (str(uuid7()) for _ in range(2))
SECRET = "ada@example.com"


@dataclass(frozen=True)
class Joined:
    type: ClassVar[str] = "member.joined"
    personal: ClassVar[tuple[str, ...]] = ("email", "names", "extra", "born")
    subject: ClassVar[str] = "member_id"
    member_id: UUID
    email: str = SECRET
    names: tuple[str, ...] = (SECRET,)
    extra: dict[str, Any] | None = None
    born: int = 1815
    plan: str = "basic"


def data(member: str, **more: Any) -> dict[str, Any]:
    told = {"email": SECRET, "names": [SECRET], "extra": {"phone": SECRET}, "born": 1815, "plan": "basic"}
    return {"memberId": member, **told, **more}


def emptied(member: str) -> dict[str, Any]:
    return {"memberId": member, "email": "", "names": [], "extra": {}, "born": None, "plan": "basic"}


@pytest.fixture
def joined(atoll_bus: Bus) -> dict[str, Delivery]:
    """One handled message about each member. Ada's delivery failed, with her address in the error."""

    @on("member.joined", retry=Retry(immediate=0, delayed_s=()))
    def welcome(event: Joined, message: Message) -> None:
        if str(event.member_id) == ADA:
            raise ValueError(f"{event.email} is full")

    return {member: atoll_bus.deliver("member.joined", data(member), times=1)[0] for member in (ADA, BOB)}


def told(body: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(body)["data"]
    found.pop("timestamp", None)
    return found


def test_a_message_in_the_inbox_keeps_its_structure_and_loses_personal_data(
    joined: dict[str, Delivery],
) -> None:
    personal_data.forget(ADA)
    assert personal_data.erase_due() == 1
    ada, bob = (Inbox.objects.get(pk=joined[member].message_id) for member in (ADA, BOB))
    assert told(ada.body) == emptied(ADA)
    assert told(bob.body) == data(BOB)
    assert json.loads(ada.body)["id"] == ada.message_id
    assert (personal_data.has_due(), personal_data.erase_due()) == (False, 0)


def test_a_failed_delivery_keeps_only_its_cause(joined: dict[str, Delivery]) -> None:
    row = joined[ADA]
    assert SECRET in row.error
    assert SECRET in row.traceback
    Delivery.objects.filter(pk=row.pk).update(edited_body=row.message.body)
    kind = ContentType.objects.get_for_model(Delivery)
    user = User.objects.create(username=str(uuid7()))
    for text in (f"edited: a reason\n-{SECRET}\n+x", "will run again"):
        LogEntry.objects.create(
            user=user, content_type=kind, object_id=str(row.pk), action_flag=CHANGE, change_message=text
        )
    personal_data.forget(ADA)
    personal_data.erase_due()
    row.refresh_from_db()
    assert (row.status, row.traceback, row.error) == ("dead", "", row.error_group)
    assert row.error.startswith("ValueError: <email> is full")
    assert told(row.edited_body) == emptied(ADA)
    assert [entry.change_message for entry in LogEntry.objects.order_by("id")] == [
        f"edited: a reason ({personal_data.ERASED})",
        "will run again",
    ]


def test_an_outbox_row_is_erased_after_its_publication(
    atoll_bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType(__name__)
    module.__dict__["Joined"] = Joined
    monkeypatch.setattr(definitions, "event_modules", lambda: [module])
    for member in (ADA, BOB):
        publish(Joined(UUID(member)))
    ada, bob = Outbox.objects.order_by("id")
    personal_data.forget(ADA)
    assert personal_data.erase_due() == 0
    assert Outbox.objects.get(pk=ada.pk).body == ada.body
    Outbox.objects.update(status="published")
    Forgotten.objects.update(done_at=F("done_at") - timedelta(hours=1))
    assert personal_data.erase_due() == 1
    assert told(Outbox.objects.get(pk=ada.pk).body)["email"] == ""
    assert Outbox.objects.get(pk=bob.pk).body == bob.body


def test_a_late_message_is_erased_within_a_day(atoll_bus: Bus, joined: dict[str, Delivery]) -> None:
    personal_data.forget(ADA)
    personal_data.erase_due()
    (late,) = atoll_bus.deliver("member.joined", data(ADA.upper()), times=1)
    assert personal_data.erase_due() == 0
    Forgotten.objects.update(done_at=F("done_at") - timedelta(hours=1))
    assert personal_data.erase_due() == 1
    assert told(Inbox.objects.get(pk=late.message_id).body)["email"] == ""
    Forgotten.objects.update(done_at=F("done_at") - timedelta(days=2), at=F("at") - timedelta(days=3))
    assert not personal_data.has_due()


def test_a_quarantined_message_with_the_accounts_id_is_erased(db: None) -> None:
    for body in (f'{{"x": "{SECRET}", "of": "{ADA}"', f'{{"x": "{SECRET}", "of": "{BOB}"'):
        quarantine.add(Arrival("q", "k", body.encode(), {}, {}), "no JSON")
    personal_data.forget(ADA)
    assert personal_data.erase_due() == 1
    ada, bob = Quarantine.objects.order_by("id")
    assert (bytes(ada.body), ada.is_cut, ada.note) == (b"", True, personal_data.ERASED)
    assert (SECRET.encode() in bytes(bob.body), bob.is_cut) == (True, False)


def test_messages_of_others_that_mention_the_account_stay(
    atoll_bus: Bus, joined: dict[str, Delivery]
) -> None:
    (other,) = atoll_bus.deliver("member.joined", data(BOB, plan=ADA), times=1)
    before = Inbox.objects.get(pk=other.message_id).body
    personal_data.forget(ADA)
    personal_data.erase_due()
    assert Inbox.objects.get(pk=other.message_id).body == before


def test_many_accounts_are_forgotten_by_one_scan_and_the_rest_by_the_next(db: None) -> None:
    for _ in range(personal_data.MAX_SUBJECTS + 1):
        personal_data.forget(uuid7())
    personal_data.erase_due()
    assert Forgotten.objects.filter(done_at=None).count() == 1
    personal_data.erase_due()
    assert Forgotten.objects.filter(done_at=None).count() == 0


def test_the_janitor_erases(joined: dict[str, Delivery], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atoll.bus.operations.retention.connection.close", lambda: None)
    personal_data.forget(ADA)
    Janitor()._forget()
    assert told(Inbox.objects.get(pk=joined[ADA].message_id).body)["email"] == ""


def test_the_document_says_which_fields_are_personal() -> None:
    module = ModuleType(__name__)
    module.__dict__["Joined"] = Joined
    mine = definitions.announced([module], "member-service")
    project = ServiceMessages(service="member-service", announces=mine, reads=[], upcasts={})
    made = asyncapi.document([project], catalogue.definitions([project], []))
    facts = made["components"]["messages"]["member.joined.v1"]["x-atoll"]
    assert (facts["subject"], facts["personal"]) == ("memberId", ["born", "email", "extra", "names"])
    assert asyncapi.read_definitions(json.loads(asyncapi.to_json(made))) == catalogue.definitions(
        [project], []
    )


@pytest.mark.parametrize("wrong", [{"personal": ("phone",)}, {"personal": "email"}, {"subject": "user_id"}])
def test_only_fields_can_be_personal(wrong: dict[str, Any]) -> None:
    cls = type("Wrong", (Joined,), wrong)
    with pytest.raises(Misuse, match=r"Wrong.personal is"):
        definitions.personal_of(cls)


def test_a_person_is_forgotten_in_the_admin_and_in_kept_answers(db: None) -> None:
    ada, bob = (
        User.objects.create(username=one, email=SECRET, first_name="Ada", is_staff=True) for one in (ADA, BOB)
    )
    for one in (ADA, BOB):
        IdempotencyRecord.objects.create(
            principal=one, method="POST", route="r", key="k", fingerprint="f", status=201, body=b"{}",
            created_at=ada.date_joined,
        )  # fmt: skip
    forget_person(UUID(ADA))
    forget_person(UUID(ADA))
    for user in (ada, bob):
        user.refresh_from_db()
    assert (ada.email, ada.first_name, ada.is_active, ada.is_staff) == ("", "", False, False)
    assert (bob.email, bob.first_name, bob.is_active, bob.is_staff) == (SECRET, "Ada", True, True)
    assert list(IdempotencyRecord.objects.values_list("principal", flat=True)) == [BOB]
    assert list(Forgotten.objects.values_list("subject", flat=True)) == [ADA]


def test_staff_who_stay_away_are_emptied_when_somebody_signs_in(db: None, client: Any) -> None:
    ada, bob = (User.objects.create(username=one, email=SECRET, first_name="A") for one in (ADA, BOB))
    User.objects.filter(pk=ada.pk).update(
        last_login=ada.date_joined - copies.ABSENT_AFTER - timedelta(minutes=1)
    )
    client.force_login(bob, backend="atoll.identity.backends.AccountBackend")
    for user in (ada, bob):
        user.refresh_from_db()
    assert (ada.email, ada.first_name, ada.is_active) == ("", "", True)
    assert (bob.email, bob.first_name) == (SECRET, "A")
