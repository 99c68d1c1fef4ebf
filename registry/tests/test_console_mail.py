"""The page of the mails of development."""

from pathlib import Path

import pytest
from django.core.mail import EmailMessage

from atoll import kept_mail
from atoll.testing.rights import signed_in

pytestmark = pytest.mark.django_db

PAGE = "/console/mail"


@pytest.fixture(autouse=True)
def _one_mail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ATOLL_HOME", str(tmp_path))
    monkeypatch.setenv("ATOLL_ENV", "development")
    text = "<script>alert(1)</script> http://127.0.0.1:8001/admin/password_reset/new#token=abc\n"
    kept_mail.EmailBackend().send_messages(
        [EmailMessage("A new password", text, "x@localhost", ["ada@x.de"])]
    )


def test_an_administrator_reads_the_mail_and_follows_its_link():
    shown = signed_in("admin").get(PAGE).content.decode()
    assert "A new password" in shown
    assert 'href="http://127.0.0.1:8001/admin/password_reset/new#token=abc"' in shown
    assert "<script>alert" not in shown
    assert f'href="{PAGE}" aria-current="page"' in shown


@pytest.mark.parametrize("role", ["support", "operator", "catalogue"])
def test_no_other_role_reads_the_tokens_of_others(role):
    answer = signed_in(role).get(PAGE)
    assert answer.status_code == 403
    assert "A new password" not in answer.content.decode()
    assert f'href="{PAGE}"' not in answer.content.decode()


def test_production_has_no_such_page(monkeypatch):
    monkeypatch.setenv("ATOLL_ENV", "production")
    answer = signed_in("admin").get(PAGE)
    assert answer.status_code == 404
    assert "A new password" not in answer.content.decode()
