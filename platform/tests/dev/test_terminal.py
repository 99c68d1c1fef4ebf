"""Foreign texts cannot control the terminal that shows them."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from atoll import cli
from atoll.cli import call, logs
from atoll.dev import logpages, logview
from atoll.dev.terminal import escaped, escaped_json

HOSTILE = {
    "escape": "\x1b[2J\x1b]0;owned\x07",
    "return": "fine\rforged",
    "bell and backspace": "\x07\x08",
    "C1": "\x9b31m\x85",
    "bidirectional": "\u202egnp.exe\u2066",
    "separators": "a\u2028b\u2029c",
    "invisible": "a\u200bb\ufeff\xad",
    "delete": "\x7f",
    "tags": "\U000e0041",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_only_what_can_be_seen_is_left(text: str) -> None:
    shown = escaped(text)
    assert shown.isprintable()
    assert shown.encode().decode("unicode_escape") == text
    assert json.loads(escaped_json(json.dumps(text, ensure_ascii=False))) == text
    assert escaped_json(json.dumps(text, ensure_ascii=False)).isprintable()


def test_what_is_no_danger_stays() -> None:
    assert escaped("Zoë → 東京 [bold]x[/bold] \\x1b") == "Zoë → 東京 [bold]x[/bold] \\x1b"
    assert escaped("\ud800") == "\\ud800"


def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setenv("ATOLL_HOME", str(tmp_path))
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "orders.log").write_bytes("".join(f"{line}\n" for line in lines).encode())


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_logs_print_no_control_character(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    everywhere = json.dumps(dict.fromkeys(("time", "level", "event", "correlation_id", "other", text), text))
    written(
        tmp_path,
        monkeypatch,
        everywhere,
        f"plain {text}",
        json.dumps({"event": text, "nested": [{text: text}]}),
    )
    assert logs.main([]) == 0
    printed = capsys.readouterr().out
    assert all(line.isprintable() for line in printed.split("\n"))
    assert json.loads(printed.split("\n")[0])["other"] == text

    console = Console(highlight=False, soft_wrap=True, force_terminal=True, color_system=None)
    with console.capture() as capture:
        for line in logpages.history([tmp_path / "logs" / "orders.log"], lambda _: True):
            console.print(logview.pretty(line))
    assert all(line.isprintable() for line in capture.get().split("\n"))


def test_a_value_of_several_lines_cannot_pass_for_other_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(
        tmp_path, monkeypatch,
        json.dumps({"event": "one\n10:00 forged", "exception": "Error:\n  line\nValueError \x1b[2J", "n": 1}),
    )  # fmt: skip
    [line] = logpages.history([tmp_path / "logs" / "orders.log"], lambda _: True)
    first, *below = logview.pretty(line).plain.split("\n")
    assert first.endswith("one\\n10:00 forged n=1")
    assert below == ["    | exception:", "    | Error:", "    |   line", "    | ValueError \\x1b[2J"]


def test_lines_that_are_hard_to_read_do_not_end_the_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deep = '{"a":' * 100_000
    written(
        tmp_path,
        monkeypatch,
        deep,
        '{"event": "\\ud800", "time": 7}',
        '{"time": [1], "level": {}}',
        "{",
        "[]",
        "\0",
    )
    assert logs.main([]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 6


@pytest.mark.parametrize("text", ["9" * 30 + "d", "²d", "0001-01-01T00:00:00+14:00", "d", "\x1b[2Jd"])
def test_times_that_no_calendar_has_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    written(tmp_path, monkeypatch, "{}")
    assert logs.main(["--since", text]) == 2
    said = capsys.readouterr().err
    assert (said.count("\n"), said.rstrip("\n").isprintable()) == (1, True)


def test_an_answer_is_shown_escaped() -> None:
    body = {"name": "\x1b[2J\u202e", "lines": ["a", "b"]}
    assert json.loads(call._readable(json.dumps(body).encode())) == body
    for content in (json.dumps(body, ensure_ascii=False).encode(), b"\x1b[2J\r\nmetrics 1\n", b"[" * 100_000):
        assert all(line.isprintable() for line in call._readable(content).split("\n"))


@pytest.mark.parametrize(
    "verb",
    [
        "nope",
        "",
        "..",
        "../x",
        "asyncapi.earlier",
        "a.b",
        "__init__",
        "\x1b[2J",
        "new-service.edits",
        "/etc",
        "\udcff",
    ],
)
def test_what_is_no_verb_is_told_in_one_line(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    assert cli.run([verb]) == 2
    said = capsys.readouterr().err
    assert said.startswith("Neither a project nor a verb: ")
    assert (said.count("\n"), said.rstrip("\n").isprintable()) == (1, True)
