import asyncio
import re
from pathlib import Path

import pytest

from atoll import conf
from atoll.dev import suites, testing
from atoll.dev.suites import Result, Suite


def suite(tmp_path: Path, text: str, name: str = "orders") -> Suite:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\naddopts = "-p no:django -p no:atoll"\n'
    )
    (tmp_path / "test_it.py").write_text(text)
    return Suite(name, tmp_path / "pyproject.toml", tmp_path)


def run(given: Suite, results: Path, *arguments: str) -> Result:
    return asyncio.run(suites.run(given, results, {"PATH": "/usr/bin:/bin"}, list(arguments)))


TESTS = """
import pytest
def test_good(): pass
def test_bad(): assert 1 == 2
@pytest.mark.skip(reason="no Chromium here")
def test_page(): pass
@pytest.fixture
def broken(): raise RuntimeError
def test_error(broken): pass
"""


def test_a_suite_is_counted_and_what_was_skipped_is_named(tmp_path: Path):
    result = run(suite(tmp_path, TESTS), tmp_path)

    assert (result.passed, result.failed, result.skipped) == (1, 2, 1)
    assert result.exit_code == 1
    assert not result.ok
    assert [re.sub(r".*: ", "", reason) for reason in result.skips] == ["no Chromium here"]
    assert "1 orders" not in testing.not_covered([result])
    assert "1 test of orders: no Chromium here" in testing.not_covered([result])


def test_arguments_after_the_dashes_reach_pytest(tmp_path: Path):
    result = run(suite(tmp_path, TESTS), tmp_path, "-k", "good")

    assert (result.passed, result.failed, result.ok) == (1, 0, True)


@pytest.mark.parametrize(("named", "passed"), [("test_more.py", 2), ("test_more.py::test_one", 1)])
def test_a_file_or_a_test_that_is_named_runs_alone(tmp_path: Path, named: str, passed: int):
    given = suite(tmp_path, TESTS)
    (tmp_path / "test_more.py").write_text("def test_one(): pass\ndef test_two(): pass\n")

    result = run(given, tmp_path, str(tmp_path / named))

    assert (result.passed, result.failed, result.skipped) == (passed, 0, 0)


def test_a_suite_that_cannot_be_collected_fails_though_no_test_did(tmp_path: Path):
    result = run(suite(tmp_path, "import nowhere_to_be_found"), tmp_path)

    assert result.exit_code == 2
    assert not result.ok


def test_a_suite_without_tests_is_named_as_not_covered(tmp_path: Path):
    result = run(suite(tmp_path, ""), tmp_path)

    assert result.ok
    assert "orders: it has no tests" in testing.not_covered([result])


def journeys(tmp_path: Path, *passed: str) -> Result:
    given = Suite("journeys", tmp_path, tmp_path, whole=True, alone=True)
    return Result(given, exit_code=0, took_s=1.0, passed=len(passed), passed_names=list(passed))


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["test_an_order[embedded]"], "no journey passed on RabbitMQ."),
        (["test_an_order[embedded]", "test_an_order[rabbitmq]"], ""),
    ],
)
def test_where_rabbitmq_is_required_its_journeys_must_have_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str], complaint: str
):
    monkeypatch.setenv("ATOLL_REQUIRE_RABBITMQ", "1")
    assert testing.missing_rabbitmq([journeys(tmp_path, *names)]) == complaint


def test_where_rabbitmq_is_not_required_nothing_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ATOLL_REQUIRE_RABBITMQ", raising=False)
    assert testing.missing_rabbitmq([journeys(tmp_path)]) == ""


def test_suites_run_on_engines_of_their_own_and_whole_platforms_as_the_user_said(tmp_path: Path):
    given = {"ORDERS_DATABASE_URL": "postgres://real", "RABBITMQ_URL": "amqp://real", "HOME": "/home/ada"}
    project, whole = (
        Suite("orders", tmp_path, tmp_path),
        Suite("journeys", tmp_path, tmp_path, whole=True, alone=True),
    )

    own = suites.environment(project, given, tmp_path, "postgres://library")
    as_said = suites.environment(whole, given, tmp_path, "postgres://library")

    assert "ORDERS_DATABASE_URL" not in own
    assert "RABBITMQ_URL" not in own
    assert own["ATOLL_ENV"] == "test"
    assert own["ATOLL_HOME"] == str(tmp_path)
    assert as_said.items() >= given.items()
    assert "ATOLL_ENV" not in as_said


def test_every_project_has_its_suite():
    names = [found.name for found in suites.all_suites()]
    assert names[:3] == ["workers", "bus", "platform"]
    assert set(conf.projects()) <= set(names)


def test_no_two_suites_share_a_name_since_each_writes_its_results_under_it():
    names = [suite.name for suite in suites.all_suites()]

    assert sorted(names) == sorted(set(names))


NOISY = """
import logging
def test_money():
    for number in range(500):
        logging.getLogger("orders").warning("noise %s", number)
        print("noise", number)
    total = 139.90
    assert total == 39.90, "the customer saw another price"
def test_second(): assert "one" == "two"
"""


def report(tmp_path: Path, text: str) -> str:
    heard: list[str] = []
    result = run(suite(tmp_path, text), tmp_path)
    testing._report(result, tmp_path, heard.append)
    return "\n".join(heard)


def test_a_failed_test_is_told_by_its_assertion_without_what_it_logged(tmp_path: Path):
    told = report(tmp_path, NOISY)

    assert "-- test_it.test_money" in told
    assert "E   AssertionError: the customer saw another price" in told
    assert "E   AssertionError: assert 'one' == 'two'" in told
    assert "noise" not in told.replace("noise %s", "").replace('print("noise", number)', "")
    assert len(told.splitlines()) < 40
    assert told.splitlines()[-1] == f"-- orders ended with 1; see {tmp_path}/orders.out"
    assert "noise 499" in (tmp_path / "orders.out").read_text()


def test_the_failed_tests_stand_once_more_in_the_last_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ATOLL_REQUIRE_RABBITMQ", raising=False)
    result = run(suite(tmp_path, TESTS), tmp_path)
    said: list[str] = []

    assert testing._conclude([result], {}, said.append) == 1
    assert said[-1] == "1 passed, 2 failed, 1 skipped"
    recap = [line for line in said if line.startswith("FAILED: ")]
    assert [line.split(": ")[1] for line in recap] == ["test_it.test_bad", "test_it.test_error"]
    assert "assert 1 == 2" in recap[0]


def test_of_many_failed_tests_ten_are_quoted_and_all_are_named(tmp_path: Path):
    tests = [f"def test_{n:02}(): assert {n} == 100" for n in range(12)]
    told = report(tmp_path, "\n".join(tests))

    assert "assert 9 == 100" in told
    assert "assert 10 == 100" not in told
    assert "-- and 2 more: test_it.test_10, test_it.test_11" in told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("import os\ndef test_it(): os._exit(9)", "orders ended with 9"),
    ],
)
def test_a_suite_that_ends_without_a_failed_test_is_told_by_what_it_printed_last(
    tmp_path: Path, text: str, said: str
):
    assert said in report(tmp_path, text)
