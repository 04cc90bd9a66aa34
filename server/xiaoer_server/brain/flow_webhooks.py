"""Calls to the shop: POST of JSON, signed, with a deadline, a breaker, and no way into the inner network.

The signature is that of Standard Webhooks (https://www.standardwebhooks.com, the specification's `v1`): the headers
`webhook-id`, `webhook-timestamp` (seconds) and `webhook-signature: v1,<base64 of HMAC-SHA256(secret,
"<id>.<timestamp>.<body>")>`. `webhook-id` is the same for the same step of the same dialogue with the same content,
and is there as `idempotency-key` too: who answers does a repeated call only once.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import urlsplit

from ..llm.address import ForbiddenAddress, check_literal
from ..llm.breaker import Breaker, BreakerPolicy
from .flow_model import Value, Webhook
from .flow_schema import Mismatch, validate

if TYPE_CHECKING:
    from .webhook_http import Answered, Connections

log = logging.getLogger(__name__)

FailureKind = Literal["forbidden", "unavailable", "timeout", "busy", "status", "invalid", "unsigned"]

#: A breaker for each tenant and origin; the least recently used ones go first.
BREAKERS = 1_000
POLICY = BreakerPolicy(
    window_size=20, minimum_calls=5, failure_rate=0.5, slow_seconds=10.0, open_seconds=15.0, probes=2
)

#: Answers that say "not now": the call is made once more, under the same id.
_AGAIN = {502, 503, 504}
RETRY_AFTER = 0.1

#: A longer text in an answer is cut before it is kept in the dialogue.
LONGEST_VALUE = 500

#: Answers older than this are refused by `verify`, in seconds.
TOLERANCE = 300


class WebhookFailed(Exception):
    """There is no answer to go on with; `kind` says why."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind: FailureKind = kind


class Calls(Protocol):
    """What a dialogue needs of webhooks."""

    async def call(self, tenant: str, hook: Webhook, payload: Mapping[str, Value], *, key: str) -> dict[str, Any]:
        """The answer, which is as `hook.answer` says. Raises WebhookFailed."""


def sign(secret: bytes, key: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`."""
    digest = hmac.new(secret, f"{key}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def verify(secret: bytes, headers: Mapping[str, str], body: bytes, *, now: float) -> bool:
    """Whether a call was signed with `secret` not more than five minutes ago; `headers` have lower-case names."""
    try:
        timestamp = int(headers.get("webhook-timestamp", ""))
    except ValueError:
        return False
    if abs(now - timestamp) > TOLERANCE:
        return False
    expected = sign(secret, headers.get("webhook-id", ""), timestamp, body).encode()
    given = headers.get("webhook-signature", "").encode("utf-8", "replace").split(b" ")
    return any(hmac.compare_digest(expected, signature) for signature in given)


def secret_bytes(secret: str) -> bytes:
    """A secret as it is used: `whsec_` and base64, as Standard Webhooks writes it, or any text."""
    if secret.startswith("whsec_"):
        try:
            return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            pass
    return secret.encode()


class Webhooks:
    """The webhooks of all tenants.

    Args:
        secrets: Each tenant's; without one nothing is called.
        seconds: The deadline of a call that has none of its own; the second try is within it.
        max_bytes: Of an answer.
        allow_private: Addresses of the inner network may be called.
        own: This server's address, for the paths of its own demo shop; None while it does not listen.
    """

    def __init__(
        self,
        secrets: Mapping[str, bytes],
        *,
        seconds: float = 5.0,
        max_bytes: int = 65_536,
        allow_private: bool = False,
        own: Callable[[], str | None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._secrets = secrets
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._allow_private = allow_private
        self._own = own
        self._clock = clock
        self._breakers: OrderedDict[tuple[str, str], Breaker] = OrderedDict()
        self._connections: Connections | None = None

    async def call(self, tenant: str, hook: Webhook, payload: Mapping[str, Value], *, key: str) -> dict[str, Any]:
        """See `Calls`."""
        secret = self._secrets.get(tenant)
        if not secret:
            raise WebhookFailed("unsigned", f"tenant {tenant} has no webhook secret")
        private, url = self._allow_private, hook.url
        if url.startswith("/"):
            own = self._own()
            if own is None:
                raise WebhookFailed("unavailable", "the server's own address is not known")
            private, url = True, own + url
        parts = urlsplit(url)
        breaker = self._breaker(tenant, f"{parts.scheme}://{parts.netloc}")
        if not breaker.try_acquire():
            raise WebhookFailed("busy", f"the breaker of {breaker.name} is open")
        era, began = breaker.era, time.monotonic()
        body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
        try:
            check_literal(parts.hostname or "", allow_private=private)
            async with asyncio.timeout(hook.seconds or self._seconds):
                answer = await self._twice(url, secret, key, body, private=private)
            value = _read(answer, hook)
        except ForbiddenAddress as error:
            breaker.release(era)
            raise _failed("forbidden", f"{tenant}: {error}") from None
        except TimeoutError:
            breaker.failure(time.monotonic() - began, era)
            raise _failed("timeout", f"{tenant}: {parts.netloc} did not answer in time") from None
        except WebhookFailed as error:
            breaker.failure(time.monotonic() - began, era)
            raise _failed(error.kind, f"{tenant}: {parts.netloc}: {error}") from None
        except BaseException:
            breaker.release(era)
            raise
        breaker.success(time.monotonic() - began, era)
        return value

    async def close(self) -> None:
        """Close all connections."""
        if self._connections is not None:
            await self._connections.close()

    def _breaker(self, tenant: str, origin: str) -> Breaker:
        breaker = self._breakers.get((tenant, origin))
        if breaker is None:
            breaker = self._breakers[tenant, origin] = Breaker(f"webhook {origin}", POLICY)
            if len(self._breakers) > BREAKERS:
                self._breakers.popitem(last=False)
        self._breakers.move_to_end((tenant, origin))
        return breaker

    async def _twice(self, url: str, secret: bytes, key: str, body: bytes, *, private: bool) -> bytes:
        try:
            return await self._once(url, secret, key, body, private=private)
        except WebhookFailed as error:
            if error.kind != "unavailable":
                raise
        await asyncio.sleep(RETRY_AFTER)
        return await self._once(url, secret, key, body, private=private)

    async def _once(self, url: str, secret: bytes, key: str, body: bytes, *, private: bool) -> bytes:
        now = int(self._clock())
        headers = {
            "content-type": "application/json",
            "accept": "application/json",
            "accept-encoding": "identity",
            "user-agent": "xiaoer-webhook",
            "webhook-id": key,
            "webhook-timestamp": str(now),
            "webhook-signature": sign(secret, key, now, body),
            "idempotency-key": key,
        }
        answer = await self._post(url, headers, body, private=private)
        if answer.status in _AGAIN:
            raise WebhookFailed("unavailable", f"answered {answer.status}")
        if not 200 <= answer.status < 300:
            raise WebhookFailed("status", f"answered {answer.status}")
        if answer.encoding != "identity":
            raise WebhookFailed("invalid", "the answer is compressed")
        if len(answer.body) > self._max_bytes:
            raise WebhookFailed("invalid", f"the answer has more than {self._max_bytes} bytes")
        return answer.body

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes, *, private: bool) -> Answered:
        # In a thread, and not before: aiohttp takes longer to import than the loop may stand still.
        await asyncio.to_thread(import_module, f"{__package__}.webhook_http")
        from .webhook_http import Connections, Malformed, Unreachable

        if self._connections is None:
            self._connections = Connections()
        try:
            return await self._connections.post(url, headers, body, private=private, most=self._max_bytes)
        except Unreachable as error:
            raise WebhookFailed("unavailable", str(error)) from None
        except Malformed as error:
            raise WebhookFailed("invalid", str(error)) from None


def saved(answer: Mapping[str, Any], save: Mapping[str, str]) -> dict[str, Value]:
    """What a dialogue keeps of an answer: plain values, long texts cut, None for what is not there."""
    found: dict[str, Value] = {}
    for name, path in save.items():
        value: Any = answer
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, str):
            value = value[:LONGEST_VALUE]
        found[name] = value if isinstance(value, str | int | float | bool) else None
    return found


def _read(body: bytes, hook: Webhook) -> dict[str, Any]:
    try:
        value = json.loads(body, parse_constant=_no_constant)
        validate(value, hook.answer)
    except Mismatch as error:
        raise WebhookFailed("invalid", str(error)) from None
    except (ValueError, RecursionError):
        raise WebhookFailed("invalid", "the answer is no JSON") from None
    if not isinstance(value, dict):
        raise WebhookFailed("invalid", "the answer is no object")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _failed(kind: FailureKind, message: str) -> WebhookFailed:
    log.warning("a webhook failed (%s): %s", kind, message)
    return WebhookFailed(kind, message)
