"""The routes under /v1, for any client of OpenAI's API."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from ..errors import BadRequest, Unavailable
from ..llm.gateway import Options
from ..llm.moderation import moderate
from .exchange import Exchange, Headers, HotHandler, Routes

if TYPE_CHECKING:
    from ..llm.gateway import Gateway
    from ..llm.quota import Caller
    from .context import EdgeContext

#: A caller's deadline is this long at most, in seconds.
LONGEST = 3_600.0


def gateway_routes(context: EdgeContext, gateway: Gateway) -> Routes:
    """The hot routes of the gateway."""
    return {
        (b"POST", b"/v1/chat/completions"): chat(context, gateway),
        (b"POST", b"/v1/embeddings"): embeddings(context, gateway),
        (b"POST", b"/v1/moderations"): moderations(context, gateway),
        (b"GET", b"/v1/models"): models(context, gateway),
    }


def chat(context: EdgeContext, gateway: Gateway) -> HotHandler:
    """POST /v1/chat/completions, streamed or not."""

    def handle(exchange: Exchange) -> None:
        caller, options = _admitted(context, gateway, exchange)
        gateway.chat(caller, exchange.body, options, exchange)

    return handle


def embeddings(context: EdgeContext, gateway: Gateway) -> HotHandler:
    """POST /v1/embeddings."""

    def handle(exchange: Exchange) -> None:
        caller, options = _admitted(context, gateway, exchange)
        gateway.embeddings(caller, exchange.body, options, exchange)

    return handle


def moderations(context: EdgeContext, gateway: Gateway) -> HotHandler:
    """POST /v1/moderations: the word filter's verdict."""

    def handle(exchange: Exchange) -> None:
        caller, _ = _admitted(context, gateway, exchange)
        exchange.respond(200, moderate(gateway.filter_of(caller), exchange.body))

    return handle


def models(context: EdgeContext, gateway: Gateway) -> HotHandler:
    """GET /v1/models."""

    def handle(exchange: Exchange) -> None:
        caller, _ = _admitted(context, gateway, exchange)
        exchange.respond(200, gateway.models(caller))

    return handle


def model(context: EdgeContext, gateway: Gateway) -> HotHandler:
    """GET /v1/models/{name}; a name may hold slashes."""

    def handle(exchange: Exchange) -> None:
        caller, _ = _admitted(context, gateway, exchange)
        name = unquote_to_bytes(exchange.path.removeprefix(b"/v1/models/")).decode("utf-8", "replace")
        exchange.respond(200, gateway.model(caller, name))

    return handle


def _admitted(context: EdgeContext, gateway: Gateway, exchange: Exchange) -> tuple[Caller, Options]:
    """Whose request it is, and what its headers say. Nothing else of them is looked at, or passed on.

    Raises:
        Unavailable: draining.
        Unauthorized: invalid_api_key.
        BadRequest: invalid_header.
    """
    if context.draining:
        raise Unavailable("The server is restarting; send again.", code="draining", retry_after=2.0)
    secret = b""
    seconds = 0.0
    cache = False
    trace = None
    for name, value in exchange.headers:
        if name == b"authorization":
            if value[:7].lower() == b"bearer ":
                secret = value[7:].strip()
        elif name == b"traceparent":
            trace = value
        elif name == b"x-xiaoer-timeout":
            seconds = _seconds(value)
        elif name == b"x-xiaoer-cache":
            cache = value.strip().lower() == b"exact"
    caller = gateway.caller(secret)
    return caller, Options(seconds, cache, trace) if seconds or cache or trace else _NO_OPTIONS


def _seconds(value: bytes) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= LONGEST:
        raise BadRequest("X-Xiaoer-Timeout is a number of seconds, more than 0.", code="invalid_header")
    return seconds


def may_be_large(gateway: Gateway) -> Callable[[Headers], int]:
    """For `EdgeContext.large_body`: how many bytes a request with these headers may have beyond the usual, or 0."""

    def allowed(headers: Headers) -> int:
        for name, value in headers:
            if name == b"authorization" and gateway.knows(value[7:].strip()):
                return gateway.settings.body_bytes
        return 0

    return allowed


_NO_OPTIONS = Options()
