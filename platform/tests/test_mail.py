"""EMAIL_URL, and addresses of pages."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from atoll import conf, mail


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EMAIL_URL", "USERS_EMAIL_URL", "USERS_EMAIL_FROM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EMAIL_FROM", "Shop <shop@example.com>")


@pytest.mark.parametrize(
    ("environment", "backend"), [("production", ""), ("development", mail.KEPT), ("test", mail.CONSOLE)]
)
def test_without_a_server_mail_stays_here_but_never_in_production(environment, backend, monkeypatch):
    monkeypatch.setenv("ATOLL_ENV", environment)
    assert mail.server("users").backend == backend


@pytest.mark.parametrize(
    ("url", "host", "port", "user", "password", "tls", "ssl"),
    [
        ("smtp://relay", "relay", 25, "", "", False, False),
        ("smtp://relay:2525/", "relay", 2525, "", "", False, False),
        ("smtp+starttls://me%40x:p%2Fw@relay", "relay", 587, "me@x", "p/w", True, False),
        ("smtps://me:pw@[::1]:4650", "::1", 4650, "me", "pw", False, True),
    ],
)
def test_a_url_names_the_server(url, host, port, user, password, tls, ssl, monkeypatch):
    monkeypatch.setenv("EMAIL_URL", url)
    assert mail.server("users") == mail.MailServer(
        backend=mail.SMTP,
        sender="Shop <shop@example.com>",
        host=host,
        port=port,
        user=user,
        password=password,
        use_tls=tls,
        use_ssl=ssl,
    )


def test_the_projects_own_server_comes_first(monkeypatch):
    monkeypatch.setenv("EMAIL_URL", "smtp://relay")
    monkeypatch.setenv("USERS_EMAIL_URL", "console:")
    assert mail.server("users").backend == mail.CONSOLE


@pytest.mark.parametrize(
    "url",
    [
        "relay",
        "http://me:hidden@relay",
        "smtp://me:hidden@relay",
        "smtps://",
        "smtps://me:hidden@relay:port",
        "smtps://me:hidden@relay:99999",
        "smtps://me:hidden@relay/path",
        "smtps://me:hidden@relay?ssl=no",
        "smtps://me:hidden@[relay",
        "console://",
    ],
)
def test_other_urls_are_refused_without_being_quoted(url, monkeypatch):
    monkeypatch.setenv("EMAIL_URL", url)
    with pytest.raises(ImproperlyConfigured, match=r"^EMAIL_URL") as refused:
        mail.server("users")
    assert "hidden" not in str(refused.value)


def test_a_server_needs_a_sender(monkeypatch):
    monkeypatch.setenv("EMAIL_URL", "smtp://relay")
    monkeypatch.delenv("EMAIL_FROM")
    with pytest.raises(ImproperlyConfigured, match="EMAIL_FROM"):
        mail.server("users")


@pytest.mark.parametrize(
    "value", ["shop", "ftp://shop/x", "https://", "https://shop/#/new", "https://sh\nop/"]
)
def test_what_is_no_address_of_a_page_is_refused(value, monkeypatch):
    monkeypatch.setenv("PAGE_URL", value)
    with pytest.raises(ImproperlyConfigured, match=r"^PAGE_URL"):
        conf.web_address("PAGE_URL")


def test_an_address_of_a_page(monkeypatch):
    monkeypatch.setenv("PAGE_URL", "https://shop.example/new?lang=en")
    assert conf.web_address("PAGE_URL") == "https://shop.example/new?lang=en"
    assert conf.web_address("NO_SUCH_URL") == ""
