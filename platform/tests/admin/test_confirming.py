"""An action that stops something asks first, and changes nothing until then."""

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.test import Client
from testproject.models import Note

LIST = "/admin/testproject/note/"


@pytest.fixture
def staff(db) -> Client:
    client = Client()
    user = User.objects.create(username="ada", password=make_password(None), is_staff=True, is_superuser=True)
    client.force_login(user, backend="atoll.identity.backends.AccountBackend")
    return client


def pinned() -> list[str]:
    return sorted(Note.objects.filter(is_pinned=True).values_list("text", flat=True))


@pytest.fixture
def notes(db):
    return [Note.objects.create(text=f"note {number}", is_pinned=True) for number in range(3)]


def test_an_action_asks_with_what_stops_and_does_it_when_told(staff, notes):
    sent = {"action": "unpin", "_selected_action": [str(notes[0].pk), str(notes[2].pk)], "reason": "old <b>"}
    asked = staff.post(LIST, sent)
    text = asked.content.decode()
    assert asked.status_code == 200
    assert "They are no longer at the top." in text
    assert "Pinned among them: 2." in text
    assert "note 0" in text
    assert "note 1" not in text
    assert 'name="reason" value="old &lt;b&gt;"' in text
    assert pinned() == ["note 0", "note 1", "note 2"]
    done = staff.post(LIST, sent | {"confirmed": "unpin"}, follow=True)
    assert "2 unpinned: old" in done.content.decode()
    assert pinned() == ["note 1"]


def test_an_answer_to_another_question_is_none(staff, notes):
    sent = {"action": "unpin", "_selected_action": [str(notes[0].pk)], "confirmed": "delete_selected"}
    assert "They are no longer at the top." in staff.post(LIST, sent).content.decode()
    assert len(pinned()) == 3


def test_a_switch_of_a_form_asks_before_it_is_off(staff, notes):
    path = f"{LIST}{notes[0].pk}/change/"
    form = {"text": "renamed", "price_paid": "1.00"}
    asked = staff.post(path, form)
    assert "It is no longer at the top." in asked.content.decode()
    assert "Pinned among them: 1." in asked.content.decode()
    assert Note.objects.get(pk=notes[0].pk).text == "note 0"
    staff.post(path, form | {"confirmed": "save"})
    notes[0].refresh_from_db()
    assert (notes[0].text, notes[0].is_pinned) == ("renamed", False)


def test_a_switch_that_stays_as_it_is_does_not_ask(staff, notes):
    path = f"{LIST}{notes[0].pk}/change/"
    staff.post(path, {"text": "renamed", "price_paid": "1.00", "is_pinned": "on"})
    assert Note.objects.get(pk=notes[0].pk).text == "renamed"
    Note.objects.filter(pk=notes[0].pk).update(is_pinned=False)
    staff.post(path, {"text": "again", "price_paid": "1.00"})
    assert Note.objects.get(pk=notes[0].pk).text == "again"


def test_who_may_not_change_it_is_refused_and_not_asked(staff, notes):
    User.objects.update(is_superuser=False, is_staff=True, is_active=False)
    answer = staff.post(f"{LIST}{notes[0].pk}/change/", {"text": "renamed"})
    assert answer.status_code in (302, 403)
    assert len(pinned()) == 3
