"""Each handler reads fields that a service publishes, in every version."""

from functools import cache

import pytest

from atoll import conf
from atoll.bus.schemas import catalogue, compatibility
from atoll.bus.schemas.definitions import Definition
from atoll.cli.asyncapi import services

WITH_MESSAGES = [project.service for project in conf.projects().values() if project.worker]

described = cache(services.described)


def definitions() -> list[Definition]:
    return catalogue.definitions(described().projects, [])


def test_every_handler_can_read_what_is_announced_to_it():
    assert compatibility.incompatibilities(described().projects, definitions()) == []
    assert described().try_out(compatibility.trials(described().projects, definitions())) == []


@pytest.mark.parametrize("service", WITH_MESSAGES)
def test_everything_a_service_handles_is_announced_by_somebody_here(service: str):
    foreign = [definition.name for definition in definitions() if definition.foreign]
    (project,) = [project for project in described().projects if project.service == service]
    heard = {reading.name for reading in project.reads}
    assert heard.isdisjoint(foreign), f"nobody announces {heard & set(foreign)}"


@pytest.mark.parametrize("service", WITH_MESSAGES)
def test_every_command_goes_to_a_service_of_the_platform(service: str):
    (project,) = [project for project in described().projects if project.service == service]
    assert {definition.to for definition in project.announces if definition.to} <= set(WITH_MESSAGES)


def test_the_events_of_the_contract_are_published():
    assert {definition.name for definition in definitions() if definition.kind == "event"} >= {
        "user.created", "user.updated", "user.deleted",
        "order.created", "order.confirmed", "order.cancelled",
        "stock.reserved", "stock.rejected",
        "product.created", "product.updated", "product.deleted",
        "payment.completed", "payment.failed", "payment.refunded",
        "stock.released", "stock.release_failed", "payment.voided", "payment.refund_failed",
    }  # fmt: skip


def test_the_commands_of_the_contract_are_sent():
    sent = {(definition.to, definition.name) for definition in definitions() if definition.kind == "command"}
    assert sent >= {
        ("product-service", "reserve.stock"), ("product-service", "release.stock"),
        ("product-service", "commit.stock"), ("payment-service", "process.payment"),
        ("payment-service", "refund.payment"),
    }  # fmt: skip
