"""Refusals over HTTP: RFC 9457 problem details, and under /v1 the shape that OpenAI's clients read."""

from __future__ import annotations

import http
import logging
import math
import secrets
from collections.abc import Sequence
from typing import ClassVar

import msgspec

from ..errors import InternalError, ServerError

log = logging.getLogger(__name__)

Headers = Sequence[tuple[bytes, bytes]]

CONTENT_TYPE = b"application/problem+json"


class RequestTimeout(ServerError):
    """408: the request did not arrive whole in time."""

    status: ClassVar[int] = 408
    default_code: ClassVar[str] = "request_timeout"


class UpgradeRequired(ServerError):
    """426: the address is that of a WebSocket, and the request opens none."""

    status: ClassVar[int] = 426
    default_code: ClassVar[str] = "upgrade_required"


class Problem(msgspec.Struct, omit_defaults=True):
    """Problem details. `code` is the stable identifier; `retry_after` is in seconds."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    retry_after: float | None = None


class ModelProblem(msgspec.Struct):
    """The inner object of OpenAI's error shape."""

    message: str
    type: str
    param: str | None
    code: str


_MODEL_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_encode = msgspec.json.Encoder().encode


def answer(error: ServerError, path: bytes) -> tuple[int, bytes, bytes, Headers]:
    """How a refusal is answered: status, body, content type, further headers."""
    return error.status, *_body(error, path), headers(error)


def headers(error: ServerError) -> Headers:
    """The headers that go with a refusal: Retry-After in whole seconds, the scheme asked for by a 401."""
    made: list[tuple[bytes, bytes]] = []
    if error.retry_after is not None:
        made.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after))))
    if error.status == 401:
        made.append((b"www-authenticate", b"Bearer"))
    if error.status == 426:
        made.append((b"upgrade", b"websocket"))
    return made


def model_problem(error: ServerError) -> bytes:
    """A refusal as OpenAI's clients read it."""
    status = error.status
    kind = _MODEL_TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return _encode({"error": ModelProblem(error.message, kind, error.param, error.code)})


def _body(error: ServerError, path: bytes) -> tuple[bytes, bytes]:
    status = error.status
    if path == b"/v1" or path.startswith(b"/v1/"):
        return model_problem(error), b"application/json"
    retry_after = round(error.retry_after, 3) if error.retry_after is not None else None
    problem = Problem("about:blank", phrase(status), status, error.message, error.code, retry_after)
    return _encode(problem), CONTENT_TYPE


def unexpected(error: BaseException) -> InternalError:
    """Log a defect with an id and make the refusal that names nothing but the id."""
    incident = secrets.token_hex(4)
    log.error("incident %s", incident, exc_info=error)
    return InternalError(f"Something went wrong on our side (incident {incident}).")


def phrase(status: int) -> str:
    """The standard's words for a status."""
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Error"
