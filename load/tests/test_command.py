"""The command line: options, exit codes, what is shown, the report."""

import json
import os
import signal
import socket
import threading
import xml.etree.ElementTree as ElementTree  # reads only our own page
from html.parser import HTMLParser
from pathlib import Path

import pytest

from load import command, screen
from load.command import main
from load.open_loop import OpenLoop
from load.tests.shop import Shop


@pytest.fixture(params=[True, False], ids=["with rich", "without rich"])
def any_terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "RICH", request.param)


def ran(shop: Shop, *arguments: str) -> int:
    fast = ("--per-s", "40", "--minutes", "0.01", "--connections", "4", "--settle-s", "0.2")
    return main(["orders", "--gateway", shop.url, *fast, *arguments])


@pytest.mark.usefixtures("any_terminal")
def test_a_good_run_shows_its_figures_and_ends_with_0(shop, capsys):
    assert ran(shop, "--json") == 0
    *lines, last = capsys.readouterr().out.splitlines()
    words = [" ".join(line.split()) for line in lines]
    assert "accepted 24" in words
    assert "confirmed 24" in words
    assert "lost 0" in words
    assert "doubled 0" in words
    assert json.loads(last)["accepted"] == 24


@pytest.mark.parametrize(
    ("fate", "sentence"),
    [
        ("lost", "24 orders were accepted and then not found."),
        ("doubled", "24 orders were found and never placed."),
        ("pending", "24 accepted orders were not final after 0.2 s."),
    ],
)
def test_a_run_with_wrong_orders_says_so_and_ends_with_1(shop, capsys, fate, sentence):
    shop.fate = fate
    assert ran(shop) == 1
    assert capsys.readouterr().err == f"{sentence}\n"


@pytest.mark.parametrize(("most", "code"), [("50", 0), ("49.9", 1)])
def test_the_share_of_errors_decides_about_the_exit_code(shop, capsys, most, code):
    shop.refusals = [(503, {})] * 12
    assert ran(shop, "--max-errors", most) == code
    assert ("50.0 % of the requests failed" in capsys.readouterr().err) == bool(code)


BAD = {
    "--per-s 0": "'0' is no number above 0 and up to 10000",
    "--per-s nan": "'nan' is no number above 0",
    "--per-s inf": "'inf' is no number above 0",
    "--per-s -3": "'-3' is no number above 0",
    "--minutes many": "'many' is no number above 0",
    "--max-errors 101": "'101' is no number from 0 and up to 100",
    "--connections 0": "'0' is no whole number from 1 to 256",
    "--connections 2.5": "'2.5' is no whole number from 1 to 256",
    "--gateway 127.0.0.1:8000": "is no address such as http://127.0.0.1:8000",
    "--gateway http://[": "is no address such as http://127.0.0.1:8000",
    "--gateway http://127.0.0.1:99999": "is no address such as http://127.0.0.1:8000",
    "--report /nowhere/at/all.html": "'/nowhere/at/all.html' cannot be written",
    "--colour red": "unrecognized arguments",
}


@pytest.mark.parametrize("arguments", BAD)
def test_a_bad_option_is_told_in_one_line(capsys, arguments):
    with pytest.raises(SystemExit) as end:
        main(["orders", *arguments.split()])
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("manage.py load: ")
    assert BAD[arguments] in line


def test_nobody_at_the_address_is_told_with_what_to_do(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert main(["orders", "--gateway", url]) == 1
    assert capsys.readouterr().err == (
        f"Nothing answers at {url}. Start the platform with `make up`, or name another with --gateway.\n"
    )


@pytest.mark.parametrize("page", ["Welcome", [], {"status": "ok"}])
def test_another_web_server_is_no_gateway(shop, capsys, monkeypatch, page):
    monkeypatch.setattr(shop, "answer", lambda *request: (200, page))
    assert ran(shop) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        (f"No gateway of Atoll answers at {shop.url}", "The platform refused: 404 Empty shop")
    )


def test_ctrl_c_ends_the_run_and_prints_its_results(shop, capsys, request):
    shop.fate = "pending"
    # A shell ignores it for its background jobs, and so for all that they start.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))

    def interrupt() -> None:
        shop.at_order.wait(10)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    assert ran(shop, "--minutes", "10") == 0
    told = capsys.readouterr().out
    assert "Interrupted" in told
    assert "not final" in told


def test_ctrl_c_before_all_connections_order_prints_the_results_too(shop, capsys, monkeypatch):
    def interrupted(loop: OpenLoop) -> None:
        loop._threads[0].start()
        shop.at_order.wait(10)
        raise KeyboardInterrupt

    shop.fate = "pending"
    monkeypatch.setattr(OpenLoop, "start", interrupted)
    assert ran(shop, "--minutes", "10") == 0
    assert "Interrupted" in capsys.readouterr().out


class Page(HTMLParser):
    """Addresses and tags of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href")]


def test_the_report_is_one_file_with_charts_and_needs_nothing_else(shop, tmp_path: Path):
    shop.refusals = [(503, {"code": "<script>alert(1)</script>"})]
    assert ran(shop, "--report", str(tmp_path / "out.html"), "--max-errors", "10") == 0
    text = (tmp_path / "out.html").read_text()
    page = Page()
    page.feed(text)
    assert page.tags.count("svg") == 4
    assert page.addresses == []
    assert "script" not in page.tags
    assert "url(" not in text
    assert "503 &lt;script&gt;" in text
    for picture in text.split("<svg")[1:]:
        ElementTree.fromstring("<svg" + picture.partition("</svg>")[0] + "</svg>")  # noqa: S314


def test_a_report_that_cannot_be_written_loses_no_figures_and_fails_the_run(shop, capsys):
    assert ran(shop, "--report", "/dev/full", "--json") == 1
    told = capsys.readouterr()
    assert json.loads(told.out.splitlines()[-1])["accepted"] == 24
    assert told.err == "The report was not written: [Errno 28] No space left on device\n"


def test_a_report_in_a_folder_of_somebody_else_is_refused_before_the_run(shop, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(os, "access", lambda place, mode: place != tmp_path)
    with pytest.raises(SystemExit):
        ran(shop, "--report", str(tmp_path / "out.html"))
    assert "cannot be written" in capsys.readouterr().err
    assert shop.orders == {}


def test_a_run_without_a_single_order_still_gives_a_report(shop, tmp_path: Path):
    shop.refusals = [(503, {})] * 100
    assert ran(shop, "--report", str(tmp_path / "out.html"), "--max-errors", "100") == 0
    assert "<svg" in (tmp_path / "out.html").read_text()


def test_connections_are_enough_for_slow_answers_and_bounded():
    assert [command.connections_for(rate) for rate in (0.1, 20, 5000)] == [8, 40, 256]
