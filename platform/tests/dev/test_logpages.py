"""Pages of log files: in order of time over all files, without reading them whole."""

import json
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atoll.dev import logblocks, logfiles
from atoll.dev.loglines import MAX_LINE_BYTES, Line, Wanted
from atoll.dev.logpages import Cursor, Page, history, newest, oldest
from atoll.dev.logtail import Follower


def everything(line: Line) -> bool:
    return True


def structured(second: float, event: str, **more: object) -> str:
    origin = {"service": "order-service", "instance": "orders-1", "process": "serve"}
    minute, rest = divmod(second, 60)
    time = f"2026-11-23T10:{int(minute):02}:{rest:09.6f}Z"
    return json.dumps({"time": time, "level": "info", **origin, "event": event} | more) + "\n"


def told(page: Page) -> list[str]:
    return [str(line.fields.get("event", line.text)) for line in page.lines]


def all_pages_back(files: list[Path], count: int) -> list[Page]:
    pages = [newest(files, everything, count)]
    while pages[-1].older:
        pages.append(newest(files, everything, count, before=pages[-1].older))
    return pages


LINE = st.tuples(
    st.sampled_from([0, 0, 0, 1, 20]), st.sampled_from(["line", "line", "long", "late", "continues"])
)
LOGS = st.lists(st.lists(LINE, max_size=25), min_size=1, max_size=4)


@given(
    logs=LOGS,
    count=st.integers(1, 5),
    rotations=st.integers(0, 3),
    block=st.sampled_from([700, 2000, 65_536]),
)
@settings(max_examples=150, deadline=None)
def test_pages_back_and_forth_have_every_line_once_and_in_order(
    logs, count, rotations, block, tmp_path_factory
):
    with mock.patch.object(logblocks, "BLOCK_BYTES", block):
        check_pages(tmp_path_factory.mktemp("logs"), logs, count, rotations)


def check_pages(folder: Path, logs, count: int, rotations: int) -> None:
    files = []
    for number, lines in enumerate(logs):
        path = folder / f"p{number}.log"
        files.append(path)
        path.touch()
        second = 1
        for place, (step, kind) in enumerate(lines):
            second += step
            text = structured(second - (kind == "late"), f"{place}", padding="x" * 900 * (kind == "long"))
            with path.open("a") as file:
                file.write(f"  more {place}\n" if kind == "continues" else text)
            if rotations and place % (rotations * 3) == 2:
                logfiles.rotate(folder, max_bytes=10)
    whole = [(line.name, line.text) for line in history(files, everything)]
    assert rotations or len(whole) == sum(map(len, logs))
    pages = all_pages_back(files, count)
    assert [(line.name, line.text) for page in reversed(pages) for line in page.lines] == whole
    forth = pages[-1]
    again = [(line.name, line.text) for line in forth.lines]
    while forth.newer:
        forth = oldest(files, everything, count, after=forth.newer)
        again += [(line.name, line.text) for line in forth.lines]
    assert again == whole


@pytest.fixture
def long_log(tmp_path: Path) -> Path:
    """Some 2 MB, with a line each second."""
    log = tmp_path / "orders.log"
    with log.open("w") as file:
        for second in range(3_000):
            file.write(structured(second, str(second), padding="x" * 500))
    return log


def test_the_newest_lines_and_an_old_moment_cost_a_part_of_the_file(long_log, monkeypatch):
    taken = []
    take = logblocks.Budget.take
    monkeypatch.setattr(
        logblocks.Budget, "take", lambda self, size: (taken.append(size), take(self, size))[1]
    )
    assert told(newest([long_log], everything, 2)) == ["2998", "2999"]
    before = newest([long_log], everything, 2, before=Cursor("2026-11-23T10:20:00.500000Z"))
    assert told(before) == ["1199", "1200"]
    after = oldest([long_log], everything, 2, after=Cursor("2026-11-23T10:20:00.500000Z"))
    assert told(after) == ["1201", "1202"]
    assert sum(taken) < 6 * logblocks.BLOCK_BYTES


def test_every_line_is_found_by_its_time(tmp_path: Path):
    """Lines of one length, so that halving meets their beginnings exactly."""
    log = tmp_path / "orders.log"
    lines = [structured(20 * number, f"{number:02}") for number in range(64)]
    log.write_text("".join(line[:-2] + " " * (512 - len(line)) + "}\n" for line in lines))
    with mock.patch.object(logblocks, "BLOCK_BYTES", 1_100):
        for number, line in enumerate(lines):
            at = Cursor(json.loads(line)["time"])
            assert told(newest([log], everything, 1, before=at)) == [f"{number:02}"]
            assert told(oldest([log], everything, 1, after=at)) == [f"{number:02}"]


def test_since_ends_the_reading(long_log):
    page = newest([long_log], everything, 100, since="2026-11-23T10:49:58.000Z")
    assert (told(page), page.older) == (["2998", "2999"], None)


def test_a_page_that_reads_too_much_ends_and_leads_on(long_log):
    def only_first(line: Line) -> bool:
        return line.fields["event"] == "0"

    page = newest([long_log], only_first, 10, max_bytes=1_000_000)
    assert (page.lines, page.is_cut) == ([], True)
    assert page.older is not None
    rest = newest([long_log], only_first, 10, before=page.older)
    assert (told(rest), rest.is_cut, rest.older) == (["0"], False, None)


def test_lines_of_a_file_without_a_time_and_bytes_that_are_no_text(tmp_path: Path):
    log = tmp_path / "orders.log"
    log.write_bytes(b"\xff\xfe no text\n" + structured(1, "first").encode() + b"\x00{broken\n{}\n")
    assert told(newest([log], everything, 10)) == ["\ufffd\ufffd no text", "first", "\x00{broken", "{}"]
    assert [line.text for line in history([log], everything)][-1] == "{}"


def test_a_very_long_line_keeps_its_beginning_and_its_place(tmp_path: Path):
    log = tmp_path / "orders.log"
    huge = structured(2, "x" * 5 * MAX_LINE_BYTES)
    log.write_text(structured(1, "before") + huge + structured(3, "after"))
    page = newest([log], everything, 10)
    assert [len(line.text) for line in page.lines][1] == MAX_LINE_BYTES
    assert page.lines[1].time == "2026-11-23T10:00:02.000000Z"
    assert page.lines[1].service == "order-service"
    assert [line.text for line in history([log], everything)] == [line.text for line in page.lines]


def test_an_unfinished_line_waits(tmp_path: Path):
    log = tmp_path / "orders.log"
    log.write_text(structured(1, "whole") + '{"time": "2026-')
    assert told(newest([log], everything, 10)) == ["whole"]
    follower = Follower(lambda: [log])
    with log.open("a") as file:
        file.write(structured(2, "late").removeprefix('{"time": "2026-'))
    assert [line.fields["event"] for line in follower.fresh()] == ["late"]


def test_a_page_up_to_the_place_of_a_follower_and_its_lines_are_all_lines_once(tmp_path: Path):
    log, other = tmp_path / "orders.log", tmp_path / "users.log"
    log.write_text(structured(1, "a") + '{"time": "2026-')
    follower = Follower(lambda: [path for path in (log, other) if path.exists()])
    with log.open("a") as file:
        file.write("\n" + structured(2, "b"))
    other.write_text(structured(3, "c"))
    shown = newest([log, other], everything, 10, ends=follower.ends())
    assert told(shown) == ["a"]
    assert [line.fields.get("event", line.text) for line in follower.fresh()] == [
        '{"time": "2026-', "b", "c"
    ]  # fmt: skip


def test_what_was_written_before_a_rotation_is_followed(tmp_path: Path):
    log = tmp_path / "orders.log"
    log.write_text(structured(1, "a") * 10)
    follower = Follower(lambda: [log])
    with log.open("a") as file:
        file.write(structured(2, "b"))
        file.flush()
        logfiles.rotate(tmp_path, max_bytes=10)
        file.write(structured(3, "c"))
    assert [line.fields["event"] for line in follower.fresh()] == ["b", "c"]


def test_engines_have_times_and_levels(tmp_path: Path):
    log = tmp_path / "postgres.log"
    log.write_text(
        "2026-11-23 10:00:02.700 UTC [7] ERROR:  no such table\n"
        "2026-11-23 10:00:02.700 UTC [7] STATEMENT:  SELECT 1\n"
        "\tFROM nowhere\n"
    )
    lines = newest([log], everything, 9).lines
    assert [(line.level, line.time[17:23], line.continues) for line in lines] == [
        ("error", "02.700", False),
        ("error", "02.700", False),
        ("error", "02.700", True),
    ]
    cache = tmp_path / "valkey.log"
    cache.write_text("7:M 23 Nov 2026 10:00:02.700 # no memory\n7:M 99 Nov 2026 10:00:02.700 * no day\n")
    first, second = newest([cache], everything, 9).lines
    assert (first.level, first.time[16:23], second.continues) == ("warning", ":02.700", True)


@pytest.mark.parametrize(
    ("asked", "is_found"),
    [
        ({"text": "REFUSED"}, True),
        ({"text": "status=402"}, True),
        ({"text": "zoë"}, True),
        ({"text": 'said "no"'}, True),
        ({"text": "event"}, False),
        ({"text": "x y"}, False),
        ({"service": "order-service"}, True),
        ({"service": "order"}, False),
        ({"instance": "orders-1"}, True),
        ({"instance": "orders-2"}, False),
        ({"until": "2026-11-23T10:00:00.999Z"}, False),
        ({"until": "2026-11-23T10:00:01Z"}, True),
        ({"level": "warning"}, False),
        ({"correlation": "abc"}, True),
        ({"correlation": "ab"}, False),
    ],
)
def test_a_line_is_found_by_what_it_shows(tmp_path: Path, asked, is_found):
    log = tmp_path / "orders.log"
    fields = {"status": 402, "name": "Zoë", "said": 'he said "no"', "correlation_id": "abc"}
    log.write_text(structured(1, "refused", **fields) + "  a line behind it with abc\n")
    found = newest([log], Wanted(**asked), 10).lines
    assert any(not line.continues for line in found) is is_found
