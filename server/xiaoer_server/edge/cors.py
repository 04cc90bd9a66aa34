"""Which sites may talk to a tenant from a browser: the Origin check, and CORS for /api.

A site is `https://shop.example`, `https://*.shop.example` (any subdomain), either without its scheme, or `*`. The
pages that this server shows itself are always allowed. No cookie is ever used, so an answer may be read by whoever
holds the token.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeGuard

from ..errors import Forbidden
from . import problem
from .exchange import Exchange, Headers

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPResponseStartEvent, HTTPScope, Message, Receive, Scope, Send

    from ..store.tenants import Tenant

PREFLIGHT: Headers = (
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (b"access-control-allow-headers", b"authorization, content-type, last-event-id"),
    (b"access-control-max-age", b"600"),
)


def site_allowed(sites: Iterable[str], origin: str, host: str) -> bool:
    """Whether a page of `origin` may embed the widget; `host` is the Host header of the request."""
    origin = origin.lower()
    scheme, _, netloc = origin.partition("://")
    if netloc and scheme in ("http", "https") and netloc == host.lower():
        return True
    return any(_matches(site.lower().rstrip("/"), origin, netloc) for site in sites)


def _matches(site: str, origin: str, netloc: str) -> bool:
    if site in ("*", origin):
        return True
    if not netloc:
        return False
    scheme, separator, pattern = site.rpartition("://")
    if separator and not origin.startswith(scheme + separator):
        return False
    return netloc.endswith(pattern[1:]) if pattern.startswith("*.") else netloc == pattern


def check_site(tenant: Tenant, exchange: Exchange) -> None:
    """Refuse a browser on a page that the tenant does not allow; without an Origin header it is no browser.

    Raises:
        Forbidden: `forbidden_origin`.
    """
    origin = exchange.header(b"origin")
    if origin is None:
        return
    host = exchange.header(b"host") or b""
    if not site_allowed(tenant.allowed_sites, origin.decode("latin-1"), host.decode("latin-1")):
        raise Forbidden("This site may not use this tenant's chat.", code="forbidden_origin")


def read_headers(tenants: Mapping[str, Tenant], origin: bytes | None, host: bytes | None) -> Headers:
    """The headers that let a page of `origin` read an answer, if any tenant allows the site."""
    if origin is None:
        return ()
    text, own = origin.decode("latin-1"), (host or b"").decode("latin-1")
    sites = (site for tenant in tenants.values() for site in tenant.allowed_sites)
    if not site_allowed(sites, text, own):
        return ((b"vary", b"origin"),)
    return (
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", b"retry-after"),
        (b"vary", b"origin"),
    )


class Cors:
    """ASGI middleware: answers preflights to /api and adds the headers to its answers."""

    def __init__(self, app: ASGIApp, tenants: Mapping[str, Tenant]) -> None:
        self._app = app
        self._tenants = tenants

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if not _is_api(scope):
            await self._app(scope, receive, send)
            return
        found: dict[bytes, bytes] = dict(scope["headers"])
        added = read_headers(self._tenants, found.get(b"origin"), found.get(b"host"))
        if scope["method"] == "OPTIONS" and b"access-control-request-method" in found:
            await _answer_preflight(added, scope, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(scope, receive, send_with_headers if added else send)


def _is_api(scope: Scope) -> TypeGuard[HTTPScope]:
    return scope["type"] == "http" and scope["path"].startswith("/api/")  # type: ignore[comparison-overlap]


async def _answer_preflight(added: Headers, scope: Any, send: Send) -> None:
    start: HTTPResponseStartEvent
    if any(name == b"access-control-allow-origin" for name, _ in added):
        start = {"type": "http.response.start", "status": 204, "headers": [*added, *PREFLIGHT]}
        body = b""
    else:
        refusal = Forbidden("This site may not use the API.", code="forbidden_origin")
        status, body, content_type, _ = problem.answer(refusal, scope["path"].encode())
        headers = [*added, (b"content-type", content_type), (b"content-length", b"%d" % len(body))]
        start = {"type": "http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body, "more_body": False})
