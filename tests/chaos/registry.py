"""Faults around the registry, and the checks of its promises meanwhile, by direct calls past the proxy."""

import threading
import time
from collections.abc import Callable, Iterator

import requests

from atoll import conf
from tests.chaos.schedule import SERVICES

GUESSERS = 8
ASK_EVERY_S = 0.25
TIMEOUT_S = 3.0
# By then, heartbeats from before the silence have arrived.
SETTLED_S = 2.0
REFUSED = {401, 403, 429}

Note = Callable[[str, str], None]
Wait = Callable[[float], bool]


def flood(lasts_s: float, wait: Wait, note: Note) -> int:
    """Send wrong credentials of existing and unknown services as fast as possible. Returns their number.

    Calls ``note`` for every valid call that the registry refused meanwhile.
    """
    ended = threading.Event()
    counts = [0] * GUESSERS

    def guess(number: int) -> None:
        names = [conf.project(SERVICES[number % len(SERVICES)]).service, f"nobody-{number}"]
        while True:
            name = names[counts[number] % 2]
            _ask("/heartbeat" if number % 2 else "/services", name, f"guess-{counts[number]}")
            counts[number] += 1
            if ended.is_set():
                return

    guessers = [threading.Thread(target=guess, args=(number,), daemon=True) for number in range(GUESSERS)]
    for guesser in guessers:
        guesser.start()
    end = time.monotonic() + lasts_s
    while time.monotonic() < end and not wait(ASK_EVERY_S):
        for project in SERVICES:
            name = conf.project(project).service
            answer = _ask(f"/discover/{name}", name, conf.secret("SERVICE_SECRET", project))
            if answer is not None and answer.status_code in REFUSED:
                note("valid_credential_refused", f"{name} was answered {answer.status_code}")
    ended.set()
    for guesser in guessers:
        guesser.join(TIMEOUT_S + 1)
    return sum(counts)


def silence(lasts_s: float, wait: Wait, note: Note) -> int:
    """Watch the services' lists while no heartbeat arrives. Returns the number of watched services.

    Calls ``note`` for each service whose list the registry emptied although no instance left.
    """
    if wait(SETTLED_S):
        return 0
    there = set(_listed())
    end = time.monotonic() + lasts_s
    while time.monotonic() < end and not wait(ASK_EVERY_S):
        for name in sorted(there):
            if _instances(name) == 0:
                there.discard(name)
                note("silent_service_emptied", f"{name} has no instance left in the registry's answer")
    return len(there)


def _listed() -> Iterator[str]:
    names = [conf.project(project).service for project in SERVICES]
    return (name for name in names if _instances(name))


def _instances(name: str) -> int | None:
    """Return the listed instances, or None while the registry or its database is down."""
    answer = _ask(
        f"/discover/{name}", name, conf.secret("SERVICE_SECRET", conf.project_of_service(name).name)
    )
    return None if answer is None or answer.status_code != 200 else len(answer.json())


def _ask(path: str, name: str, secret: str) -> requests.Response | None:
    url = f"http://127.0.0.1:{conf.project('registry').port}{path}"
    ask = requests.post if path == "/heartbeat" else requests.get
    try:
        return ask(url, auth=(name, secret), timeout=TIMEOUT_S)
    except requests.RequestException:
        return None
