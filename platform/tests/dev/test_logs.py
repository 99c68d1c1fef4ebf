import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from atoll.cli import logs
from atoll.dev import logfiles, loglines, logtail


def line(moment: str, event: str, **more: object) -> str:
    return json.dumps({"time": f"2026-11-23T10:00:{moment}Z", "level": "info", "event": event} | more) + "\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATOLL_HOME", str(tmp_path))
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "orders.log").write_text(
        line("01.000000", "placed", correlation_id="a") + line("03.000000", "confirmed", correlation_id="a")
    )
    (folder / "payments.log").write_text(
        line("02.000000", "charged", correlation_id="a") + line("02.500000", "refused", correlation_id="b")
    )
    (folder / "postgres.log").write_text("2026-11-23 10:00:02.700 UTC [7] LOG:  checkpoint\n")
    return folder


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[tuple[str, str]]:
    assert logs.main(list(arguments)) == 0
    rows = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    return [(row["name"], row["event"]) for row in rows]


def test_all_files_are_shown_as_one_in_time_order(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert printed(capsys) == [
        ("orders", "placed"),
        ("payments", "charged"),
        ("payments", "refused"),
        ("postgres", "2026-11-23 10:00:02.700 UTC [7] LOG:  checkpoint"),
        ("orders", "confirmed"),
    ]


def test_one_correlation_id_is_followed_across_processes(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert printed(capsys, "--correlation", "a") == [
        ("orders", "placed"),
        ("payments", "charged"),
        ("orders", "confirmed"),
    ]


def test_a_line_about_several_messages_is_found_by_each_of_them(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    messages = [
        {"message_id": "1", "correlation_id": "a"},
        {"message_id": "2", "correlation_id": "their-work"},
    ]
    (folder / "orders-worker.log").write_text(line("04.000000", "messages published", messages=messages))
    assert printed(capsys, "--correlation", "their-work") == [("orders-worker", "messages published")]
    assert ("orders-worker", "messages published") in printed(capsys, "--correlation", "a")
    assert ("orders-worker", "messages published") not in printed(capsys, "--correlation", "b")


def test_a_correlation_id_that_no_line_carries_is_said_so(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert logs.main(["--correlation", "nobody"]) == 1
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "No line has the correlation id nobody.\n")


def test_a_level_selects_its_lines_and_graver_ones_with_what_continues_them(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    with (folder / "orders.log").open("a") as file:
        file.write(line("04.000000", "failed", level="error") + "Traceback (most recent call last):\n")
        file.write(line("05.000000", "slow", level="warning") + line("06.000000", "fine"))
    with (folder / "postgres.log").open("a") as file:
        file.write("2026-11-23 10:00:04.500 UTC [7] ERROR:  no such table\n")
        file.write("2026-11-23 10:00:04.500 UTC [7] STATEMENT:  SELECT 1\n")
    assert printed(capsys, "--level", "error") == [
        ("orders", "failed"),
        ("orders", "Traceback (most recent call last):"),
        ("postgres", "2026-11-23 10:00:04.500 UTC [7] ERROR:  no such table"),
        ("postgres", "2026-11-23 10:00:04.500 UTC [7] STATEMENT:  SELECT 1"),
    ]
    assert ("orders", "slow") in printed(capsys, "--level", "WARNING")
    assert ("orders", "fine") not in printed(capsys, "--level", "warning")


def test_lines_of_several_writers_of_one_file_are_in_order_of_time(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    (folder / "gateway.log").write_text(
        line("02.6", "second") + line("01.5", "first") + line("02.600001", "third")
    )
    assert [event for name, event in printed(capsys) if name == "gateway"] == ["first", "second", "third"]
    times = [json.loads(text)["event"] for text in everything(capsys)]
    assert times.index("refused") < times.index("second") < times.index("confirmed")


def everything(capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert logs.main([]) == 0
    return capsys.readouterr().out.splitlines()


def test_following_waits_one_look_for_earlier_lines_of_other_processes(folder: Path):
    def made(moment: str, name: str) -> loglines.Line:
        return loglines.Line(f"2026-11-23T10:00:{moment}Z", name, 1, name)

    late, early, next_one = made("02.0", "late"), made("01.9", "early"), made("03.0", "next")
    assert logtail._due([], [late]) == ([], [late])
    assert logtail._due([late], [early, next_one]) == ([early, late], [next_one])
    assert logtail._due([next_one], []) == ([next_one], [])


def test_names_and_since_narrow_what_is_shown(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert printed(capsys, "payments", "--since", "2026-11-23T10:00:02.3Z") == [("payments", "refused")]


def test_an_unknown_name_is_answered_with_the_known_ones(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert logs.main(["shipping"]) == 2
    assert "There are: orders, payments, postgres." in capsys.readouterr().err


def test_a_time_that_is_none_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert logs.main(["--since", "yesterday"]) == 2
    assert "'yesterday'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", "2026-11-23T09:58:30.000Z"),
        ("10m", "2026-11-23T09:50:00.000Z"),
        ("2h", "2026-11-23T08:00:00.000Z"),
        ("1d", "2026-11-22T10:00:00.000Z"),
        ("2026-11-23T12:00:00+02:00", "2026-11-23T10:00:00.000Z"),
    ],
)
def test_since_counts_back_from_now_or_names_a_moment(text: str, expected: str):
    assert loglines.since(text, now=datetime(2026, 11, 23, 10, tzinfo=UTC)) == expected


def test_a_traceback_stays_behind_the_line_it_belongs_to(folder: Path, capsys: pytest.CaptureFixture[str]):
    with (folder / "orders.log").open("a") as file:
        file.write("Traceback (most recent call last):\n  File ...\n" + line("04.000000", "after"))

    assert printed(capsys, "orders")[1:] == [
        ("orders", "confirmed"),
        ("orders", "Traceback (most recent call last):"),
        ("orders", "  File ..."),
        ("orders", "after"),
    ]


def test_following_shows_only_what_is_written_from_now_on_and_survives_rotation(folder: Path):
    log = folder / "orders.log"
    followed = logtail.Follower(lambda: [log])
    assert followed.fresh() == []

    with log.open("a") as file:
        file.write(line("05.000000", "new") + '{"half')
    assert [found.fields["event"] for found in followed.fresh()] == ["new"]
    assert log in logfiles.rotate(folder, max_bytes=100)
    with log.open("a") as file:
        file.write(line("06.000000", "after rotation"))

    assert [found.fields["event"] for found in followed.fresh()] == ["after rotation"]


def test_rotation_keeps_the_newest_files_and_the_writer_goes_on(tmp_path: Path):
    log = tmp_path / "orders.log"
    with log.open("a") as writer:
        for number in range(logfiles.KEPT + 2):
            writer.write(f"{number}" * 20)
            writer.flush()
            logfiles.rotate(tmp_path, max_bytes=10)
        writer.write("end")

    assert log.read_text() == "end"
    kept = {path.name: path.read_text()[0] for path in tmp_path.glob("*.log.*")}
    assert kept == {"orders.log.1": "4", "orders.log.2": "3", "orders.log.3": "2"}


def test_rotated_files_are_part_of_the_history(folder: Path, capsys: pytest.CaptureFixture[str]):
    logfiles.rotate(folder, max_bytes=100)

    assert printed(capsys, "orders") == [("orders", "placed"), ("orders", "confirmed")]
