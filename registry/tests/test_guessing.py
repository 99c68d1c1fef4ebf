"""Invariant: wrong credentials, in any number, cost other callers nothing."""

import asyncio

import pytest
from django.db import OperationalError

from atoll.errors import TooManyRequests, Unavailable
from registry.http import pools
from registry.http import wrong_credentials as wrong_credentials_module
from registry.http.app import RegistryApplication
from registry.http.credentials import READ_AGAIN_S, CredentialCache
from registry.http.messages import Request
from registry.http.wrong_credentials import IN_A_WINDOW, MAX_COUNTED, MAX_LATE, UNKNOWN, WrongCredentials
from registry.models import Credential
from registry.tests.conftest import SECRET, SERVICE, Wire
from registry.tests.test_watching import until
from registry.usecases.credentials import ActiveCredential, InvalidCredential, digest, ensure, revoke

SOON_S = 20.0
HELD_S = 3600.0


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


class Table:
    """The credentials of a database that can be away, or hang."""

    def __init__(self):
        self.credentials = {digest(SECRET): ActiveCredential(1, SERVICE)}
        self.reads = 0
        self.is_away = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self):
        self.reads += 1
        await self.gate.wait()
        if self.is_away:
            raise OperationalError("away")
        return dict(self.credentials)


def from_address(peer, **headers):
    return Request("POST", "/heartbeat", {}, headers, peer)


async def outcome(wrong_credentials, peer, service=SERVICE):
    try:
        await wrong_credentials.refuse(from_address(peer), service, InvalidCredential("no"))
    except InvalidCredential:
        return 401
    except TooManyRequests as refusal:
        return 429 if 1 <= refusal.retry_after_s <= 60 else refusal.retry_after_s


async def outcomes(wrong_credentials, count, peer="203.0.113.9", service=SERVICE):
    return [await outcome(wrong_credentials, peer, service) for _ in range(count)]


def test_a_valid_credential_passes_while_its_own_address_guesses(wire):
    async def story():
        wire.application.wrong_credentials.late_s = HELD_S
        body = {"serviceName": SERVICE, "instance": {"id": "o-1", "host": "127.0.0.1", "port": 8002}}
        assert (await wire("POST", "/register", body)).status == 201
        guesses = [
            asyncio.ensure_future(wire("GET", "/services", name=name, secret=f"guess-{n}"))
            for n in range(2 * MAX_LATE)
            for name in [SERVICE if n % 2 else "user-service"]
        ]
        await until(lambda: sum(guess.done() for guess in guesses) == MAX_LATE)
        async with asyncio.timeout(SOON_S):
            for _ in range(20):
                beat = await wire("POST", "/heartbeat", {"serviceName": SERVICE, "instanceId": "o-1"})
                assert beat.status == 200
        assert {guess.result().status for guess in guesses if guess.done()} == {429}
        for guess in guesses:
            guess.cancel()
        await asyncio.gather(*guesses, return_exceptions=True)

    asyncio.run(story())


def test_failures_are_counted_by_address_and_service():
    async def story():
        wrong_credentials = WrongCredentials(late_s=0)
        assert await outcomes(wrong_credentials, IN_A_WINDOW) == [401] * IN_A_WINDOW
        assert await outcome(wrong_credentials, "203.0.113.9") == 429
        assert await outcome(wrong_credentials, "203.0.113.9", "user-service") == 401
        assert await outcome(wrong_credentials, "203.0.113.10") == 401

    asyncio.run(story())


def test_all_addresses_of_one_64_are_one_and_those_of_another_are_not():
    async def story():
        wrong_credentials = WrongCredentials(late_s=0)
        for n in range(IN_A_WINDOW):
            assert await outcome(wrong_credentials, f"2001:db8:0:1::{n:x}") == 401
        assert await outcome(wrong_credentials, "2001:db8:0:1:ffff::1") == 429
        assert await outcome(wrong_credentials, "2001:db8:0:2::1") == 401

    asyncio.run(story())


def test_after_a_minute_counting_begins_anew():
    async def story():
        clock = Clock()
        wrong_credentials = WrongCredentials(late_s=0, clock=clock)
        await outcomes(wrong_credentials, IN_A_WINDOW)
        clock.now += 59.9
        assert await outcome(wrong_credentials, "203.0.113.9") == 429
        clock.now += 0.2
        assert await outcome(wrong_credentials, "203.0.113.9") == 401

    asyncio.run(story())


def test_addresses_and_made_up_services_take_a_bounded_memory(wire):
    async def story():
        wrong_credentials = WrongCredentials(late_s=0)
        for n in range(MAX_COUNTED + 100):
            await outcome(wrong_credentials, f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")
        assert len(wrong_credentials._counts) == MAX_COUNTED

        for n in range(20):
            await wire("GET", "/services", name=f"made-up-{n}")
        assert [service for _, service in wire.application.wrong_credentials._counts] == [UNKNOWN]

    asyncio.run(story())


def test_a_wrong_credential_is_answered_late(monkeypatch):
    pauses = []

    async def note(seconds):
        pauses.append(seconds)

    monkeypatch.setattr(wrong_credentials_module.asyncio, "sleep", note)
    assert asyncio.run(outcome(WrongCredentials(), "203.0.113.9")) == 401
    assert pauses == [1.0]


def test_only_so_many_wait_for_their_late_answer_and_the_next_is_refused_at_once():
    async def story():
        wrong_credentials = WrongCredentials(late_s=HELD_S)
        waiting = [
            asyncio.ensure_future(outcome(wrong_credentials, f"10.0.0.{n % 250}")) for n in range(MAX_LATE)
        ]
        await until(lambda: wrong_credentials._late == MAX_LATE)
        async with asyncio.timeout(SOON_S):
            assert await outcome(wrong_credentials, "192.0.2.1") == 429
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert wrong_credentials._late == 0

    asyncio.run(story())


def test_a_flood_of_made_up_secrets_costs_one_look_a_second():
    async def story():
        table, clock = Table(), Clock()
        cache = CredentialCache(table, clock=clock)
        cache.listen(True)
        await cache.verify(SERVICE, SECRET)
        for second in range(3):
            clock.now += READ_AGAIN_S
            for n in range(100):
                with pytest.raises(InvalidCredential):
                    await cache.verify(SERVICE, f"guess-{second}-{n}")
        assert table.reads == 4

    asyncio.run(story())


def test_a_valid_credential_costs_no_look_at_all():
    async def story():
        table = Table()
        cache = CredentialCache(table)
        cache.listen(True)
        for _ in range(100):
            assert (await cache.verify(SERVICE, SECRET)).service == SERVICE
        assert table.reads == 1

    asyncio.run(story())


@pytest.mark.parametrize("secret", [SECRET + "x", "", "\N{SNOWMAN}"])
def test_a_wrong_secret_or_another_s_name_is_refused(secret):
    async def story():
        cache = CredentialCache(Table())
        for name, tried in ((SERVICE, secret), ("user-service", SECRET), ("", SECRET)):
            with pytest.raises(InvalidCredential):
                await cache.verify(name, tried)

    asyncio.run(story())


def test_a_database_that_is_away_or_hangs_keeps_those_in_who_were():
    async def story():
        table, clock = Table(), Clock()
        cache = CredentialCache(table, clock=clock)
        cache.listen(True)
        await cache.verify(SERVICE, SECRET)

        table.is_away = True
        cache.listen(False)
        clock.now += 10
        assert (await cache.verify(SERVICE, SECRET)).service == SERVICE
        with pytest.raises(InvalidCredential):
            await cache.verify(SERVICE, "guess")

        table.gate.clear()
        clock.now += 10
        async with asyncio.timeout(SOON_S):
            for _ in range(10):
                assert (await cache.verify(SERVICE, SECRET)).service == SERVICE
        table.gate.set()

    asyncio.run(story())


def test_a_process_that_never_saw_the_database_says_so_and_refuses_nobody_for_good():
    async def story():
        table = Table()
        table.is_away = True
        cache = CredentialCache(table)
        with pytest.raises(Unavailable):
            await cache.verify(SERVICE, SECRET)

    asyncio.run(story())


def test_a_change_that_comes_while_the_table_is_read_is_read_too():
    async def story():
        table = Table()
        cache = CredentialCache(table)
        cache.listen(True)
        await cache.verify(SERVICE, SECRET)
        cache.change()
        await until(lambda: table.reads == 2)
        table.credentials = {}
        cache.change()
        with pytest.raises(InvalidCredential):
            await cache.verify(SERVICE, SECRET)

    asyncio.run(story())


def test_a_withdrawn_credential_is_out_in_every_process_and_its_sibling_stays(wire):
    other = Wire(RegistryApplication(wire.application._django))
    other.application.wrong_credentials.late_s = 0.0
    sibling = "the-other-secret-of-order-service-in-tests"

    async def story():
        await pools.WRITES.run(ensure, SERVICE, sibling, actor="test")
        for each in (wire, other):
            each.application.start()
        for each in (wire, other):
            await until(lambda each=each: each.application.hub.is_listening)
            assert (await each("GET", "/services")).status == 200
        first = await pools.WRITES.run(lambda: Credential.objects.get(digest=digest(SECRET)))
        await pools.WRITES.run(revoke, first, actor="test")
        for each in (wire, other):
            async with asyncio.timeout(SOON_S):
                while (await each("GET", "/services")).status != 401:
                    continue
            assert (await each("GET", "/services", secret=sibling)).status == 200
        for each in (wire, other):
            await each.application.stop()

    asyncio.run(story())


def test_the_use_of_a_secret_is_noted(wire):
    async def story():
        wire.application.start()
        await until(lambda: wire.application.hub.is_listening)
        await wire("GET", "/services")
        wire.application._listener._pulse_due = 0.0
        used = lambda: Credential.objects.get().last_used_at  # noqa: E731
        async with asyncio.timeout(SOON_S):
            while await pools.WRITES.run(used) is None:
                await asyncio.sleep(0.02)
        await wire.application.stop()

    asyncio.run(story())
