"""The demo shop's own endpoint, which its flows call: it checks the signature and does a repeated call only once."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from litestar import Request, Response, post
from litestar.types import ControllerRouterHandler

from ..brain.flow_webhooks import verify
from ..demo import orders
from ..errors import BadRequest, Forbidden

#: Answers that are kept for calls that come again, and bytes of a call.
KEPT, LARGEST = 1_000, 16_384


def demo_api(secrets: Mapping[str, bytes], clock: Callable[[], float] = time.time) -> list[ControllerRouterHandler]:
    """The handlers; `secrets` has an entry for each tenant that is a demo shop."""
    done: OrderedDict[tuple[str, str, str], dict[str, Any]] = OrderedDict()

    async def answered(request: Request[Any, Any, Any], do: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
        body = await request.body()
        if len(body) > LARGEST:
            raise BadRequest("The call is too large.")
        try:
            payload = json.loads(body)
            tenant = payload["tenant"]
            secret = secrets[tenant]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise Forbidden("The call is not signed by a demo shop.") from None
        headers = {name.lower(): value for name, value in request.headers.items()}
        if not verify(secret, headers, body, now=clock()):
            raise Forbidden("The call is not signed by a demo shop.")
        key = (tenant, request.url.path, headers.get("webhook-id", ""))
        if key not in done:
            done[key] = do(payload)
            if len(done) > KEPT:
                done.popitem(last=False)
        return Response(done[key], status_code=200)

    @post("/demo/api/orders/status", include_in_schema=False)
    async def status(request: Request[Any, Any, Any]) -> Any:
        return await answered(request, orders.status)

    @post("/demo/api/returns", include_in_schema=False)
    async def returns(request: Request[Any, Any, Any]) -> Any:
        return await answered(request, orders.send_back)

    @post("/demo/api/invoices", include_in_schema=False)
    async def invoices(request: Request[Any, Any, Any]) -> Any:
        return await answered(request, orders.invoice)

    @post("/demo/api/complaints", include_in_schema=False)
    async def complaints(request: Request[Any, Any, Any]) -> Any:
        return await answered(request, lambda payload: orders.complaint(payload, len(done) + 1))

    return [status, returns, invoices, complaints]
