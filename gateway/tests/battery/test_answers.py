"""Plays the answers of services. What is no answer becomes 503 in the error shape."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.tests.battery.answers import CASES, AnswerCase
from gateway.tests.battery.client import BadAnswer, Client
from gateway.tests.harness import Gateway, row, table
from gateway.tests.upstream import Behave, Upstream

SHAPE = {"error", "message", "code", "correlationId", "details"}


def behaviour(case: AnswerCase) -> Behave:
    async def behave(seen: Any, reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(case.sent)
        if case.ends:
            writer.close()

    return behave


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Each case has a service of its own, so that none meets the open breaker of another."""
    rows = [row(f"case-{one}", f"/case-{one}", service=f"case-{one}") for one in range(len(CASES))]
    made = Gateway(Path(tmp_path_factory.mktemp("gateway")), table(*rows))
    with closing(Upstream()) as service:
        for number, case in enumerate(CASES):
            made.knows(f"case-{number}", service)
            service.behaviours[f"/case-{number}/"] = behaviour(case)
        yield made
        made.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_answer(gateway: Gateway, case: AnswerCase) -> None:
    request = b"%b /case-%d/x HTTP/1.1\r\nHost: gateway.test\r\n\r\n" % (case.method, CASES.index(case))
    with Client(gateway.port) as client:
        client.send(request)
        if not case.status:
            with pytest.raises((BadAnswer, ConnectionError, ValueError)):
                client.answer(case.method)
            return
        answer = client.answer(case.method)
        assert answer.status == case.status
        assert "date" in answer.fields  # RFC 9110 §6.6.1
        if case.status == 503:
            assert set(answer.json()) == SHAPE
        else:
            assert answer.body == case.body
        assert not set(case.without) & set(answer.fields)
        assert client.still_serves()
