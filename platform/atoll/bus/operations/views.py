"""``GET /bus/messages?id=``: the trace of a message in this service, for the other services."""

from django.urls import URLPattern, path
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from atoll.api.queries import check_query
from atoll.bus.operations import message_trace
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


def bus_urls() -> list[URLPattern]:
    return [path(message_trace.URL_PATH, MessagesView.as_view(), name="bus-messages")]
