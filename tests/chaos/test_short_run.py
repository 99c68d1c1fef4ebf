"""The short run itself: every invariant holds under one round of faults."""

import os

from atoll import conf
from atoll.testing import rabbitmq


def test_every_invariant_holds_under_faults_rabbitmq_where_it_is_installed(short_run):
    assert short_run.exit_code == 0, short_run.printed
    assert set(short_run.summary["violations"].values()) == {0}
    assert short_run.summary["orders"] > 20
    assert sum(short_run.summary["faults"].values()) >= 8
    if conf.flag("ATOLL_REQUIRE_RABBITMQ") or rabbitmq.program("rabbitmq-server"):
        assert "rabbitmq" in short_run.summary["engines"]


def test_the_summary_says_what_was_run(short_run):
    summary = short_run.summary
    assert {"seed", "minutes", "orders", "faults", "violations", "engines"} <= set(summary)
    assert summary["seed"] == 11
    # Without RabbitMQ a notice comes before it.
    assert [line for line in short_run.printed.splitlines() if line.startswith("seed=11:")] == [
        "seed=11: the same again with `make chaos seed=11`"
    ]
    assert (short_run.home / "journal.jsonl").stat().st_uid == os.getuid()
