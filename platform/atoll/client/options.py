"""The options of a call to another service, for type checkers."""

from collections.abc import Mapping
from typing import Literal, TypedDict

# None sends this service's own token, if it has one. False sends none.
Token = str | Literal[False] | None
# The parameters of a query. A value may be a list; None leaves a parameter out.
Params = Mapping[str, object]


class Options(TypedDict, total=False):
    """The options of the methods of `ServiceClient`. `ServiceClient.request` says what they do."""

    form: Mapping[str, str] | None
    params: Params | None
    headers: Mapping[str, str] | None
    token: Token
    idempotency_key: str | None
    timeout_s: float | None
    deadline: float | None
