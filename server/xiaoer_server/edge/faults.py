"""Every error of the ASGI application as the same problem details that the hot path answers."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.exceptions import HTTPException, ValidationException
from litestar.response import Response

from ..errors import (
    BadRequest,
    Forbidden,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    ServerError,
    Unauthorized,
    Unavailable,
)
from . import problem

_BY_STATUS: dict[int, type[ServerError]] = {
    kind.status: kind
    for kind in (
        BadRequest,
        Unauthorized,
        Forbidden,
        NotFound,
        MethodNotAllowed,
        PayloadTooLarge,
        RateLimited,
        Unavailable,
    )
}


def _refused(request: Request[Any, Any, Any], error: ServerError) -> Response[bytes]:
    status, body, content_type, headers = problem.answer(error, request.scope["path"].encode("utf-8", "replace"))
    named = {name.decode(): value.decode() for name, value in headers}
    return Response(body, status_code=status, media_type=content_type.decode(), headers=named)


def _litestar(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    if error.status_code >= 500:
        return _unexpected(request, error)
    kind = _BY_STATUS.get(error.status_code, BadRequest)
    response = _refused(request, _refusal(kind, error))
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


def _refusal(kind: type[ServerError], error: HTTPException) -> ServerError:
    if kind is BadRequest:
        return BadRequest(_what(error), code="invalid_request")
    if kind is NotFound:
        return NotFound("There is nothing at this address.")
    if kind is MethodNotAllowed:
        return MethodNotAllowed("This address does not take this method.")
    return kind(error.detail or problem.phrase(kind.status))


def _what(error: HTTPException) -> str:
    """What is wrong with the request, in words of the validation where there are any."""
    found = error.extra if isinstance(error, ValidationException) else None
    if isinstance(found, list):
        said = [f"{item.get('key', 'body')}: {item['message']}" for item in found if isinstance(item, dict)]
        if said:
            return "; ".join(said)[:500]
    return (error.detail or "The request is not valid.")[:500]


def _unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    return _refused(request, problem.unexpected(error))


exception_handlers: Any = {ServerError: _refused, HTTPException: _litestar, Exception: _unexpected}
