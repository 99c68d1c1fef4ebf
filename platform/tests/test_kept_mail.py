"""The mail of development, in files."""

import stat
from pathlib import Path

import pytest
from django.core.mail import EmailMessage

from atoll import kept_mail


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ATOLL_HOME", str(tmp_path))


def send(subject: str, text: str = "Good day,\n\nhttp://127.0.0.1/x#token=a_b-c\n") -> None:
    message = EmailMessage(subject, text, "no-reply@localhost", ["ada@example.com"])
    assert kept_mail.EmailBackend().send_messages([message]) == 1


def test_a_mail_is_read_as_it_was_written_for_its_owner_alone():
    send("Zwölf Wörter für Łódź", "Grüße\n")
    (found,) = kept_mail.newest()
    assert (found.subject, found.text) == ("Zwölf Wörter für Łódź", "Grüße\n")
    assert (found.to, found.sender) == ("ada@example.com", "no-reply@localhost")
    (file,) = kept_mail.folder().iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept_mail.folder().stat().st_mode) == 0o700


def test_the_newest_fifty_stay_the_newest_first():
    for number in range(53):
        send(f"mail {number}")
    assert [one.subject for one in kept_mail.newest()] == [f"mail {number}" for number in range(52, 2, -1)]
    assert len(list(kept_mail.folder().iterdir())) == 50


def test_without_a_folder_there_is_no_mail_and_a_damaged_file_is_no_fault():
    assert kept_mail.newest() == []
    send("whole")
    (kept_mail.folder() / "0.eml").write_bytes(b"\xff\xfe\0 no mail\n\n")
    assert [one.subject for one in kept_mail.newest()] == ["whole", ""]


def test_of_a_long_mail_the_beginning_is_read():
    send("long", "a line of text\n" * 100_000)
    (found,) = kept_mail.newest()
    assert 0 < len(found.text) <= kept_mail.MAX_BYTES
