"""Limits for bodies, also for bodies without a declared length."""

import io
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from atoll.api.errors import plain_problem
from atoll.api.middleware.two_ways import Middleware

MAX_LENGTH_CHARS = 18


class BodyLimit(Middleware):
    """Answers 413 before a view sees a body of more than ``DATA_UPLOAD_MAX_MEMORY_SIZE`` bytes.

    A declared length is checked without reading the body. Under WSGI, Django takes a chunked body for an
    empty one. Here it is read, up to the limit, and gets a length. A length that is no number is 400.
    """

    def before(self, request: HttpRequest) -> HttpResponse | None:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        declared = request.META.get("CONTENT_LENGTH") or ""
        if declared:
            if not (declared.isascii() and declared.isdigit()) or len(declared) > MAX_LENGTH_CHARS:
                return plain_problem(400, message="Content-Length is not a number.").response()
            return self._too_large(limit) if limit is not None and int(declared) > limit else None
        if "chunked" not in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
            return None
        body = _source(request).read(-1 if limit is None else limit + 1)
        if limit is not None and len(body) > limit:
            return self._too_large(limit)
        request._stream = io.BytesIO(body)
        request.META["CONTENT_LENGTH"] = str(len(body))
        return None

    def _too_large(self, limit: int) -> HttpResponse:
        return plain_problem(413, message=f"At most {limit} bytes are read in one request.").response()


def _source(request: HttpRequest) -> Any:
    """WSGI's own input, which Django hides behind a reader of zero bytes; under ASGI Django's file."""
    return request.META.get("wsgi.input") or request._stream
