"""The registry's faults notice a registry that breaks its promises."""

import pytest

from tests.chaos import registry


class Answered:
    def __init__(self, status, instances=()):
        self.status_code = status
        self._instances = list(instances)

    def json(self):
        return self._instances


@pytest.fixture
def asked(monkeypatch):
    """Replace the registry with one of the test, with secrets."""
    monkeypatch.setattr(registry.conf, "secret", lambda kind, project: "valid")

    def answering(answer):
        monkeypatch.setattr(registry, "_ask", answer)

    return answering


def until(count):
    """Waits no time and ends after a number of looks."""
    left = iter(range(count))
    return lambda seconds: next(left, None) is None


@pytest.mark.parametrize(("status", "is_noted"), [(200, False), (503, False), (401, True), (429, True)])
def test_a_flood_notes_a_valid_credential_that_is_refused(asked, status, is_noted):
    asked(lambda path, name, secret: Answered(status if secret == "valid" else 401))
    noted = []

    assert registry.flood(60, until(1), lambda *what: noted.append(what)) > 0
    assert {what[0] for what in noted} == ({"valid_credential_refused"} if is_noted else set())


@pytest.mark.parametrize(
    ("later", "noted"), [([], ["silent_service_emptied"] * 4), ([{"id": "1"}], []), (None, [])]
)
def test_a_silence_notes_a_list_that_is_emptied(asked, later, noted):
    looks = []

    def answer(path, name, secret):
        looks.append(name)
        if looks.count(name) == 1:
            return Answered(200, [{"id": "1"}])
        return None if later is None else Answered(200, later)

    asked(answer)
    found = []
    registry.silence(60, until(3), lambda *what: found.append(what[0]))
    assert found == noted
