"""What can go wrong, seen from outside.

Every refusal that reaches a visitor, an agent or an API client is a `ServerError`: a stable machine-readable
`code`, the HTTP status it maps to, a sentence for people, and, where waiting helps, `retry_after` in seconds.
The WebSocket sends it as an `error` frame, HTTP as `application/problem+json`, `/v1` in OpenAI's shape.

    ServerError
    ├── BadRequest            400  malformed input
    ├── Unauthorized          401  no token, a foreign one, an expired one
    ├── Forbidden             403  a site that the tenant does not allow
    ├── NotFound              404  unknown path, tenant or conversation
    ├── MethodNotAllowed      405
    ├── PayloadTooLarge       413  body or message over its limit
    ├── HeadersTooLarge       431
    ├── RateLimited           429  with retry_after
    ├── InternalError         500  our fault; the cause is in the log, never in the answer
    ├── UpstreamFailed        502  no model gave a whole answer
    ├── Unavailable           503  busy, draining, no model may be asked, the store cannot write; with retry_after
    └── UpstreamTimeout       504  the model took too long
"""

from __future__ import annotations

from typing import ClassVar


class ServerError(Exception):
    """Base of all refusals.

    Args:
        message: One sentence for people, in English, that contains nothing secret.
        code: Stable identifier; a class's own default where left out.
        retry_after: Seconds after which trying again can succeed.
        param: The field of the request that it is about.
    """

    status: ClassVar[int] = 500
    default_code: ClassVar[str] = "internal"

    def __init__(
        self, message: str, *, code: str | None = None, retry_after: float | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.retry_after = retry_after
        self.param = param


class BadRequest(ServerError):
    """The input is malformed. Codes: invalid_json, invalid_frame, unknown_type, invalid_text, binary_frame."""

    status = 400
    default_code = "bad_request"


class Unauthorized(ServerError):
    """Codes: unauthorized (missing, damaged or foreign token), token_expired, invalid_api_key."""

    status = 401
    default_code = "unauthorized"


class Forbidden(ServerError):
    """Codes: forbidden_origin, model_not_allowed."""

    status = 403
    default_code = "forbidden"


class NotFound(ServerError):
    """Codes: not_found, unknown_tenant, unknown_conversation, model_not_found."""

    status = 404
    default_code = "not_found"


class MethodNotAllowed(ServerError):
    """The path exists and does not take this method."""

    status = 405
    default_code = "method_not_allowed"


class PayloadTooLarge(ServerError):
    """Codes: payload_too_large (a body), text_too_long (a message of more than the allowed code points)."""

    status = 413
    default_code = "payload_too_large"


class HeadersTooLarge(ServerError):
    """Too many header bytes or fields."""

    status = 431
    default_code = "headers_too_large"


class RateLimited(ServerError):
    """A visitor or an address asks too fast; `retry_after` is always set."""

    status = 429
    default_code = "rate_limited"


class InternalError(ServerError):
    """A defect of ours. The message never carries the cause."""

    status = 500
    default_code = "internal"


class UpstreamFailed(ServerError):
    """Codes: upstream_unavailable, upstream_truncated (a part of the answer was seen, and the rest did not come)."""

    status = 502
    default_code = "upstream_unavailable"


class UpstreamTimeout(ServerError):
    """The model did not begin, or did not go on, within its time."""

    status = 504
    default_code = "upstream_timeout"


class Unavailable(ServerError):
    """Codes: busy (all lanes full), draining (shutting down), store_unavailable (a commit failed), upstream_open
    (the breaker of every provider is open)."""

    status = 503
    default_code = "busy"
