"""The calls of the registry, for one project, over HTTP (docs/decisions/0003).

Thread-safe.
"""

from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth

from atoll import conf, wire
from atoll.discovery.answers import Answer, Heard
from atoll.discovery.instances import Instance
from atoll.errors import Conflict, NotAllowed, NotFound, Refusal, TooManyRequests, Unavailable

CONNECT_TIMEOUT_S = 1.0
ANSWER_TIMEOUT_S = 3.0
# A request may wait for this call, so it is shorter than the usual time-out of a request.
LOOK_TIMEOUT_S = 2.0
WAIT_MARGIN_S = 5.0
REGISTRY = "registry"
SERVICES_PER_PAGE = 100
MAX_SERVICES = 1000


class RegistryClient:
    """Calls raise Unavailable when the registry does not answer, and a Refusal when it refuses:
    NotFound (register again), Conflict (a later incarnation exists), NotAllowed.
    The constructor raises ImproperlyConfigured when the project has no ``SERVICE_SECRET``."""

    def __init__(self, project: str, *, url: str | None = None) -> None:
        self._project = conf.project(project)
        self._url = url
        self._auth = HTTPBasicAuth(self._project.service, conf.secret("SERVICE_SECRET", project))
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.mount("http://", HTTPAdapter(pool_connections=1, pool_maxsize=8))

    def register(self, service: str, instance: Instance, incarnation: int) -> None:
        """``incarnation`` must be higher than in any earlier registration of the instance."""
        body = {"serviceName": service, "instance": instance.to_wire() | {"incarnation": incarnation}}
        self._ask("POST", "/register", body)

    def heartbeat(self, service: str, instance_id: str, incarnation: int) -> Heard:
        """Renew the lease."""
        body = {"serviceName": service, "instanceId": instance_id, "incarnation": incarnation}
        reply = self._ask("POST", "/heartbeat", body)
        try:
            return Heard.read(reply.json())
        except ValueError as error:
            raise Unavailable(REGISTRY, f"its answer cannot be read: {error}") from error

    def deregister(
        self, service: str, instance_id: str, incarnation: int, *, timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        body = {"serviceName": service, "instanceId": instance_id, "incarnation": incarnation}
        self._ask("POST", "/deregister", body, timeout_s=timeout_s)

    def tell_failing(self, report: dict[str, Any]) -> None:
        """Replace the causes of failures that the registry holds for the project's service."""
        self._ask("POST", "/failing", report)

    def discover(self, service: str, *, index: int = 0, wait_s: float = 0) -> Answer:
        """Return the instances. With an index, wait until the list differs from it, at most ``wait_s``."""
        params = {"index": str(index), "wait": f"{wait_s:.3f}"} if index else None
        timeout_s = wait_s + WAIT_MARGIN_S if index else LOOK_TIMEOUT_S
        reply = self._ask("GET", f"/discover/{service}", params=params, timeout_s=timeout_s)
        try:
            return Answer.read(reply.json(), reply.headers)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise Unavailable(REGISTRY, f"its answer cannot be read: {error}") from error

    def services(self) -> list[str]:
        """The names of all services that the registry knows, MAX_SERVICES at most.

        Raises Unavailable or a Refusal.
        """
        names: list[str] = []
        try:
            for page in range(1, MAX_SERVICES // SERVICES_PER_PAGE + 1):
                asked = {"page": str(page), "pageSize": str(SERVICES_PER_PAGE)}
                told = [str(row["name"]) for row in self._ask("GET", "/services", params=asked).json()]
                names += told
                if len(told) < SERVICES_PER_PAGE:
                    break
            return names
        except (KeyError, TypeError, ValueError) as error:
            raise Unavailable(REGISTRY, f"its answer cannot be read: {error}") from error

    def _ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        params: dict[str, str] | None = None,
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> requests.Response:
        try:
            reply = self._session.request(
                method,
                (self._url or conf.registry_url()) + path,
                data=None if body is None else wire.dumps(body),
                headers=None if body is None else {"Content-Type": "application/json"},
                params=params,
                auth=self._auth,
                timeout=(min(CONNECT_TIMEOUT_S, timeout_s), timeout_s),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise Unavailable(REGISTRY, f"does not answer ({type(error).__name__})") from error
        if reply.status_code < 300:
            return reply
        raise _refused(reply)


def _refused(reply: requests.Response) -> Refusal | Unavailable:
    text = f"the registry answered {reply.status_code}: {reply.text[:300]}"
    match reply.status_code:
        case 401 | 403:
            return NotAllowed(text)
        case 404:
            return NotFound(text)
        case 409:
            return Conflict(text)
        case 429:
            return TooManyRequests(text, retry_after_s=int(reply.headers.get("Retry-After") or 1))
        case status if status < 500:
            return Refusal(text)
    return Unavailable(REGISTRY, text)
