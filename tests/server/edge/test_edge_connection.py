"""A connection: order, framing, keep-alive, streams."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Callable

import pytest
from edge_server import Edge, Start
from edge_wire import bearer, request

from xiaoer_server.edge.exchange import Exchange, HotStream

HEALTHY = b'{"status":"ok"}'


def message(token: str, client_id: str, *headers: str) -> bytes:
    body = f'{{"client_id":"{client_id}","text":"hello"}}'.encode()
    return request("POST", "/api/chat/messages", bearer(token), *headers, body=body)


class Streamer:
    """A route that streams; the test writes."""

    def __init__(self) -> None:
        self.stream: HotStream | None = None
        self.writable = 0
        self.lost = 0
        self.opened = asyncio.Event()

    def __call__(self, exchange: Exchange) -> None:
        self.stream = exchange.stream(b"text/event-stream", self._on_writable, self._on_disconnect)
        self.opened.set()

    def _on_writable(self) -> None:
        self.writable += 1

    def _on_disconnect(self) -> None:
        self.lost += 1


async def until(condition: Callable[[], object], limit: float = 5.0) -> None:
    async with asyncio.timeout(limit):
        while not condition():
            await asyncio.sleep(0.005)


async def silent(wire: object, seconds: float = 0.1) -> None:
    """Nothing comes."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wire.reader.readexactly(1), seconds)  # type: ignore[attr-defined]


async def test_connection_is_kept_and_answers_carry_the_date(edge: Edge) -> None:
    async with edge.connect() as wire:
        for _ in range(3):
            reply = await wire.get("/healthz")
            assert reply.status == 200
            assert reply.body == HEALTHY
            assert "date" in reply.headers
            assert "connection" not in reply.headers


async def test_hot_and_other_answers_leave_in_the_order_of_the_requests(edge: Edge) -> None:
    targets = ["/healthz", "/metrics", "/healthz", "/nothing", "/healthz", "/readyz", "/metrics", "/healthz"]
    async with edge.connect() as wire:
        await wire.send(b"".join(request("GET", target) for target in targets))
        replies = [await wire.reply() for _ in targets]
    assert [reply.status for reply in replies] == [200, 200, 200, 404, 200, 200, 200, 200]
    assert [reply.body == HEALTHY for reply in replies] == [target == "/healthz" for target in targets]
    assert b"xiaoer_requests_total" in replies[1].body


async def test_late_answer_is_not_overtaken(edge: Edge) -> None:
    token = (await edge.session())["token"]
    edge.recorder.hold = True
    async with edge.connect() as wire:
        await wire.send(message(token, "a") + message(token, "b") + request("GET", "/healthz"))
        # Both messages are in the log before the first one is answered: they share a commit.
        await until(lambda: len(edge.recorder.held) == 2)
        await silent(wire)
        edge.recorder.release(1)
        await silent(wire)
        edge.recorder.release(0)
        assert [(await wire.reply()).json for _ in range(2)] == [{"seq": 1}, {"seq": 2}]
        assert (await wire.reply()).body == HEALTHY


async def test_hot_request_behind_another_waits_until_that_is_answered(edge: Edge) -> None:
    token = (await edge.session())["token"]
    async with edge.connect() as wire:
        await wire.send(request("GET", "/api/chat/messages", bearer(token)) + message(token, "a"))
        assert (await wire.reply()).json == {"messages": [], "more": False}
        assert (await wire.reply()).json == {"seq": 1}


async def test_many_pipelined_requests(edge: Edge) -> None:
    async with edge.connect() as wire:
        await wire.send(request("GET", "/healthz") * 1_000)
        for _ in range(1_000):
            assert (await wire.reply()).body == HEALTHY


async def test_pipelining_without_end_is_cut_off_in_order(edge: Edge) -> None:
    token = (await edge.session())["token"]
    edge.recorder.hold = True
    async with edge.connect() as wire:
        await wire.send(message(token, "a") + request("GET", "/healthz") * 3_000)
        await until(lambda: edge.recorder.held)
        await asyncio.sleep(0.05)
        edge.recorder.release()
        assert (await wire.reply()).json == {"seq": 1}
        answered = 0
        while True:
            reply = await wire.reply()
            answered += 1
            if reply.headers.get("connection") == "close":
                break
        assert 32 <= answered <= 512
        assert await wire.closed()


async def test_head_has_the_headers_and_no_body(edge: Edge) -> None:
    async with edge.connect() as wire:
        await wire.send(request("HEAD", "/healthz") + request("GET", "/healthz"))
        head = await wire.reply(head_only=True)
        assert head.status == 200
        assert head.headers["content-length"] == str(len(HEALTHY))
        assert (await wire.reply()).body == HEALTHY


async def test_connection_close_is_obeyed_and_said(edge: Edge) -> None:
    async with edge.connect() as wire:
        reply = await wire.get("/healthz", "Connection: close")
        assert reply.headers["connection"] == "close"
        assert await wire.closed()


async def test_http_1_0(edge: Edge) -> None:
    async with edge.connect() as wire:
        await wire.send(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert (await wire.reply()).body == HEALTHY
        assert await wire.closed()


@pytest.mark.parametrize("target", ["/api/chat/messages", "/api/visitor/sessions"])
async def test_expect_continue(edge: Edge, target: str) -> None:
    token = (await edge.session())["token"]
    body = b'{"client_id":"a","text":"hello"}' if target.endswith("messages") else b"{}"
    async with edge.connect() as wire:
        whole = request("POST", target, bearer(token), "Expect: 100-continue", body=body)
        await wire.send(whole[: -len(body)])
        assert (await wire.reply()).status == 100
        await wire.send(body)
        assert (await wire.reply()).status == 200


async def test_continue_waits_for_earlier_answers(edge: Edge) -> None:
    token = (await edge.session())["token"]
    edge.recorder.hold = True
    async with edge.connect() as wire:
        second = message(token, "b", "Expect: 100-continue")
        head, _, body = second.partition(b"\r\n\r\n")
        await wire.send(message(token, "a") + head + b"\r\n\r\n")
        await until(lambda: edge.recorder.held)
        await silent(wire)
        edge.recorder.release()
        assert (await wire.reply()).json == {"seq": 1}
        assert (await wire.reply()).status == 100
        edge.recorder.hold = False
        await wire.send(body)
        assert (await wire.reply()).json == {"seq": 2}


async def test_request_in_single_bytes(edge: Edge) -> None:
    token = (await edge.session())["token"]
    async with edge.connect() as wire:
        for byte in message(token, "a"):
            wire.writer.write(bytes((byte,)))
            await asyncio.sleep(0)
        assert (await wire.reply()).json == {"seq": 1}


async def test_chunked_body(edge: Edge) -> None:
    token = (await edge.session())["token"]
    body = b'{"client_id":"a","text":"hello"}'
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:5], body[5:6], body[6:]))
    async with edge.connect() as wire:
        head = request("POST", "/api/chat/messages", bearer(token), "Transfer-Encoding: chunked")
        await wire.send(head + chunks + b"0\r\nX-Trailer: ignored\r\n\r\n" + request("GET", "/healthz"))
        assert (await wire.reply()).json == {"seq": 1}
        assert (await wire.reply()).body == HEALTHY


async def test_client_that_closes_its_half_gets_its_answers(edge: Edge) -> None:
    token = (await edge.session())["token"]
    edge.recorder.hold = True
    async with edge.connect() as wire:
        await wire.send(message(token, "a") + message(token, "b"))
        wire.writer.write_eof()
        await until(lambda: len(edge.recorder.held) == 2)
        await asyncio.sleep(0.02)
        edge.recorder.release()
        edge.recorder.release()
        assert (await wire.reply()).json == {"seq": 1}
        assert (await wire.reply()).json == {"seq": 2}
        assert await wire.closed()


@pytest.mark.parametrize("reset", [True, False])
async def test_client_that_is_gone_when_the_answer_is_ready(edge: Edge, reset: bool) -> None:
    token = (await edge.session())["token"]
    edge.recorder.hold = True
    async with edge.connect() as wire:
        await wire.send(message(token, "a"))
        await until(lambda: edge.recorder.held)
        if reset:
            linger = struct.pack("ii", 1, 0)
            wire.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    await asyncio.sleep(0.02)
    edge.recorder.release()
    await until(lambda: not edge.server.server_state.connections)
    async with edge.connect() as wire:
        assert (await wire.get("/healthz")).status == 200


async def test_defect_of_a_handler_is_a_500_without_its_cause(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    def broken(exchange: Exchange) -> None:
        raise KeyError("secret")

    edge = await start(routes={(b"GET", b"/broken"): broken})
    async with edge.connect() as wire:
        reply = await wire.get("/broken")
        problem = reply.problem()
        assert reply.status == 500
        assert problem["code"] == "internal"
        assert "secret" not in reply.body.decode()
        incident = problem["detail"].split("incident ")[1].rstrip(").")
        assert incident in caplog.text
        assert (await wire.get("/healthz")).status == 200


async def test_access_log(edge: Edge, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    async with edge.connect() as wire:
        await wire.get("/healthz?quiet")
    monkeypatch.setattr(logging.getLogger("uvicorn.access"), "propagate", True)
    with caplog.at_level(logging.INFO, "uvicorn.access"):
        async with edge.connect() as wire:
            await wire.get("/healthz?token=secret")
            await wire.get("/nothing?other")
    records = [record for record in caplog.records if record.name == "uvicorn.access"]
    lines = dict.fromkeys(record.getMessage().partition(" - ")[2] for record in records)
    assert list(lines) == ['"GET /healthz HTTP/1.1" 200', '"GET /nothing?other HTTP/1.1" 404']


# -- streams --------------------------------------------------------------------------------------------------


async def test_stream_then_the_next_request(start: Start) -> None:
    streamer = Streamer()
    edge = await start(routes={(b"GET", b"/stream"): streamer})
    async with edge.connect() as wire:
        await wire.send(request("GET", "/stream") + request("GET", "/healthz"))
        head = await wire.reply(head_only=True)
        assert head.headers["transfer-encoding"] == "chunked"
        assert head.headers["content-type"] == "text/event-stream"
        assert streamer.stream is not None
        assert streamer.stream.writable
        streamer.stream.write(b"one")
        assert await wire.chunk() == b"one"
        streamer.stream.write(b"two")
        assert await wire.chunk() == b"two"
        streamer.stream.end()
        assert await wire.chunk() is None
        assert not streamer.stream.writable
        assert (await wire.reply()).body == HEALTHY
    assert streamer.lost == 0


async def test_stream_over_http_1_0_ends_with_the_connection(start: Start) -> None:
    streamer = Streamer()
    edge = await start(routes={(b"GET", b"/stream"): streamer})
    async with edge.connect() as wire:
        await wire.send(b"GET /stream HTTP/1.0\r\n\r\n")
        await asyncio.wait_for(streamer.opened.wait(), 5)
        assert streamer.stream is not None
        streamer.stream.write(b"one")
        streamer.stream.end()
        reply = await wire.reply()
        assert reply.body == b"one"
        assert "transfer-encoding" not in reply.headers


async def test_stream_learns_that_its_reader_is_gone_once(start: Start) -> None:
    streamer = Streamer()
    edge = await start(routes={(b"GET", b"/stream"): streamer})
    async with edge.connect() as wire:
        await wire.send(request("GET", "/stream"))
        await wire.reply(head_only=True)
    await until(lambda: streamer.lost)
    assert streamer.stream is not None
    streamer.stream.write(b"into the void")
    streamer.stream.end()
    assert streamer.lost == 1


async def test_stream_follows_how_fast_its_reader_reads(start: Start) -> None:
    streamer = Streamer()
    edge = await start(routes={(b"GET", b"/stream"): streamer})
    async with edge.connect() as wire:
        await wire.send(request("GET", "/stream"))
        await wire.reply(head_only=True)
        stream = streamer.stream
        assert stream is not None
        written = 0
        while stream.writable:
            stream.write(b"x" * 65_536)
            written += 1
            await asyncio.sleep(0)
            assert written < 2_000
        assert streamer.writable == 0
        for _ in range(written):
            assert await wire.chunk() == b"x" * 65_536
        await until(lambda: streamer.writable)
        assert stream.writable


async def test_stream_behind_an_unanswered_request_waits_for_it(start: Start) -> None:
    streamer = Streamer()
    edge = await start(routes={(b"GET", b"/stream"): streamer})
    token = (await edge.session())["token"]
    edge.recorder.hold = True
    async with edge.connect() as wire:
        await wire.send(message(token, "a") + request("GET", "/stream"))
        await asyncio.wait_for(streamer.opened.wait(), 5)
        await until(lambda: edge.recorder.held)
        stream = streamer.stream
        assert stream is not None
        assert not stream.writable
        stream.write(b"early")
        await silent(wire)
        edge.recorder.release()
        assert (await wire.reply()).json == {"seq": 1}
        assert (await wire.reply(head_only=True)).headers["transfer-encoding"] == "chunked"
        assert await wire.chunk() == b"early"
        await until(lambda: streamer.writable == 1)


async def test_head_of_a_stream(start: Start) -> None:
    streamer = Streamer()
    edge = await start(routes={(b"GET", b"/stream"): streamer})
    async with edge.connect() as wire:
        await wire.send(request("HEAD", "/stream"))
        assert (await wire.reply(head_only=True)).status == 200
        await until(lambda: streamer.lost)
        assert (await wire.get("/healthz")).body == HEALTHY


# -- upgrades -------------------------------------------------------------------------------------------------


async def test_frame_that_comes_with_the_handshake_is_not_lost(edge: Edge) -> None:
    edge.context.echo_route = True
    handshake = request(
        "GET",
        "/echo",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    frame = b"\x81\x82\x00\x00\x00\x00hi"
    async with edge.connect() as wire:
        await wire.send(handshake + frame)
        assert (await wire.reply(head_only=True)).status == 101
        assert await asyncio.wait_for(wire.reader.readexactly(4), 5) == b"\x81\x02hi"


async def test_unknown_upgrade_is_not_followed(edge: Edge) -> None:
    async with edge.connect() as wire:
        reply = await wire.get("/healthz", "Connection: Upgrade", "Upgrade: h2c")
        assert reply.body == HEALTHY
        assert await wire.closed()


async def test_what_one_read_brings_is_worked_off_in_portions(edge: Edge) -> None:
    """So that a connection that sends as fast as it can does not keep the loop from the others."""
    async with edge.connect() as wire:
        await wire.get("/healthz")
        (protocol,) = edge.server.server_state.connections
        # As the transport calls it with a full buffer, here with nothing in between.
        answered = edge.server.server_state.total_requests
        protocol.data_received(request("GET", "/healthz") * 3_000)  # type: ignore[union-attr]
        assert 0 < edge.server.server_state.total_requests - answered < 1_000
        assert not protocol.transport.is_reading()
        await wire.send(request("GET", "/readyz"))
        for _ in range(3_000):
            assert (await wire.reply()).body == HEALTHY
        assert (await wire.reply()).body == b'{"status":"ready"}'
        assert protocol.transport.is_reading()


async def test_a_socket_gets_what_came_behind_its_handshake(edge: Edge) -> None:
    """Also where that is more than is worked off at once."""
    token = (await edge.session())["token"]
    async with edge.connect() as wire:
        await wire.get("/healthz")
        (protocol,) = edge.server.server_state.connections
        handshake = request(
            "GET",
            f"/api/chat/ws?token={token}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            "Sec-WebSocket-Version: 13",
        )
        # The conversation is in memory then, and the handshake answered at once.
        await wire.post("/api/chat/messages", b'{"client_id":"a","text":"x"}', bearer(token))
        protocol.data_received(handshake + b"\x89\x80\x00\x00\x00\x00" * 10_000)  # type: ignore[union-attr]
        assert b" 101 " in await asyncio.wait_for(wire.reader.readuntil(b"\r\n\r\n"), 5)
        assert await asyncio.wait_for(wire.reader.readexactly(20_000), 5) == b"\x8a\x00" * 10_000
        await wire.send(b"\x89\x80\x00\x00\x00\x00")
        assert await asyncio.wait_for(wire.reader.readexactly(2), 5) == b"\x8a\x00"
