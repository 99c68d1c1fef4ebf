"""The project of the recipe, and what its reader does there in a browser."""

import socket
from dataclasses import dataclass
from pathlib import Path

from tests.standalone.browser import Browser, link, values
from tests.standalone.reader import Reader
from tests.standalone.recipe import Commands, steps

DELIVERIES = "/admin/atoll_bus/delivery/"
# As in the recipe.
USER, PASSWORD = "ada", "recipe-ada"


@dataclass(frozen=True)
class Shop:
    """``dead`` is the page of the dead letter before its replay, ``replayed`` the answer to the replay."""

    reader: Reader
    browser: Browser
    dead: str
    replayed: str

    def python(self, code: str) -> str:
        """Run code in the project. Returns what it prints."""
        return self.reader.run(Commands(0, f'python manage.py shell -v 0 -c "{code}"'))


def follow(reader: Reader, document: Path) -> Shop:
    """Do every step of the document, and in the admin what the document says between them."""
    done: Shop | None = None
    for step in steps(document):
        reader.follow(step)
        if isinstance(step, Commands) and step.stays and "runserver" in step.text:
            done = _replay(reader)
    assert done is not None, f"{document.name} starts no site"
    return done


def _replay(reader: Reader) -> Shop:
    """Under Messages open Deliveries, choose the dead one, take Replay, and confirm."""
    reader.wait(lambda: _is_listening(reader.port), lambda: "the site does not listen")
    browser = Browser(f"http://127.0.0.1:{reader.port}")
    browser.sign_in(USER, PASSWORD)
    assert f'href="{DELIVERIES}"' in browser.open("/admin/atoll_bus/")
    dead = browser.open(link(browser.open(DELIVERIES), "status__exact=dead", base=DELIVERIES))
    (chosen,) = values(dead, "_selected_action")
    sent: dict[str, str | list[str]] = {"action": "replay", "_selected_action": [chosen], "reason": ""}
    answer = browser.send(DELIVERIES, sent)
    if values(answer, "confirmed"):
        answer = browser.send(DELIVERIES, sent | {"confirmed": "replay_chosen"})
    return Shop(reader, browser, dead, answer)


def _is_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
