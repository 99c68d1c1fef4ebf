"""Whole small answers for the gateway's own requests: token keys, instances, parts of the dashboard."""

import asyncio
from dataclasses import dataclass
from typing import Any

from atoll import wire
from atoll.client.failures import UpstreamFailure
from gateway.edge.error_responses import timed_out, unavailable
from gateway.edge.flow import in_task
from gateway.edge.tracing import RequestTrace
from gateway.edge.upstream.directory import Directory
from gateway.edge.upstream.dispatch import Call, Dispatcher
from gateway.edge.upstream.failures import BadAnswer

MAX_ANSWER_BYTES = 1_048_576


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[bytes, bytes]
    body: bytes

    def json(self) -> Any:
        """Raises ValueError."""
        try:
            return wire.loads(self.body)
        except wire.WireError as error:
            raise ValueError(str(error)) from error


class Fetcher:
    def __init__(self, directory: Directory, dispatcher: Dispatcher) -> None:
        self._directory = directory
        self._dispatcher = dispatcher

    async def get(
        self,
        service_name: str,
        target: str,
        fields: bytes = b"",
        *,
        timeout_s: float,
        trace: RequestTrace | None = None,
    ) -> Reply:
        """Any status is an answer. Raises ErrorResponse (503, 504) without one."""
        call = Call(
            service=service_name,
            method="GET",
            target=target.encode(),
            fields=fields,
            timeout_s=timeout_s,
            trace=trace,
        )
        try:
            async with asyncio.timeout(timeout_s):
                return await in_task(self._whole(call))
        except TimeoutError:
            raise timed_out(service_name, timeout_s) from None
        except UpstreamFailure as failure:
            raise unavailable(service_name, f"{service_name} cannot be reached: {failure}.") from failure

    async def _whole(self, call: Call) -> Reply:
        answer = await self._dispatcher.ask(self._directory.upstream(call.service), call)
        failure: BaseException | None = None
        try:
            connection = answer.connection
            pieces: list[bytes] = []
            size = 0
            while piece := await connection.read():
                pieces.append(piece)
                size += len(piece)
                if size > MAX_ANSWER_BYTES:
                    raise BadAnswer(f"it answered with more than {MAX_ANSWER_BYTES} bytes")
            return Reply(connection.status, dict(connection.headers), b"".join(pieces))
        except BaseException as error:
            failure = error
            raise
        finally:
            answer.finish(failure)
