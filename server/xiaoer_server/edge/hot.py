"""The routes that are answered inside the protocol, and over ASGI by the same functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ServerError, Unavailable
from ..ops import metrics
from . import wire
from .admission import admit, check_owner, open_conversation
from .auth import bearer
from .events import events
from .exchange import Exchange, HotHandler, Routes
from .gateway import gateway_routes

if TYPE_CHECKING:
    from ..chat.conversation import Conversation
    from ..chat.entries import Identity
    from .context import EdgeContext


def hot_routes(context: EdgeContext) -> Routes:
    """All hot routes of a server."""
    routes: Routes = {
        (b"GET", b"/healthz"): health,
        (b"GET", b"/readyz"): readiness(context),
        (b"POST", b"/api/chat/messages"): messages(context),
        (b"GET", b"/api/chat/events"): events(context),
    }
    return routes | gateway_routes(context, context.gateway) if context.gateway is not None else routes


def health(exchange: Exchange) -> None:
    """GET /healthz: the process is up and its loop turns."""
    exchange.respond(200, b'{"status":"ok"}')


def readiness(context: EdgeContext) -> HotHandler:
    """GET /readyz: whether visitors can be served; 503 while starting, draining, or when the store cannot write."""

    def handle(exchange: Exchange) -> None:
        if context.draining:
            raise Unavailable("The server is shutting down.", code="draining", retry_after=5)
        context.ready()
        exchange.respond(200, b'{"status":"ready"}')

    return handle


def messages(context: EdgeContext) -> HotHandler:
    """POST /api/chat/messages: a visitor's message; answered with its seq once it is durable.

    Refuses with Unauthorized, Forbidden, RateLimited, BadRequest, PayloadTooLarge (text_too_long), NotFound or
    Unavailable (draining, store_unavailable).
    """
    text_chars = context.settings.limits.text_chars

    def handle(exchange: Exchange) -> None:
        identity = identify(context, exchange)
        context.limits.check_message(identity.visitor, exchange.address)
        try:
            frame = wire.decode_post(exchange.body, text_chars)
        except wire.Refused as refused:
            raise refused.error from None
        conversation = context.log.cached(identity.tenant, identity.conversation)
        if conversation is None:
            exchange.spawn(accept_later(exchange, identity, frame))
            return
        check_owner(conversation, identity)
        accept(exchange, conversation, frame)

    def accept(exchange: Exchange, conversation: Conversation, frame: wire.PostFrame) -> None:
        def done(seq: int, error: ServerError | None, _stored: str | None) -> None:
            if error is not None:
                exchange.fail(error)
                return
            metrics.ACKS.inc()
            exchange.respond(200, b'{"seq":%d}' % seq)

        context.pipeline.accept(conversation, frame.client_id, frame.text, done)

    async def accept_later(exchange: Exchange, identity: Identity, frame: wire.PostFrame) -> None:
        accept(exchange, await open_conversation(context, identity), frame)

    return handle


def identify(context: EdgeContext, exchange: Exchange) -> Identity:
    """Whom the request's bearer token speaks for.

    Raises:
        Unauthorized, NotFound, Forbidden, Unavailable: as `admission.admit`.
    """
    origin = exchange.header(b"origin")
    return admit(
        context,
        bearer(exchange.header(b"authorization")),
        None if origin is None else origin.decode("latin-1"),
        (exchange.header(b"host") or b"").decode("latin-1"),
    )
