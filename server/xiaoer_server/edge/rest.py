"""The application beside the hot path: visitors' sessions, history, metrics, the schema, the pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from litestar import HttpMethod, Litestar, MediaType, Request, get, post, route
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.params import QueryParameter
from litestar.response import Response
from litestar.types import ASGIApp, ControllerRouterHandler

from ..errors import BadRequest, NotFound
from ..ops import metrics
from . import openapi, wire
from .admission import open_conversation
from .bridge import Bridge
from .cors import Cors, check_site
from .exchange import Exchange
from .faults import exception_handlers
from .gateway_rest import gateway_handlers
from .hot import hot_routes, identify
from .opinion import feedback_handlers
from .pages import pages
from .problem import UpgradeRequired

if TYPE_CHECKING:
    from ..chat.entries import Entry, Identity
    from ..store.tenants import Tenant
    from .auth import Renewal
    from .context import EdgeContext

PROFILE_BYTES = 4_096
MESSAGES = "/api/chat/messages"
PAGE, LONGEST_PAGE = 50, 200

#: Code points that the texts of a page have together at most, or one message has: what who asks without reading the
#: answers can make the server keep.
PAGE_CHARS = 65_536


class SessionRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Who wants to chat. All may be left out.

    `tenant` is the shop, the first configured one by default. `visitor` is the site's own name for the visitor, or
    the id of an earlier answer; it gives access to nothing without that visitor's token. `profile` is a flat object
    of at most 4 KiB that agents get to see.
    """

    tenant: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    visitor: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] | None = None
    profile: dict[str, str | int | float | bool | None] | None = None


_decode_session = msgspec.json.Decoder(SessionRequest).decode


class SessionAnswer(msgspec.Struct):
    """A visitor's session: the token speaks for this visitor in this conversation until it expires."""

    token: str
    visitor: str
    conversation: str


class Page(msgspec.Struct):
    """A part of a conversation, oldest first. `more` says that older entries exist."""

    messages: list[msgspec.Raw]
    more: bool


def build_app(
    context: EdgeContext,
    *,
    handlers: Sequence[ControllerRouterHandler] = (),
    schemes: Mapping[str, SecurityScheme] | None = None,
    **options: Any,
) -> ASGIApp:
    """The ASGI application.

    Args:
        handlers: Further Litestar handlers, controllers or routers; their errors get the same shapes.
        schemes: How requests to them are authorised, by the name that the schema gives it.
        options: Further options of `Litestar`, such as `lifespan`.
    """
    app = Litestar(
        [
            *_sessions(context),
            *_chat(context),
            *feedback_handlers(context),
            *gateway_handlers(context),
            *_probes(context),
            *pages(),
            *handlers,
        ],
        exception_handlers=exception_handlers,
        openapi_config=_openapi_config(schemes or {}),
        logging_config=None,
        **options,
    )
    return Cors(app, context.tenants)


def _openapi_config(schemes: Mapping[str, SecurityScheme]) -> OpenAPIConfig:
    scheme = SecurityScheme(type="http", scheme="bearer", bearer_format="JWT", description="A visitor's token.")
    return OpenAPIConfig(
        title="Xiaoer",
        version=version("xiaoer"),
        description="Self-hosted AI customer service. Errors are problem details (RFC 9457) with a stable `code`.",
        components=Components(security_schemes={"visitor": scheme, **schemes}),
        path="/openapi.json",
        render_plugins=[JsonRenderPlugin(path="/", media_type=MediaType.JSON)],
        use_handler_docstrings=True,
    )


def _exchange(request: Request[Any, Any, Any]) -> Exchange:
    """The request as an exchange, for what is shared with the hot path; it cannot be answered through it."""
    scope = request.scope
    return Exchange(b"", b"", b"", list(scope["headers"]), b"")


# -- sessions -------------------------------------------------------------------------------------------------


def _sessions(context: EdgeContext) -> list[ControllerRouterHandler]:
    @post(
        "/api/visitor/sessions",
        status_code=200,
        operation_id="openSession",
        summary="Open a session",
        tags=["visitor"],
        security=[{}, {"visitor": []}],
        operation_class=openapi.OpenSession,
        responses=openapi.problems(400, 403, 404, 413, 429, 503),
    )
    async def open_session(request: Request[Any, Any, Any]) -> SessionAnswer:
        """Begin a conversation, or continue one.

        With the token of an earlier session, valid or expired for less than 30 days, that visitor's conversation is
        continued with a fresh token; without, a new visitor is made.
        """
        data = _read_session(await request.body())
        client = request.scope.get("client")
        tenant = _tenant(context, data.tenant)
        check_site(tenant, _exchange(request))
        context.limits.check_session(client[0] if client else "")
        _check_profile(data)
        known = _known(context, tenant.id, data, request)
        if known is not None and await context.visitors.conversation_of(tenant.id, known.identity.visitor) is not None:
            visitor, conversation = known.identity.visitor, known.identity.conversation
            external = known.external
        else:
            external = context.signer.fingerprint(data.visitor) if data.visitor is not None else None
            visitor, conversation = await context.visitors.create(
                tenant.id, external_id=data.visitor, profile=data.profile
            )
        token = context.signer.issue(tenant.id, visitor, conversation, external=external)
        return SessionAnswer(token, visitor, conversation)

    return [open_session]


def _read_session(body: bytes) -> SessionRequest:
    """Read the body. Not Litestar's: deep nesting is the sender's fault, and no body at all is none."""
    try:
        return _decode_session(body or b"{}")
    except msgspec.ValidationError as error:
        raise BadRequest(f"{error}.", code="invalid_request") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest("The body is not valid JSON.", code="invalid_json") from None


def _tenant(context: EdgeContext, slug: str | None) -> Tenant:
    tenant = context.tenants.get(slug) if slug is not None else next(iter(context.tenants.values()), None)
    if tenant is None:
        raise NotFound("This tenant does not exist.", code="unknown_tenant")
    return tenant


def _check_profile(data: SessionRequest) -> None:
    if data.profile is not None and len(msgspec.json.encode(data.profile)) > PROFILE_BYTES:
        raise BadRequest(f"The profile has more than {PROFILE_BYTES} bytes.", code="profile_too_large")
    for text in (data.visitor or "", *(data.profile or ()), *(data.profile or {}).values()):
        if isinstance(text, str) and "\0" in text:
            raise BadRequest("A text contains a NUL character.", code="invalid_text")


def _known(context: EdgeContext, tenant: str, data: SessionRequest, request: Request[Any, Any, Any]) -> Renewal | None:
    header = request.headers.get("authorization", "")
    if header[:7].lower() != "bearer ":
        return None
    return context.signer.renewable(header[7:].strip(), tenant, data.visitor)


# -- chat -----------------------------------------------------------------------------------------------------


def _chat(context: EdgeContext) -> list[ControllerRouterHandler]:
    routes = hot_routes(context)
    body_bytes = context.settings.limits.body_bytes
    post_bridge = Bridge(routes[b"POST", b"/api/chat/messages"], body_bytes)
    events_bridge = Bridge(routes[b"GET", b"/api/chat/events"], body_bytes)

    @route(MESSAGES, http_method=[HttpMethod.OPTIONS], status_code=204, include_in_schema=False)
    async def message_methods() -> Response[None]:
        # Litestar's own would name only the method that was registered first.
        return Response(None, headers={"allow": "GET, OPTIONS, POST"})

    @get(
        MESSAGES,
        operation_id="listMessages",
        summary="Read the conversation",
        tags=["chat"],
        security=[{"visitor": []}],
        operation_class=openapi.ReadMessages,
        responses=openapi.problems(400, 401, 403, 404, 503),
        cache_control=openapi.NO_STORE,
    )
    async def list_messages(
        request: Request[Any, Any, Any],
        before: Annotated[
            int | None, QueryParameter(ge=1, le=2**53 - 1, description="Only entries before this seq.")
        ] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=LONGEST_PAGE, description="At most so many.")] = PAGE,
    ) -> Page:
        """The newest entries of the token's conversation, or those before `before`.

        Long texts make a page shorter than `limit`; `more` tells whether something precedes it.
        It ends before an answer that is still being written: that comes as a stream, from its beginning, to who
        resumes after the last entry.
        """
        identity = identify(context, _exchange(request))
        await open_conversation(context, identity)
        return await _page(context, identity, before, limit)

    @post(
        MESSAGES,
        status_code=200,
        operation_id="postMessage",
        summary="Send a message",
        tags=["chat"],
        security=[{"visitor": []}],
        operation_class=openapi.post_message(context.settings.limits.text_chars),
        responses=openapi.problems(400, 401, 403, 404, 413, 429, 503),
    )
    async def post_message() -> ASGIApp:
        """Put a visitor's message into the log.

        Answered once it is on the disk. A `client_id` that was seen before makes it a resend: the seq is that of the
        first one, and nothing is stored.
        """
        return post_bridge

    @get(
        "/api/chat/events",
        operation_id="streamEvents",
        summary="Follow the conversation",
        tags=["chat"],
        security=[{"visitor": []}],
        operation_class=openapi.StreamEvents,
        responses=openapi.problems(400, 401, 403, 404, 429, 503),
    )
    async def stream_events() -> ASGIApp:
        """Server-sent events: the frames of the WebSocket, named by their type.

        An event's id, sent back as Last-Event-ID, continues behind it, also in the middle of an answer.
        """
        return events_bridge

    @get("/api/chat/ws", include_in_schema=False)
    async def no_socket() -> None:
        # What opens a WebSocket never comes here: it is answered on its connection.
        raise UpgradeRequired("This is a WebSocket's address; a proxy in front has to pass Upgrade and Connection on.")

    return [message_methods, list_messages, post_message, stream_events, no_socket]


async def _page(context: EdgeContext, identity: Identity, before: int | None, limit: int) -> Page:
    read = context.log.page
    entries = await read(identity.tenant, identity.conversation, before=before, limit=limit)
    growing = next((entry for entry in entries if entry.status == "streaming"), None)
    if growing is not None:
        entries = await read(identity.tenant, identity.conversation, before=growing.seq, limit=limit)
    entries = _fitting(entries)
    messages = [msgspec.Raw(wire.history(entry)) for entry in entries]
    return Page(messages, more=bool(entries) and entries[0].seq > 1)


def _fitting(entries: list[Entry]) -> list[Entry]:
    """The newest entries that a page has room for, at least one."""
    left = PAGE_CHARS
    for at in reversed(range(len(entries))):
        left -= len(entries[at].text)
        if left < 0:
            return entries[min(at + 1, len(entries) - 1) :]
    return entries


# -- probes ---------------------------------------------------------------------------------------------------


def _probes(context: EdgeContext) -> list[ControllerRouterHandler]:
    routes = hot_routes(context)
    health_bridge = Bridge(routes[b"GET", b"/healthz"], 0)
    ready_bridge = Bridge(routes[b"GET", b"/readyz"], 0)

    @get("/healthz", operation_id="health", tags=["operation"], operation_class=openapi.Probe)
    async def health() -> ASGIApp:
        """The process is up."""
        return health_bridge

    @get(
        "/readyz",
        operation_id="readiness",
        tags=["operation"],
        operation_class=openapi.Probe,
        responses=openapi.problems(503),
    )
    async def readiness() -> ASGIApp:
        """Visitors can be served."""
        return ready_bridge

    @get("/metrics", operation_id="metrics", tags=["operation"], operation_class=openapi.Metrics)
    async def show_metrics() -> Response[bytes]:
        """Counters in Prometheus' text format."""
        return Response(metrics.render(), media_type=metrics.CONTENT_TYPE)

    return [health, readiness, show_metrics]
