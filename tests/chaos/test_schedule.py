"""The schedule: the same seed gives the same faults."""

from tests.chaos.schedule import KINDS, plan


def test_the_same_seed_plans_the_same_faults_and_another_seed_others():
    first = plan(7, 600, rabbitmq=True, short_run=False)
    assert first == plan(7, 600, rabbitmq=True, short_run=False)
    assert first != plan(8, 600, rabbitmq=True, short_run=False)


def test_a_long_run_has_every_kind_and_ends_in_time():
    faults = plan(7, 600, rabbitmq=True, short_run=False)
    assert {fault.kind for fault in faults} == {kind.name for kind in KINDS}
    assert len(faults) == 100
    assert all(fault.at_s >= 0 and fault.at_s + fault.lasts_s <= 600.01 for fault in faults)


def test_without_rabbitmq_nothing_is_planned_that_needs_it():
    planned = {fault.kind for fault in plan(7, 600, rabbitmq=False, short_run=False)}
    assert planned == {kind.name for kind in KINDS if not kind.needs_rabbitmq}
