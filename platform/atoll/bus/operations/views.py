"""Questions of other services: the trace of a message here, and the things that depend on messages."""

from typing import Any

from django.urls import URLPattern, path
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from atoll import wire
from atoll.api.queries import check_query
from atoll.bus.operations import at_stake, message_trace
from atoll.errors import InvalidInput
from atoll.identity.drf import IsService


class MessagesView(APIView):
    """Answers the platform's services only: the gateway has no route to it, and it refuses users' tokens."""

    permission_classes = (IsService,)

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        check_query(request.query_params, {"id"})
        wanted = request.query_params.get("id", "").strip()
        if not wanted or len(wanted) > message_trace.MAX_ID_CHARACTERS:
            raise InvalidInput(
                "`id` must be a correlation or message id of 1 to "
                f"{message_trace.MAX_ID_CHARACTERS} characters."
            )
        trace = message_trace.local_trace(wanted)
        return Response({"steps": trace.steps, "is_cut": trace.is_cut})


class AtStakeView(APIView):
    """``POST /bus/at-stake``: counts and sums for causes of failures. It changes nothing."""

    permission_classes = (IsService,)

    @extend_schema(exclude=True)
    def post(self, request: Request) -> Response:
        check_query(request.query_params, ())
        answers = at_stake.local(_questions(request.data))
        return Response({"answers": [wire.to_payload(one) for one in answers]})


def _questions(data: Any) -> list[at_stake.Question]:
    """Raises InvalidInput."""
    told = data.get("questions") if isinstance(data, dict) else None
    if not isinstance(told, list) or len(told) > at_stake.MAX_QUESTIONS:
        raise InvalidInput(f"`questions` must be an array of at most {at_stake.MAX_QUESTIONS}.")
    try:
        found = [wire.from_payload(at_stake.Question, wire.camelize(one)) for one in told]
    except wire.SchemaError as error:
        raise InvalidInput(f"A question cannot be read: {error}") from error
    for one in found:
        for ids in (one.correlation_ids, one.keys):
            if len(ids) > at_stake.MAX_IDS or any(len(each) > at_stake.MAX_ID_CHARACTERS for each in ids):
                raise InvalidInput(f"A question has at most {at_stake.MAX_IDS} ids of each kind.")
    return found


def bus_urls() -> list[URLPattern]:
    return [
        path(message_trace.URL_PATH, MessagesView.as_view(), name="bus-messages"),
        path(at_stake.URL_PATH, AtStakeView.as_view(), name="bus-at-stake"),
    ]
