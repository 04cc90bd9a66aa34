"""Who may administer a tenant: the holder of a key that was made by `xiaoer keys create --admin`.

The key says whose administration it opens, so no route takes a tenant from its caller. It is looked up at each request
in the same ring as the keys of /v1: one that is revoked or expired opens nothing from then on.
"""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.openapi.spec import SecurityScheme

from ..errors import Forbidden, Unauthorized
from ..llm.keyring import Keyring

#: Where the application's state has the keys: `Litestar(state=State({STATE: keyring}))`.
STATE = "keyring"

#: For the schema: `Components(security_schemes={..., "admin": SCHEME})`, and `security=SECURITY` of an operation.
SCHEME = SecurityScheme(type="http", scheme="bearer", description="A key made by `xiaoer keys create --admin`.")
SECURITY: list[dict[str, list[str]]] = [{"admin": []}]


def admin_tenant(request: Request[Any, Any, Any] | ASGIConnection[Any, Any, Any, Any]) -> str:
    """The tenant that the request may administer.

    Raises:
        Unauthorized: there is no key, or it is not valid (any more). Codes: unauthorized, invalid_api_key.
        Forbidden: the key is valid and has no admin right. Code: admin_required.
    """
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret:
        raise Unauthorized("Authorization: Bearer with an admin key is needed here.")
    keyring: Keyring = request.app.state[STATE]
    # ASGI hands header bytes over as Latin-1; back to the bytes that were sent.
    caller = keyring.find(secret.encode("latin-1", "replace"))
    if caller is None:
        raise Unauthorized("This key is not valid.", code="invalid_api_key")
    if not caller.key.admin:
        raise Forbidden("This key has no admin right.", code="admin_required")
    return caller.tenant


def admin_only(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """A guard: lets in whom `admin_tenant` knows, before the body is read.

    Raises:
        Unauthorized: as `admin_tenant`.
        Forbidden: as `admin_tenant`.
    """
    admin_tenant(connection)
