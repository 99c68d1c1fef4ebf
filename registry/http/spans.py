"""``POST /spans``: a process tells its finished spans."""

from atoll.asgi import Receive
from registry.http import inputs, limits, messages
from registry.http.auth import Doorkeeper, check_name
from registry.http.limits import Limits
from registry.http.messages import Request, Response
from registry.http.pools import SPANS
from registry.traces import batch
from registry.traces.store import SpanStore
from registry.usecases.credentials import ActiveCredential


class SpansCall:
    """Checks the credential first, then the limit, then the body. The answer names the traces of which the
    registry wants everything."""

    def __init__(self, door: Doorkeeper, request_limits: Limits, store: SpanStore) -> None:
        self._door = door
        self._limits = request_limits
        self._store = store

    async def __call__(self, request: Request, receive: Receive) -> Response:
        credential = await self._door.service(request)
        self._limits.count(credential.service, limits.SPANS)
        raw = await messages.body(receive, batch.MAX_BODY_BYTES)
        return await SPANS.run(self._take, credential, raw)

    def _take(self, credential: ActiveCredential, raw: bytes) -> Response:
        told = batch.read(inputs.body(raw))
        check_name(credential, inputs.service_name(told.service))
        stored = self._store.store(told)
        return Response(
            {"accepted": stored.accepted, "dropped": stored.dropped, "wanted": stored.wanted}, status=202
        )
