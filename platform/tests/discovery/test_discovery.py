"""Invariant: with the registry away the last list goes on being served, and its age is known."""

import json

import pytest
from django.core.exceptions import ImproperlyConfigured

from atoll import discovery as module
from atoll.backoff import LAST_S
from atoll.discovery.answers import Answer
from atoll.discovery.cache import Discovery
from atoll.discovery.instances import Instance
from atoll.discovery.known_instances import RELEARN_S, KnownInstances
from atoll.discovery.last_good import LastGood
from atoll.discovery.watch import MIN_INTERVAL_S, Watch
from atoll.errors import NotAllowed, Unavailable

A = Instance("a", "10.0.0.1", 8000, {"version": "1"})
B = Instance("b", "10.0.0.2", 8000)


class Registry:
    def __init__(self):
        self.answers = Answer(2, (A,))
        self.asked = []
        self.error = None

    def discover(self, service, *, index=0, wait_s=0.0):
        self.asked.append((service, index, wait_s))
        if self.error:
            raise self.error
        return self.answers


@pytest.fixture
def registry():
    return Registry()


@pytest.fixture
def clock():
    class Clock:
        now = 100.0

        def __call__(self):
            return self.now

    return Clock()


@pytest.fixture
def discovery(registry, clock, tmp_path):
    return Discovery(registry, LastGood(tmp_path), clock=clock, watching=False)


def test_the_registry_is_asked_once_in_thirty_seconds(discovery, registry, clock):
    assert discovery.resolve("user-service") == [A]
    clock.now += 29.9
    discovery.resolve("user-service")
    assert len(registry.asked) == 1

    clock.now += 0.1
    registry.answers = Answer(3, (A, B))
    assert discovery.resolve("user-service") == [A, B]
    assert len(registry.asked) == 2


def test_with_the_registry_away_the_last_list_stays_and_its_age_grows(discovery, registry, clock):
    discovery.resolve("user-service")
    registry.error = Unavailable("registry", "away")
    clock.now += 3600

    assert discovery.resolve("user-service") == [A]
    assert discovery.age_s("user-service") == 3600


def test_a_process_that_starts_without_the_registry_uses_the_list_on_disk(discovery, registry, tmp_path):
    discovery.resolve("user-service")
    registry.error = Unavailable("registry", "away")

    fresh = Discovery(registry, LastGood(tmp_path), watching=False)
    assert fresh.resolve("user-service") == [A]
    assert fresh.resolve("user-service")[0].metadata == {"version": "1"}
    assert fresh.age_s("user-service") is None


def test_with_neither_registry_nor_disk_nothing_is_known(discovery, registry):
    registry.error = Unavailable("registry", "away")

    assert discovery.resolve("user-service") == []


def test_an_empty_list_from_the_registry_is_believed(discovery, registry, clock):
    discovery.resolve("user-service")
    registry.answers = Answer(3, ())
    clock.now += 30

    assert discovery.resolve("user-service") == []


def test_a_registry_that_does_not_know_the_service_empties_nothing(discovery, registry, clock):
    discovery.resolve("user-service")
    registry.answers = Answer(1, (), is_unknown=True)
    clock.now += 3600

    assert discovery.resolve("user-service") == [A]


def test_a_process_that_starts_beside_a_registry_without_memory_uses_the_list_on_disk(
    discovery, registry, tmp_path
):
    discovery.resolve("user-service")
    registry.answers = Answer(1, (), is_unknown=True)

    assert Discovery(registry, LastGood(tmp_path), watching=False).resolve("user-service") == [A]
    assert LastGood(tmp_path).load("user-service") == [A]


def test_while_a_registry_learns_anew_those_it_has_not_heard_of_yet_stay(clock):
    known = KnownInstances(clock=clock)
    known.update(Answer(7, (A, B)))

    assert known.update(Answer(2, (B,))) == [B, A]
    clock.now += RELEARN_S - 0.1
    assert known.update(Answer(2, (B,))) == [B, A]
    clock.now += 0.1
    assert known.update(Answer(2, (B,))) == [B]


def test_what_a_registry_that_learns_anew_has_said_counts(clock):
    known = KnownInstances(clock=clock)
    known.update(Answer(7, (A, B)))
    known.update(Answer(2, (A,)))

    assert known.update(Answer(3, ())) == [B], "A came back and left; B was not heard of yet"


def test_a_list_that_the_registry_told_from_memory_is_as_old_as_it_says(discovery, registry, clock):
    registry.answers = Answer(2, (A,), stale_s=40.0)

    assert discovery.resolve("user-service") == [A]
    assert discovery.age_s("user-service") == 40.0


def test_an_answer_is_read_with_what_its_headers_say():
    rows = [{"id": "a", "host": "10.0.0.1", "port": 8000, "lastKnown": True}]
    told = {"X-Registry-Index": "4", "X-Registry-List": "last-known", "X-Registry-Stale": "12.5"}
    answer = Answer.read(rows, told)

    assert (answer.index, answer.is_unknown, answer.stale_s) == (4, False, 12.5)
    assert answer.instances[0].is_last_known
    assert "lastKnown" not in answer.instances[0].to_wire(), "what an instance says of itself"
    assert Answer.read([], {"X-Registry-Index": "1", "X-Registry-List": "unknown"}).is_unknown
    assert Answer.read([], {"X-Registry-Index": "1"}).is_unknown is False, "a registry of before"


def test_a_refused_credential_is_not_hidden(discovery, registry):
    registry.error = NotAllowed("wrong secret")

    with pytest.raises(NotAllowed):
        discovery.resolve("user-service")


@pytest.mark.parametrize("content", ["", "{", "[1]", '[{"id": "a"}]', "null"])
def test_a_file_that_cannot_be_used_is_as_good_as_none(tmp_path, content):
    (tmp_path / "user-service.json").write_text(content)

    assert LastGood(tmp_path).load("user-service") is None


def test_a_disk_that_cannot_be_written_stops_nothing(tmp_path, registry):
    (tmp_path / "taken").write_text("a file where the folder should be")
    discovery = Discovery(registry, LastGood(tmp_path / "taken"), watching=False)

    assert discovery.resolve("user-service") == [A]


def test_the_file_is_what_the_registry_said(discovery, tmp_path):
    discovery.resolve("user-service")

    (held,) = json.loads((tmp_path / "user-service.json").read_text())
    assert held == {"id": "a", "host": "10.0.0.1", "port": 8000, "metadata": {"version": "1"}}


def watch(registry, learned, **options):
    return Watch(registry, "user-service", learned.append, jitter=lambda low, high: high, **options)


def test_a_watch_waits_for_what_differs_from_what_it_knows(registry):
    learned = []
    watching = watch(registry, learned, index=2)

    assert watching.step() == MIN_INTERVAL_S
    registry.answers = Answer(3, (A, B))
    watching.step()
    watching.step()

    assert registry.asked == [("user-service", 2, 25.0), ("user-service", 2, 25.0), ("user-service", 3, 25.0)]
    assert [answer.index for answer in learned] == [2, 3, 3]


def test_a_watch_asks_less_and_less_often_while_the_registry_is_away(registry):
    learned = []
    watching = watch(registry, learned)
    registry.error = Unavailable("registry", "away")

    pauses = [watching.step() for _ in range(8)]
    assert pauses == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, LAST_S, LAST_S]
    assert learned == []

    registry.error = None
    assert watching.step() == MIN_INTERVAL_S
    assert [answer.index for answer in learned] == [2]


def test_a_watch_survives_a_registry_that_forgot_everything(registry):
    learned = []
    watching = watch(registry, learned, index=90)
    watching.step()
    watching.step()

    assert [index for _, index, _ in registry.asked] == [90, 2]


def test_a_fixed_url_replaces_the_registry(monkeypatch):
    monkeypatch.setenv("USER_SERVICE_URL", "http://10.9.9.9:8001")

    (instance,) = module.resolve("user-service")
    assert instance.url == "http://10.9.9.9:8001"


@pytest.mark.parametrize("url", ["10.0.0.1:80", "ftp://a", "http://a/path", "http://"])
def test_a_fixed_url_that_is_none_is_a_mistake_in_the_configuration(monkeypatch, url):
    monkeypatch.setenv("USER_SERVICE_URL", url)

    with pytest.raises(ImproperlyConfigured):
        module.resolve("user-service")


def test_a_pinned_address_is_dialled_instead_of_the_name():
    named = Instance.from_wire(
        {"id": "a", "host": "localhost", "address": "127.0.0.1", "port": 80, "metadata": {}, "new": 1}
    )

    assert named.url == "http://127.0.0.1:80"
    assert Instance("a", "::1", 80).url == "http://[::1]:80"
