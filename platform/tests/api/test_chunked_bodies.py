"""Bodies without a declared length, as a WSGI server hands them over."""

import io

import pytest
from django.test import Client
from testproject.models import Note

pytestmark = pytest.mark.django_db


class Stream(io.BytesIO):
    """Remembers how far it was read."""

    farthest = 0

    def read(self, size=-1):
        data = super().read(size)
        self.farthest = max(self.farthest, self.tell())
        return data


def send(stream, **environ):
    made_of = {"wsgi.input": stream, "CONTENT_TYPE": "application/json", **environ}
    response = Client().generic("POST", "/notes", **made_of)
    return response.status_code, response.json()


def test_a_chunked_body_is_read():
    status, body = send(Stream(b'{"text": "in pieces"}'), HTTP_TRANSFER_ENCODING="chunked")
    assert (status, body["text"]) == (201, "in pieces")
    assert Note.objects.get().text == "in pieces"


def test_a_chunked_body_that_never_ends_is_cut_off_at_the_limit():
    stream = Stream(b" " * 3_000_000)
    status, body = send(stream, HTTP_TRANSFER_ENCODING="chunked")
    assert (status, body["code"]) == (413, "body_too_large")
    assert stream.farthest == 1_048_577
    assert Note.objects.count() == 0


def test_a_body_declared_too_large_is_not_read_at_all():
    stream = Stream(b" " * 3_000_000)
    status, body = send(stream, CONTENT_LENGTH="3000000")
    assert (status, body["code"], stream.farthest) == (413, "body_too_large", 0)


def test_without_length_and_chunks_there_is_no_body():
    status, body = send(Stream(b'{"text": "smuggled"}'))
    assert (status, body["details"]) == (400, {"text": ["This field is required."]})
    assert Note.objects.count() == 0
