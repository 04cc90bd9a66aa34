"""What a request may cost: headers, body, time. Refused early, readably, and without a word to the application."""

from __future__ import annotations

import asyncio

import pytest
from edge_server import Edge, Start
from edge_wire import Reply, Wire, bearer, request

HEADER_BYTES, BODY_BYTES = 2_048, 4_096

TARGETS = ["/healthz", "/api/visitor/sessions"]


@pytest.fixture
async def small(start: Start) -> Edge:
    """A server with small limits, and a second for a request."""
    return await start(header_bytes=HEADER_BYTES, body_bytes=BODY_BYTES, request_seconds=0.4)


async def refused(wire: Wire, status: int, code: str) -> Reply:
    reply = await wire.reply()
    assert reply.status == status, reply
    assert reply.problem()["code"] == code
    assert reply.headers["connection"] == "close"
    assert await wire.closed()
    return reply


@pytest.mark.parametrize("target", TARGETS)
async def test_headers_over_the_limit(small: Edge, target: str) -> None:
    async with small.connect() as wire:
        await wire.send(request("GET", target, "X-Long: " + "a" * HEADER_BYTES))
        await refused(wire, 431, "headers_too_large")


async def test_header_flood_without_an_end(small: Edge) -> None:
    """A line that never ends reaches no callback of the parser; it is counted raw."""
    async with small.connect() as wire:
        await wire.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Flood: ")
        for _ in range(8):
            await wire.send(b"a" * 512)
            await asyncio.sleep(0)
        await refused(wire, 431, "headers_too_large")


async def test_target_over_the_limit(small: Edge) -> None:
    async with small.connect() as wire:
        await wire.send(request("GET", "/healthz?" + "a" * HEADER_BYTES))
        await refused(wire, 431, "headers_too_large")


async def test_too_many_fields(small: Edge) -> None:
    async with small.connect() as wire:
        assert (await wire.get("/healthz", *(f"X-{number}: 1" for number in range(99)))).status == 200
        await wire.send(request("GET", "/healthz", *(f"X-{number}: 1" for number in range(100))))
        await refused(wire, 431, "headers_too_large")


async def test_headers_at_the_limit_pass(small: Edge) -> None:
    line = "X-Long: "
    plain = len(request("GET", "/healthz", line)) - len("GET  HTTP/1.1\r\n\r\n")
    async with small.connect() as wire:
        assert (await wire.get("/healthz", line + "a" * (HEADER_BYTES - plain))).status == 200


@pytest.mark.parametrize("target", ["/api/chat/messages", "/api/visitor/sessions"])
async def test_announced_body_over_the_limit_is_refused_unread(small: Edge, target: str) -> None:
    async with small.connect() as wire:
        await wire.send(request("POST", target, f"Content-Length: {BODY_BYTES + 1}", "Expect: 100-continue"))
        await refused(wire, 413, "payload_too_large")


@pytest.mark.parametrize("target", ["/api/chat/messages", "/api/visitor/sessions"])
async def test_body_over_the_limit_that_is_sent_anyway(small: Edge, target: str) -> None:
    """The refusal is read although the sender goes on: the connection is not reset under it."""
    async with small.connect() as wire:
        body = b"a" * 3_000_000
        sending = asyncio.ensure_future(wire.send(request("POST", target, body=body)))
        await refused(wire, 413, "payload_too_large")
        await asyncio.wait_for(asyncio.gather(sending, return_exceptions=True), 5)


@pytest.mark.parametrize("target", ["/api/chat/messages", "/api/visitor/sessions"])
async def test_chunked_body_over_the_limit(small: Edge, target: str) -> None:
    async with small.connect() as wire:
        await wire.send(request("POST", target, "Transfer-Encoding: chunked"))
        for _ in range(BODY_BYTES // 1_024 + 1):
            await wire.send(b"400\r\n" + b"a" * 1_024 + b"\r\n")
        await refused(wire, 413, "payload_too_large")


async def test_endless_trailer(small: Edge) -> None:
    async with small.connect() as wire:
        await wire.send(request("POST", "/api/visitor/sessions", "Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\nX: ")
        for _ in range(30):
            await wire.send(b"a" * 4_096)
            await asyncio.sleep(0)
        await refused(wire, 413, "payload_too_large")


async def test_body_at_the_limit_passes(small: Edge) -> None:
    async with small.connect() as wire:
        body = b"{}" + b" " * (BODY_BYTES - 2)
        assert (await wire.post("/api/visitor/sessions", body)).status == 200


@pytest.mark.parametrize(
    "begun",
    [
        b"GET /hea",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
        request("POST", "/api/chat/messages", "Content-Length: 1000") + b"{",
        request("POST", "/api/visitor/sessions", "Content-Length: 1000") + b"{",
        request("POST", "/api/visitor/sessions", "Transfer-Encoding: chunked") + b"3e8\r\n{",
    ],
)
async def test_slow_sender(small: Edge, begun: bytes) -> None:
    """Single bytes now and then do not buy more time."""
    async with small.connect() as wire:
        await wire.send(begun)

        async def drip() -> None:
            while True:
                await asyncio.sleep(0.05)
                await wire.send(b"a")

        dripping = asyncio.ensure_future(drip())
        try:
            await refused(wire, 408, "request_timeout")
        finally:
            dripping.cancel()


async def test_silent_connection_is_closed(small: Edge) -> None:
    async with small.connect() as wire:
        assert await wire.closed()


async def test_idle_connection_is_kept_beyond_the_time_for_a_request(small: Edge) -> None:
    async with small.connect() as wire:
        assert (await wire.get("/healthz")).status == 200
        await asyncio.sleep(0.8)
        assert (await wire.get("/healthz")).status == 200


async def test_reader_that_does_not_read_is_cut_off(start: Start) -> None:
    edge = await start(slow_reader_seconds=0.3, request_seconds=0.4)
    async with edge.connect() as wire:
        wire.writer.get_extra_info("socket")
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]

        async def flood() -> None:
            while True:
                await wire.send(request("GET", "/widget/view.js") * 50)

        with pytest.raises(OSError):  # noqa: PT011
            await asyncio.wait_for(flood(), 10)


@pytest.mark.parametrize(
    "sent",
    [
        b"garbage\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: a\nb\x00c\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost : a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        b"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"GET http:// HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_what_is_not_http(edge: Edge, sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with edge.connect() as wire:
        await wire.send(sent)
        await refused(wire, 400, "bad_request")
    assert "Traceback" not in caplog.text


async def test_garbage_behind_a_request_does_not_cost_its_answer(edge: Edge) -> None:
    token = (await edge.session())["token"]
    edge.recorder.hold = True
    async with edge.connect() as wire:
        body = b'{"client_id":"a","text":"hello"}'
        await wire.send(request("POST", "/api/chat/messages", bearer(token), body=body) + b"\x00\x01\x02")
        while not edge.recorder.held:
            await asyncio.sleep(0.005)
        edge.recorder.release()
        assert (await wire.reply()).json == {"seq": 1}
        await refused(wire, 400, "bad_request")


async def test_refusal_under_v1_has_the_shape_that_its_clients_read(small: Edge) -> None:
    async with small.connect() as wire:
        await wire.send(request("POST", "/v1/chat/completions", f"Content-Length: {BODY_BYTES + 1}"))
        reply = await wire.reply()
        assert reply.status == 413
        assert set(reply.json) == {"error"}
        assert reply.json["error"]["code"] == "payload_too_large"
        assert reply.json["error"]["type"] == "invalid_request_error"


async def test_others_are_not_affected(small: Edge) -> None:
    async with small.connect() as wire, small.connect() as bad:
        await bad.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
        for _ in range(20):
            await bad.send(b"a" * 200)
            assert (await wire.get("/healthz")).status == 200
