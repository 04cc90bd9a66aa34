"""The WebSocket of the chat over real sockets: handshake, frames in, deliveries out, limits, closing."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import os
import time
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.typing import Origin, Subprotocol

from support.delivery import (
    CONVERSATION,
    TENANT,
    VISITOR,
    Edge,
    hear,
    hear_all,
    on_uvloop,
    say,
    serve_edge,
    silence,
)
from xiaoer_server.edge.auth import Signer
from xiaoer_server.edge.chat_socket import ChatSocket


async def closed(socket: Any) -> tuple[int, str]:
    """Read to the end; the close code and reason."""
    with pytest.raises(ConnectionClosed):
        async with asyncio.timeout(10):
            while True:
                await socket.recv()
    return socket.close_code, socket.close_reason


async def raw_socket(edge: Edge, *, buffer: int = 0) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection after its handshake, in bytes; `buffer` limits what is read ahead."""
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port, **({"limit": buffer} if buffer else {}))
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET /api/chat/ws?token={edge.token()} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    return reader, writer


def masked(**frame: Any) -> bytes:
    return Frame(Opcode.TEXT, json.dumps(frame).encode()).serialize(mask=True)


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


def protocol_of(edge: Edge) -> Any:
    """The server's side of the one open socket."""
    (session,) = edge.context.sessions
    return session._outlet._socket  # type: ignore[attr-defined]


# -- handshake ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "odd", [("", "Content-Length: 4"), ("", f"X-Long: {'x' * 9_000}"), (f"&x={'x' * 9_000}", "X: y")]
)
def test_handshake_that_is_no_websocket_request_is_refused(odd: tuple[str, str]) -> None:
    """With a body, or a line longer than websockets takes: answered and closed, not left open without a limit."""

    async def run() -> None:
        async with serve_edge() as edge:
            reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
            query, header = odd
            writer.write(
                f"GET /api/chat/ws?token={edge.token()}{query} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                f"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                f"Sec-WebSocket-Version: 13\r\n{header}\r\n\r\n".encode()
            )
            answer = await asyncio.wait_for(reader.read(), 5)
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert b"application/problem+json" in answer
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "bad_request"
            assert not edge.context.sessions
            writer.close()

    on_uvloop(run)()


@on_uvloop
async def test_token_in_the_query_or_among_the_subprotocols() -> None:
    async with serve_edge() as edge:
        url = f"ws://127.0.0.1:{edge.port}/api/chat/ws"
        for path, offers, selected in (
            (f"?token={edge.token()}", None, None),
            (f"?token={edge.token()}", ["xiaoer.v1"], "xiaoer.v1"),
            ("", ["xiaoer.v1", edge.token()], "xiaoer.v1"),
            ("", ["xiaoer.v1", f"token.{edge.token()}"], "xiaoer.v1"),
            ("", [edge.token(), "xiaoer.v1"], "xiaoer.v1"),
        ):
            protocols = [Subprotocol(offer) for offer in offers] if offers else None
            async with connect(url + path, subprotocols=protocols, proxy=None) as socket:
                assert socket.subprotocol == selected
                assert socket.protocol.extensions == []
                await silence(socket)
        headers = {"Authorization": f"Bearer {edge.token()}"}
        async with connect(url, additional_headers=headers, proxy=None) as socket:
            assert socket.subprotocol is None


async def refusal(edge: Edge, token: str, origin: str | None = None) -> tuple[int, dict[str, Any], Any]:
    with pytest.raises(InvalidStatus) as caught:
        await connect(edge.url(token=token), origin=Origin(origin) if origin else None, proxy=None)
    response = caught.value.response
    assert response.headers["Content-Type"] == "application/problem+json"
    body = json.loads(response.body or b"")
    assert body["status"] == response.status_code
    return response.status_code, body, response.headers


@on_uvloop
async def test_refused_at_the_handshake() -> None:
    async with serve_edge(sites=("https://shop.example",), address_sockets=2) as edge:
        good = edge.token()
        cases = [
            ("none", None, 401, "unauthorized"),
            (Signer(b"x" * 32, 60).issue(TENANT, VISITOR, CONVERSATION), None, 401, "unauthorized"),
            (Signer(b"k" * 32, -1).issue(TENANT, VISITOR, CONVERSATION), None, 401, "token_expired"),
            (edge.token(tenant="other"), None, 404, "unknown_tenant"),
            (edge.token(conversation="other"), None, 404, "unknown_conversation"),
            (edge.token(visitor="other"), None, 404, "unknown_conversation"),
            (good, "https://evil.example", 403, "forbidden_origin"),
            (good, "null", 403, "forbidden_origin"),
        ]
        for token, origin, status, code in cases:
            found, body, _ = await refusal(edge, token, origin)
            assert (found, body["code"]) == (status, code)
        # None of them is counted as open.
        async with edge.connect(), edge.connect():
            found, body, headers = await refusal(edge, good)
            assert (found, body["code"]) == (429, "too_many_sockets")
            assert int(headers["Retry-After"]) >= 1
        edge.context.draining = True
        found, body, headers = await refusal(edge, good)
        assert (found, body["code"]) == (503, "draining")
        assert int(headers["Retry-After"]) >= 1


@on_uvloop
async def test_a_missing_token_is_refused() -> None:
    async with serve_edge() as edge:
        with pytest.raises(InvalidStatus) as caught:
            await connect(f"ws://127.0.0.1:{edge.port}/api/chat/ws", proxy=None)
        assert caught.value.response.status_code == 401


@on_uvloop
async def test_allowed_origins() -> None:
    async with serve_edge(sites=("https://shop.example", "https://*.wide.example")) as edge:
        own = f"http://127.0.0.1:{edge.port}"
        for origin in ("https://shop.example", "https://a.wide.example", own, None):
            async with edge.connect(origin=Origin(origin) if origin else None) as socket:
                await silence(socket)
    async with serve_edge(sites=("*",)) as edge, edge.connect(origin=Origin("https://any.example")) as socket:
        await silence(socket)


@on_uvloop
async def test_a_conversation_that_has_to_be_loaded_first() -> None:
    async with serve_edge() as edge:
        edge.log.cold = True
        edge.conversation.add("agent", "hello")
        async with edge.connect() as socket:
            await say(socket, type="resume", after=0)
            assert (await hear(socket))["text"] == "hello"
        found, body, _ = await refusal(edge, edge.token(visitor="other"))
        assert (found, body["code"]) == (404, "unknown_conversation")
        await until(lambda: not edge.context.sessions)
        edge.context.limits.open_socket("127.0.0.1")


@on_uvloop
async def test_speaking_before_the_handshake_is_answered_is_refused() -> None:
    async with serve_edge() as edge:
        edge.log.cold = True
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(
            f"GET /api/chat/ws?token={edge.token()} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade"
            f"\r\nSec-WebSocket-Key: {base64.b64encode(b'k' * 16).decode()}"
            f"\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            + masked(type="ping")
        )
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        writer.close()
        await until(lambda: not edge.context.limits._sockets)
        assert not edge.context.sessions


@on_uvloop
async def test_shutdown_while_a_conversation_is_loaded() -> None:
    loaded = asyncio.Event()
    async with serve_edge() as edge:
        edge.log.cold = True

        async def open_slowly(tenant: str, conversation: str) -> Any:
            await loaded.wait()
            return edge.conversation

        edge.log.open = open_slowly  # type: ignore[method-assign]
        opening = asyncio.create_task(edge.connect().__aenter__())
        await until(lambda: edge.context.limits._sockets)
        asyncio.get_running_loop().call_later(0.05, loaded.set)
    with pytest.raises(InvalidStatus) as caught:
        await opening
    assert caught.value.response.status_code == 500
    assert not edge.context.limits._sockets
    assert not edge.context.sessions


@on_uvloop
async def test_other_paths_and_broken_handshakes() -> None:
    async with serve_edge() as edge:
        for path in ("/nowhere", "/echo", "/api/chat/ws/"):
            with pytest.raises(InvalidStatus) as caught:
                await connect(f"ws://127.0.0.1:{edge.port}{path}", proxy=None)
            assert caught.value.response.status_code == 403
        async with httpx.AsyncClient() as client:
            answer = await client.get(
                f"http://127.0.0.1:{edge.port}/api/chat/ws?token={edge.token()}",
                headers={"connection": "upgrade", "upgrade": "websocket"},
            )
            assert answer.status_code == 400
        assert not edge.context.sessions


# -- frames in ------------------------------------------------------------------------------------------------


@on_uvloop
async def test_message_is_acked_and_told_to_others() -> None:
    async with serve_edge() as edge, edge.connect() as socket, edge.connect() as other:
        await silence(other)
        await say(socket, type="message", client_id="a", text="在吗 😀")
        assert await hear(socket) == {"type": "ack", "client_id": "a", "seq": 1}
        told = await hear(other)
        assert told.pop("at").endswith("Z")
        assert told == {"type": "message", "seq": 1, "role": "visitor", "text": "在吗 😀", "client_id": "a"}
        await say(socket, type="message", client_id="a", text="在吗 😀")
        assert await hear(socket) == {"type": "ack", "client_id": "a", "seq": 1}
        await say(socket, type="message", client_id="b", text="bad")
        assert {(await hear(socket))["type"] for _ in range(2)} == {"ack", "message"}
        await silence(socket)


@on_uvloop
async def test_no_ack_before_the_commit() -> None:
    async with serve_edge() as edge, edge.connect() as socket:
        edge.log.hold = True
        await say(socket, type="message", client_id="a", text="x")
        await silence(socket)
        edge.log.release()
        assert (await hear(socket))["type"] == "ack"


@on_uvloop
async def test_bad_frames_are_answered_and_leave_the_socket_open() -> None:
    async with serve_edge() as edge, edge.connect() as socket:
        cases: list[tuple[str | bytes, str, str | None]] = [
            ("{", "invalid_json", None),
            ("[]", "invalid_frame", None),
            ('{"type":"dance"}', "unknown_type", None),
            ('{"type":"message","client_id":"a"}', "invalid_frame", "a"),
            ('{"type":"message","client_id":"a","text":"\\ud800"}', "invalid_text", "a"),
            ('{"type":"message","client_id":"a","text":"a\\u0000"}', "invalid_text", "a"),
            ('{"type":"message","client_id":"a","text":" "}', "invalid_text", "a"),
            (json.dumps({"type": "message", "client_id": "a", "text": "x" * 4_001}), "text_too_long", "a"),
            (b"\x00\x01", "binary_frame", None),
        ]
        for payload, code, client_id in cases:
            await socket.send(payload)
            answer = await hear(socket)
            assert (answer["type"], answer["code"], answer.get("client_id")) == ("error", code, client_id)
            assert answer["message"]
        await silence(socket)
        assert edge.conversation.entries == []


@on_uvloop
async def test_too_many_bad_frames_close_the_socket_and_no_other() -> None:
    async with serve_edge() as edge, edge.connect() as socket, edge.connect() as other:
        for _ in range(21):
            await socket.send("{")
        assert await closed(socket) == (1008, "too many frames")
        await silence(other)


@on_uvloop
async def test_too_many_small_frames_close_the_socket_and_no_other() -> None:
    """Frames that cost little to send: a minute of ordinary talk in a second, or the whole log again and again."""
    async with serve_edge() as edge, edge.connect() as other:
        edge.conversation.add("assistant", "hello")
        assert (await hear(other))["type"] == "message"
        assert (await hear(other))["type"] == "done"
        for frame, allowed in (({"type": "ping"}, 200), ({"type": "resume", "after": 0}, 20), ({"type": "read"}, 20)):
            async with edge.connect() as socket:
                for _ in range(allowed):
                    await say(socket, **frame)
                    await hear(socket)
                    if frame["type"] == "resume":
                        await hear(socket)
                await say(socket, **frame)
                assert await closed(socket) == (1008, "too many frames")
        await silence(other)


@on_uvloop
async def test_refused_messages_are_not_answered_for_ever() -> None:
    async with serve_edge(visitor_burst=1, visitor_rate=0.01) as edge, edge.connect() as socket:
        for number in range(202):
            await say(socket, type="message", client_id=f"id-{number}", text="hello")
        assert await closed(socket) == (1008, "too many frames")
        assert len(edge.conversation.entries) == 1


@on_uvloop
async def test_what_one_read_brings_is_worked_off_in_portions() -> None:
    """So that a socket that sends as fast as it can does not keep the loop from the others."""
    async with serve_edge(body_bytes=65_536) as edge:
        reader, writer = await raw_socket(edge)
        await until(lambda: edge.context.sessions)
        protocol = protocol_of(edge)
        ping = Frame(Opcode.PING, b"").serialize(mask=True)
        # As the transport calls it with a full buffer, here with nothing in between.
        protocol.data_received(ping * 40_000 + masked(type="ping"))
        assert not protocol.transport.is_reading()
        writer.write(masked(type="message", client_id="a", text="x" * 4_000))
        pongs = 40_000 * b"\x8a\x00"
        assert await asyncio.wait_for(reader.readexactly(2_000), 5) == pongs[:2_000]
        assert protocol._rest
        assert await asyncio.wait_for(reader.readexactly(78_000), 10) == pongs[2_000:]
        assert (await asyncio.wait_for(reader.readexactly(17), 5))[2:] == b'{"type":"pong"}'
        assert b'{"type":"ack","client_id":"a","seq":1}' in await asyncio.wait_for(reader.read(1_000), 5)
        assert protocol.transport.is_reading()
        writer.close()


@on_uvloop
async def test_empty_pieces_of_a_message_are_not_kept() -> None:
    async with serve_edge() as edge:
        reader, writer = await raw_socket(edge)
        await until(lambda: edge.context.sessions)
        protocol = protocol_of(edge)
        text = b'{"type":"ping"}'
        writer.write(Frame(Opcode.TEXT, text[:5], fin=False).serialize(mask=True))
        empty = Frame(Opcode.CONT, b"", fin=False).serialize(mask=True)
        for _ in range(20):
            writer.write(empty * 100 + Frame(Opcode.PING, b"").serialize(mask=True))
            assert await asyncio.wait_for(reader.readexactly(2), 5) == b"\x8a\x00"
            assert len(protocol.frames) < 100
        writer.write(Frame(Opcode.CONT, text[5:]).serialize(mask=True))
        assert (await asyncio.wait_for(reader.readexactly(17), 5))[2:] == b'{"type":"pong"}'
        writer.close()


@on_uvloop
async def test_protocol_violations_close_by_the_rules() -> None:
    async with serve_edge() as edge:
        for frame, code in (
            (Frame(Opcode.TEXT, b"x" * 70_000), 1009),
            (Frame(Opcode.TEXT, b'"\xff"'), 1007),
            (Frame(Opcode.TEXT, b"x", rsv1=True), 1002),
            (Frame(Opcode.CONT, b"x"), 1002),
        ):
            reader, writer = await raw_socket(edge)
            frame.check = lambda: None  # type: ignore[method-assign]
            writer.write(frame.serialize(mask=True))
            answer = await asyncio.wait_for(reader.read(), 5)
            assert answer[0] == 0x88
            assert int.from_bytes(answer[2:4], "big") == code
            writer.close()
        await until(lambda: not edge.context.sessions)


@on_uvloop
async def test_fragmented_messages_are_put_together() -> None:
    async with serve_edge() as edge, edge.connect() as socket:
        await socket.send(['{"type":"message",', '"client_id":"a",', '"text":"', "你好", '"}'])
        assert await hear(socket) == {"type": "ack", "client_id": "a", "seq": 1}
        assert edge.conversation.entries[0].text == "你好"


@on_uvloop
async def test_fifty_messages_at_once() -> None:
    async with serve_edge() as edge:
        reader, writer = await raw_socket(edge)
        writer.write(b"".join(masked(type="message", client_id=str(n), text=f"message {n}") for n in range(50)))
        writer.write(masked(type="ping"))
        await until(lambda: len(edge.conversation.entries) == 50)
        data = b""
        while data.count(b'"ack"') < 50:
            data += await asyncio.wait_for(reader.read(65_536), 5)
        assert [entry.client_id for entry in edge.conversation.entries] == [str(n) for n in range(50)]
        writer.close()


@on_uvloop
async def test_messages_under_way_are_bounded() -> None:
    async with serve_edge(socket_in_flight=4) as edge:
        edge.log.hold = True
        reader, writer = await raw_socket(edge)
        writer.write(b"".join(masked(type="message", client_id=str(n), text="x") for n in range(30)))
        await asyncio.sleep(0.1)
        assert len(edge.log._held) == 4
        edge.log.release()
        data = b""
        while data.count(b'"ack"') < 30:
            data += await asyncio.wait_for(reader.read(65_536), 5)
        assert [entry.client_id for entry in edge.conversation.entries] == [str(n) for n in range(30)]
        writer.write(masked(type="ping"))
        assert b"pong" in await asyncio.wait_for(reader.read(65_536), 5)
        writer.close()


@on_uvloop
async def test_rate_limit_store_failure_and_drain_are_error_frames() -> None:
    async with serve_edge(visitor_burst=1, visitor_rate=0.1) as edge, edge.connect() as socket:
        edge.log.fail = True
        await say(socket, type="message", client_id="a", text="x")
        answer = await hear(socket)
        assert (answer["code"], answer["client_id"], answer["retry_after"]) == ("store_unavailable", "a", 1)
        await say(socket, type="message", client_id="b", text="x")
        answer = await hear(socket)
        assert (answer["code"], answer["client_id"]) == ("rate_limited", "b")
        assert 0 < answer["retry_after"] <= 10
        edge.context.draining = True
        await say(socket, type="message", client_id="c", text="x")
        answer = await hear(socket)
        assert (answer["code"], answer["client_id"]) == ("draining", "c")
        assert answer["retry_after"] > 0


@on_uvloop
async def test_typing_and_read() -> None:
    async with serve_edge() as edge, edge.connect() as socket, edge.connect() as other:
        await silence(other)
        edge.conversation.add("agent", "hi")
        assert (await hear(socket))["seq"] == (await hear(other))["seq"] == 1
        await say(socket, type="typing")
        await say(socket, type="typing")
        await say(socket, type="read", seq=1)
        await silence(socket)
        assert await hear(other) == {"type": "typing"}
        await silence(other)
        assert edge.log.marks == [1]


# -- deliveries -----------------------------------------------------------------------------------------------


@on_uvloop
async def test_an_answer_streams_and_is_resumed_in_the_middle() -> None:
    async with serve_edge() as edge:
        async with edge.connect() as socket:
            await say(socket, type="message", client_id="a", text="?")
            await hear(socket)
            live = edge.conversation.begin()
            live.append("你好")
            assert await hear(socket) == {"type": "delta", "seq": 2, "offset": 0, "text": "你好"}
        live.append("世界")
        async with edge.connect() as socket:
            await say(socket, type="resume", after=2, offset=3)
            assert await hear(socket) == {"type": "delta", "seq": 2, "offset": 3, "text": "界"}
            live.append("!")
            live.finish()
            assert await hear_all(socket, 2) == [
                {"type": "delta", "seq": 2, "offset": 4, "text": "!"},
                {"type": "done", "seq": 2, "finish_reason": "stop"},
            ]
        async with edge.connect() as socket:
            await say(socket, type="resume", after=0)
            frames = await hear_all(socket, 3)
            assert [(frame["type"], frame["seq"]) for frame in frames] == [("message", 1), ("message", 2), ("done", 2)]
            assert frames[0]["client_id"] == "a"
            assert frames[1]["text"] == "你好世界!"


@on_uvloop
async def test_without_resume_the_tail_is_delivered_after_a_moment() -> None:
    async with serve_edge() as edge:
        edge.conversation.add("agent", "old")
        async with edge.connect() as socket:
            edge.conversation.add("agent", "new")
            assert (await hear(socket))["text"] == "new"


@on_uvloop
async def test_resume_may_be_late_and_sets_the_cursor_back() -> None:
    async with serve_edge() as edge:
        edge.conversation.add("agent", "old")
        async with edge.connect() as socket:
            await asyncio.sleep(0.35)
            await say(socket, type="resume", after=0)
            assert (await hear(socket))["text"] == "old"
            await say(socket, type="resume", after=0)
            assert (await hear(socket))["text"] == "old"
            await silence(socket)


@on_uvloop
async def test_html_only_where_asked_for() -> None:
    async with serve_edge() as edge:
        edge.conversation.add("assistant", "**a**")
        async with edge.connect(more="&html=1") as socket, edge.connect() as plain:
            for asked, html in ((socket, "<p>**a**</p>"), (plain, None)):
                await say(asked, type="resume", after=0)
                assert [frame.get("html") for frame in await hear_all(asked, 2)] == [html, html]


@on_uvloop
async def test_a_slow_reader_is_sent_away_others_are_not_and_nothing_is_lost() -> None:
    async with serve_edge(slow_reader_seconds=0.3) as edge:
        _, writer = await raw_socket(edge, buffer=1_024)
        (slow,) = edge.context.sessions
        slow._outlet._socket.close_timeout = 0.3  # type: ignore[attr-defined]
        writer.write(masked(type="ping"))
        async with edge.connect() as socket:
            await silence(socket)
            frames = asyncio.create_task(hear_all(socket, 1_001))
            live = edge.conversation.begin()
            for _ in range(1_000):
                live.append("字" * 2_000)
                if live.length % 20_000 == 0:
                    await asyncio.sleep(0.001)
            assert not slow._outlet.writable
            position = slow.seq + 1, slow.offset
            live.finish()
            for number, frame in enumerate((await frames)[:-1]):
                assert (frame["type"], frame["offset"]) == ("delta", number * 2_000)
            await until(lambda: slow not in edge.context.sessions)
            await silence(socket)
        writer.transport.abort()
        async with edge.connect(max_size=None) as socket:
            await say(socket, type="resume", after=position[0], offset=position[1])
            rest = await hear(socket)
            assert (rest["type"], rest["offset"]) == ("delta", position[1])
            assert position[1] + len(rest["text"]) == live.length
            assert (await hear(socket))["type"] == "done"


@on_uvloop
async def test_who_does_not_read_is_not_read_from() -> None:
    """Else every ping of such a peer would put a pong into our memory."""
    async with serve_edge() as edge, edge.connect() as socket:
        await silence(socket)
        (session,) = edge.context.sessions
        protocol = session._outlet._socket  # type: ignore[attr-defined]
        protocol.pause_writing()
        await say(socket, type="ping")
        with pytest.raises(TimeoutError):
            await hear(socket, 0.1)
        protocol.resume_writing()
        assert await hear(socket) == {"type": "pong"}


@on_uvloop
async def test_restart_tells_to_come_back() -> None:
    async with serve_edge() as edge, edge.connect() as socket:
        await silence(socket)
        for session in list(edge.context.sessions):
            session.close_for_restart()
        answer = await hear(socket)
        assert answer["code"] == "draining"
        assert answer["retry_after"] > 0
        assert await closed(socket) == (1012, "restart")
        await until(lambda: not edge.context.sessions)


@on_uvloop
async def test_shutdown_of_the_server_does_the_same() -> None:
    async with serve_edge() as edge:
        socket = await edge.connect()
        await silence(socket)
    assert (await hear(socket))["code"] == "draining"
    assert await closed(socket) == (1012, "restart")


# -- the connection -------------------------------------------------------------------------------------------


@on_uvloop
async def test_who_answers_no_ping_is_gone_and_who_does_stays() -> None:
    async with serve_edge(ping=0.1) as edge, edge.connect(ping_interval=None) as socket:
        reader, writer = await raw_socket(edge)
        data = await asyncio.wait_for(reader.read(), 5)
        assert b"\x88" in data
        writer.close()
        await asyncio.sleep(0.3)
        await silence(socket)


@on_uvloop
async def test_who_does_not_answer_a_close_is_cut_off() -> None:
    async with serve_edge() as edge:
        reader, writer = await raw_socket(edge)
        (session,) = edge.context.sessions
        session._outlet._socket.close_timeout = 0.1  # type: ignore[attr-defined]
        session.close_for_restart()
        began = time.monotonic()
        while await asyncio.wait_for(reader.read(1_000), 5):
            pass
        assert time.monotonic() - began < 4
        writer.close()
        await until(lambda: not edge.context.sessions)


@on_uvloop
async def test_nothing_stays_behind() -> None:
    async with serve_edge() as edge:
        for ending in ("close", "abort"):
            for _ in range(10):
                socket = await edge.connect()
                await say(socket, type="message", client_id=os.urandom(4).hex(), text="x")
                await hear(socket)
                if ending == "close":
                    await socket.close()
                else:
                    socket.transport.abort()
                    await socket.wait_closed()
        await until(lambda: not edge.context.sessions)
        assert not edge.conversation.subscribers
        assert not edge.context.limits._sockets
        await asyncio.sleep(0.3)
        gc.collect()
        assert not [found for found in gc.get_objects() if isinstance(found, ChatSocket)]
