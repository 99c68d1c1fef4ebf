"""``POST /failing``: a worker tells the causes of what fails now in its service."""

from collections.abc import Callable

from atoll.asgi import Receive
from registry.failing import report, store
from registry.http import inputs, limits, messages
from registry.http.auth import Doorkeeper, check_name
from registry.http.limits import Limits
from registry.http.messages import Request, Response
from registry.http.pools import SPANS
from registry.traces.batch import MAX_BODY_BYTES
from registry.usecases.credentials import ActiveCredential


class FailingCall:
    """Checks the credential first, then the limit, then the body. ``on_change`` runs in the event loop."""

    def __init__(self, door: Doorkeeper, request_limits: Limits, on_change: Callable[[], None]) -> None:
        self._door = door
        self._limits = request_limits
        self._on_change = on_change

    async def __call__(self, request: Request, receive: Receive) -> Response:
        credential = await self._door.service(request)
        self._limits.count(credential.service, limits.FAILING)
        raw = await messages.body(receive, MAX_BODY_BYTES)
        response = await SPANS.run(self._take, credential, raw)
        self._on_change()
        return response

    def _take(self, credential: ActiveCredential, raw: bytes) -> Response:
        told = report.read(inputs.body(raw))
        check_name(credential, inputs.service_name(told.service_name))
        return Response({"stored": store.replace(told)}, status=202)
