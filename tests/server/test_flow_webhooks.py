"""Webhooks against real servers on the loopback: signed, bounded, and never led astray."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from xiaoer_server.brain.flow_model import Webhook
from xiaoer_server.brain.flow_webhooks import WebhookFailed, Webhooks, saved, secret_bytes, sign, verify

SECRET = secret_bytes("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Shop:
    """A server whose answers the test gives; it keeps what came."""

    def __init__(self) -> None:
        self.answer: Handler | None = None
        self.calls: list[tuple[dict[str, str], bytes]] = []
        self.port = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.calls.append((headers, await request.read()))
        if self.answer is None:
            return web.json_response({"n": 1, "deep": {"text": "x" * 900}})
        return await self.answer(request)

    def hook(self, **fields: Any) -> Webhook:
        given = {"url": f"http://127.0.0.1:{self.port}/hook", "send": [], "answer": {"type": "object"}, "save": {}}
        return Webhook(**(given | {"line": 1} | fields))


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    shop = Shop()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", shop.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    shop.port = runner.addresses[0][1]
    yield shop
    await runner.cleanup()


@pytest.fixture
async def hooks() -> AsyncIterator[Webhooks]:
    hooks = Webhooks({"demo": SECRET}, allow_private=True, seconds=1.0, max_bytes=2_000)
    yield hooks
    await hooks.close()


async def failure(hooks: Webhooks, hook: Webhook, tenant: str = "demo") -> str:
    with pytest.raises(WebhookFailed) as caught:
        await hooks.call(tenant, hook, {"order": "1"}, key="k1")
    return caught.value.kind


async def test_a_call_is_signed_and_says_which_it_is(shop: Shop, hooks: Webhooks) -> None:
    answer = await hooks.call("demo", shop.hook(), {"order": "二"}, key="k1")
    assert answer["n"] == 1
    assert saved(answer, {"a": "n", "b": "deep.text", "c": "deep.none", "d": "deep"}) == {
        "a": 1,
        "b": "x" * 500,
        "c": None,
        "d": None,
    }
    ((headers, body),) = shop.calls
    assert json.loads(body) == {"order": "二"}
    assert headers["webhook-id"] == headers["idempotency-key"] == "k1"
    assert verify(SECRET, headers, body, now=time.time())
    assert not verify(SECRET, headers, body + b" ", now=time.time())
    assert not verify(b"other", headers, body, now=time.time())
    assert not verify(SECRET, headers, body, now=time.time() + 301)
    assert not verify(SECRET, headers | {"webhook-id": "k2"}, body, now=time.time())
    assert not verify(SECRET, {}, body, now=time.time())


def test_the_signature_is_that_of_standard_webhooks() -> None:
    # The example of the specification's reference libraries: the same secret, id, time and body in all of them.
    body = b'{"test": 2432232314}'
    signature = sign(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_a_redirect_is_not_followed(shop: Shop, hooks: Webhooks) -> None:
    async def away(request: web.Request) -> web.StreamResponse:
        raise web.HTTPTemporaryRedirect(f"http://127.0.0.1:{shop.port}/metrics")

    shop.answer = away
    assert await failure(hooks, shop.hook()) == "status"
    assert len(shop.calls) == 1


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "a.localhost"]
)
async def test_the_inner_network_is_not_called(shop: Shop, host: str) -> None:
    hooks = Webhooks({"demo": SECRET})
    try:
        assert await failure(hooks, shop.hook(url=f"http://{host}:{shop.port}/hook")) == "forbidden"
    finally:
        await hooks.close()
    assert shop.calls == []


async def test_a_name_that_leads_inside_is_not_called(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    hooks = Webhooks({"demo": SECRET})
    asked: list[str] = []

    async def lookup(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(2, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lookup)
    try:
        assert await failure(hooks, shop.hook(url=f"http://shop.example.com:{shop.port}/hook")) == "forbidden"
    finally:
        await hooks.close()
    assert asked == ["shop.example.com"]
    assert shop.calls == []


async def test_a_slow_answer_is_given_up(shop: Shop, hooks: Webhooks) -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b" ")
            await asyncio.sleep(0.05)
        return response

    shop.answer = slow
    began = time.monotonic()
    assert await failure(hooks, shop.hook(seconds=0.3)) == "timeout"
    assert 0.25 < time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("body", "content"),
    [
        (b"[" * 100_000, "huge"),
        (b"[1]", "no object"),
        (b"{", "no JSON"),
        (b'{"n": NaN}', "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 1_900, "deep"),
        (b'{"n": "text"}', "not as the schema says"),
        (b"", "nothing"),
    ],
)
async def test_an_answer_that_is_none(shop: Shop, hooks: Webhooks, body: bytes, content: str) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type="application/json")

    shop.answer = answer
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    assert await failure(hooks, shop.hook(answer=schema)) == "invalid", content


async def test_a_compressed_answer_is_refused(shop: Shop, hooks: Webhooks) -> None:
    async def bomb(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"x" * 1_000, headers={"content-encoding": "gzip"})

    shop.answer = bomb
    assert await failure(hooks, shop.hook()) == "invalid"


async def test_not_now_is_asked_once_more_under_the_same_id(shop: Shop, hooks: Webhooks) -> None:
    async def later(request: web.Request) -> web.StreamResponse:
        return web.json_response({"n": 2}) if len(shop.calls) > 1 else web.Response(status=503)

    shop.answer = later
    assert await hooks.call("demo", shop.hook(), {}, key="k7") == {"n": 2}
    assert [headers["webhook-id"] for headers, _ in shop.calls] == ["k7", "k7"]


async def test_the_breaker_spares_a_shop_that_is_down_and_only_that_one(shop: Shop, hooks: Webhooks) -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        return web.Response(status=500)

    shop.answer = broken
    kinds = [await failure(hooks, shop.hook()) for _ in range(8)]
    assert kinds == ["status"] * 5 + ["busy"] * 3
    assert len(shop.calls) == 5
    shop.answer = None
    assert (await hooks.call("demo", shop.hook(url=f"http://localhost:{shop.port}/"), {}, key="k"))["n"] == 1


async def test_without_a_secret_nothing_is_called(shop: Shop, hooks: Webhooks) -> None:
    assert await failure(hooks, shop.hook(), tenant="other") == "unsigned"
    assert shop.calls == []


async def test_a_path_is_this_servers_own(shop: Shop) -> None:
    nowhere = Webhooks({"demo": SECRET})
    assert await failure(nowhere, shop.hook(url="/demo/api/returns")) == "unavailable"
    here = Webhooks({"demo": SECRET}, own=lambda: f"http://127.0.0.1:{shop.port}")
    try:
        assert (await here.call("demo", shop.hook(url="/demo/api/returns"), {}, key="k"))["n"] == 1
    finally:
        await here.close()
