"""Views that behave well, and views that fail in every way a service can."""

from typing import Any

from django.db import DataError, OperationalError
from django.http import HttpRequest, HttpResponse
from rest_framework import serializers
from rest_framework.generics import ListAPIView, RetrieveAPIView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from atoll import context
from atoll.api.idempotency import idempotent
from atoll.api.serializers import StrictModelSerializer
from atoll.errors import Conflict, NotFound, NotSignedIn, TooManyRequests, Unavailable
from testproject.models import Note

SECRET = "postgres://root:hunter2@10.0.0.7"


class NoteSerializer(StrictModelSerializer):
    class Meta:
        model = Note
        fields = ("id", "text", "price_paid", "created_at")
        read_only_fields = ("created_at",)


class NotesView(ListAPIView[Note]):
    permission_classes = (AllowAny,)
    serializer_class = NoteSerializer
    query_parameters = ("word",)
    queryset = Note.objects.order_by("pk")

    @idempotent
    def post(self, request: Request) -> Response:
        """Write a note down."""
        serializer = NoteSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        with request.idempotency.transaction() as keep:  # type: ignore[attr-defined]
            note = serializer.save()
            if note.text == "refused":
                raise Conflict("That text is taken.", code="text_taken")
            if note.text == "answered with an error":
                return keep(Response({"error": "no"}, status=409))
            if note.text == "crash":
                raise RuntimeError("crashed after the work was done")
            answer = Response(serializer.data, status=201, headers={"Location": f"/notes/{note.pk}"})
            return answer if note.text == "forgot to keep" else keep(answer)


class NoteView(RetrieveAPIView[Note]):
    permission_classes = (AllowAny,)
    serializer_class = NoteSerializer
    queryset = Note.objects.all()


class EchoView(APIView):
    """The body as it was read, and what the request belongs to."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def post(self, request: Request) -> Response:
        return Response({"data": request.data})

    def get(self, request: Request) -> Response:
        return Response(
            {"correlation_id": context.correlation_id(), "has_deadline": bool(context.deadline())}
        )


class FailingView(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get(self, request: Request, how: str) -> Response:
        raise failure(how)


def failing_django_view(request: HttpRequest, how: str) -> HttpResponse:
    raise failure(how)


def failure(how: str) -> Exception:
    failures: dict[str, Exception] = {
        "not-found": NotFound(
            "No such note.", title="Note not found", code="note_not_found", details={"note_id": 7}
        ),
        "not-signed-in": NotSignedIn("Sign in."),
        "too-many": TooManyRequests("Slow down.", retry_after_s=30),
        "unavailable": Unavailable("user-service", "does not answer", retry_after_s=2),
        "database": OperationalError(f"could not connect to {SECRET}"),
        "out-of-range": DataError(f"numeric overflow at {SECRET}"),
        "invalid": serializers.ValidationError({"unit_price": ["A valid number is required."]}),
    }
    return failures.get(how) or RuntimeError(f"unexpected {SECRET}")


def form_view(request: HttpRequest) -> HttpResponse:
    """A Django view that reads the body itself."""
    return HttpResponse(str(len(request.body)), content_type="text/plain")


async def async_view(request: HttpRequest, **_: Any) -> HttpResponse:
    return HttpResponse(context.correlation_id(), content_type="text/plain")
