"""Who may open an outlet: a WebSocket or an event stream of a conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..chat.entries import Identity
from ..chat.session import Delivery
from ..errors import Forbidden, NotFound, Unauthorized, Unavailable
from .cors import site_allowed

if TYPE_CHECKING:
    from ..chat.conversation import Conversation
    from .context import EdgeContext


def admit(context: EdgeContext, token: str, origin: str | None, host: str) -> Identity:
    """Whom the token speaks for, if it is used from a page that may use it.

    Args:
        token: As it came; empty for none.
        origin: The request's Origin header; None for what is no browser.
        host: The request's Host header.

    Raises:
        Unavailable: draining.
        Unauthorized: no token, a foreign or an expired one.
        NotFound: unknown_tenant.
        Forbidden: forbidden_origin.
    """
    if context.draining:
        raise Unavailable("The server is restarting.", code="draining", retry_after=2)
    if not token:
        raise Unauthorized("A visitor token is needed.")
    identity = context.signer.verify(token)
    tenant = context.tenants.get(identity.tenant)
    if tenant is None:
        raise NotFound("This tenant does not exist.", code="unknown_tenant")
    if origin is not None and not site_allowed(tenant.allowed_sites, origin, host):
        raise Forbidden("This site may not use this tenant's chat.", code="forbidden_origin")
    return identity


async def open_conversation(context: EdgeContext, identity: Identity) -> Conversation:
    """Load the conversation that a token names.

    Raises:
        NotFound: unknown_conversation; also where it is another visitor's.
        Unavailable: the store cannot read.
    """
    conversation = await context.log.open(identity.tenant, identity.conversation)
    check_owner(conversation, identity)
    return conversation


def check_owner(conversation: Conversation, identity: Identity) -> None:
    """Refuse a token that names a conversation of another visitor.

    Raises:
        NotFound: unknown_conversation.
    """
    if conversation.visitor != identity.visitor:
        raise NotFound("This conversation does not exist.", code="unknown_conversation")


def delivery_of(context: EdgeContext) -> Delivery:
    """What the sessions of a context share."""
    limits = context.settings.limits
    return Delivery(
        log=context.log,
        accept=context.pipeline.accept,
        mark_read=context.mark_read,
        in_flight=limits.socket_in_flight,
        slow_reader_seconds=limits.slow_reader_seconds,
    )
