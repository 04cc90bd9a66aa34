"""The event stream over real sockets, and what other people's decoders make of its bytes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import aiohttp
import httpx
import httpx_sse
import pytest
from aiohttp_sse_client2.client import EventSource
from httpx_sse._decoders import SSEDecoder as HttpxDecoder
from httpx_sse._decoders import SSELineDecoder
from hypothesis import given
from hypothesis import strategies as st
from openai._streaming import SSEDecoder as OpenAIDecoder

from support.delivery import CONVERSATION, TENANT, VISITOR, Edge, MemoryConversation, on_uvloop, serve_edge
from xiaoer import SSEDecoder
from xiaoer_server.chat.entries import Source
from xiaoer_server.chat.session import Delivery
from xiaoer_server.edge import events as events_module
from xiaoer_server.edge.auth import Signer
from xiaoer_server.errors import Unavailable

PATH = "/api/chat/events"


class Reader:
    """A connection to the stream that is read in bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.raw = b""
        self._decoder = SSEDecoder()
        self._events: list[tuple[str, dict[str, Any], str]] = []

    async def event(self) -> tuple[str, dict[str, Any], str]:
        """The next event: its name, its data, the last id."""
        while not self._events:
            await self.chunk()
        return self._events.pop(0)

    async def events(self, count: int) -> list[tuple[str, dict[str, Any], str]]:
        return [await self.event() for _ in range(count)]

    async def chunk(self) -> bytes:
        """One chunk of the body; empty at its end."""
        async with asyncio.timeout(5):
            size = int(await self.reader.readline(), 16)
            data = await self.reader.readexactly(size)
            await self.reader.readexactly(2)
        self.raw += data
        for event in self._decoder.feed(data):
            self._events.append((event.event, json.loads(event.data), event.id))
        return data


@contextlib.asynccontextmanager
async def listen(edge: Edge, last: str | None = None, more: str = "") -> AsyncIterator[Reader]:
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    head = f"GET {PATH}?{more} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {edge.token()}\r\n"
    writer.write(f"{head}{f'Last-Event-ID: {last}{chr(13)}{chr(10)}' if last is not None else ''}\r\n".encode())
    answer = (await reader.readuntil(b"\r\n\r\n")).lower()
    assert answer.startswith(b"http/1.1 200 ")
    assert b"content-type: text/event-stream" in answer
    assert b"cache-control: no-store" in answer
    stream = Reader(reader, writer)
    if not last:
        name, _, where = await stream.event()
        assert (name, where) == ("pong", str(edge.conversation.durable)), "it says from where it goes on"
    yield stream
    writer.close()


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


@on_uvloop
async def test_the_frames_of_a_websocket_as_events() -> None:
    async with serve_edge() as edge, listen(edge) as stream:
        edge.conversation.add("visitor", "在吗", client_id="c1")
        name, data, position = await stream.event()
        assert data.pop("at")
        assert (name, position) == ("message", "1")
        assert data == {"type": "message", "seq": 1, "role": "visitor", "text": "在吗", "client_id": "c1"}
        live = edge.conversation.begin()
        live.append("你好\n\r\u2028")
        live.append("!")
        live.finish(sources=[Source("A", "/help/a")])
        edge.conversation.tell(events_module.Typing("agent"))
        assert await stream.events(4) == [
            ("delta", {"type": "delta", "seq": 2, "offset": 0, "text": "你好\n\r\u2028"}, "2:5"),
            ("delta", {"type": "delta", "seq": 2, "offset": 5, "text": "!"}, "2:6"),
            (
                "done",
                {"type": "done", "seq": 2, "finish_reason": "stop", "sources": [{"title": "A", "url": "/help/a"}]},
                "2",
            ),
            ("typing", {"type": "typing", "role": "agent"}, "2"),
        ]
        assert stream.raw.startswith(b"retry: 2000\n")
        assert b"id: 2:5\n" in stream.raw


@on_uvloop
async def test_every_id_resumes_right_behind_its_event() -> None:
    async with serve_edge() as edge:
        edge.conversation.add("visitor", "a")
        edge.conversation.add("assistant", "hello", status="interrupted", finish_reason="timeout")
        live = edge.conversation.begin()
        live.append("你好")
        live.append("世界")
        async with listen(edge, "0") as stream:
            whole = await stream.events(5)
        assert [name for name, _, _ in whole] == ["message", "message", "done", "delta", "delta"]
        for count, (_, _, last) in enumerate(whole[:-1], 1):
            async with listen(edge, last) as stream:
                assert await stream.events(len(whole) - count) == whole[count:]
        async with listen(edge, "3:1") as stream:
            assert (await stream.event())[1] == {"type": "delta", "seq": 3, "offset": 1, "text": "好"}
        live.finish()
        async with listen(edge, "3:3") as stream:
            assert [data for _, data, _ in await stream.events(2)] == [
                {"type": "delta", "seq": 3, "offset": 3, "text": "界"},
                {"type": "done", "seq": 3, "finish_reason": "stop"},
            ]


@on_uvloop
async def test_without_last_event_id_it_starts_at_the_tail() -> None:
    async with serve_edge() as edge:
        edge.conversation.add("agent", "old")
        edge.log.cold = True
        async with listen(edge) as stream, listen(edge, "") as other:
            edge.conversation.add("agent", "new")
            assert (await stream.event())[1]["text"] == "new"
            assert (await other.event())[1]["text"] == "new"


@on_uvloop
async def test_html_where_asked_for() -> None:
    async with serve_edge() as edge:
        edge.conversation.add("assistant", "*a*")
        async with listen(edge, "0", "html=1") as stream:
            assert [data["html"] for _, data, _ in await stream.events(2)] == ["<p>*a*</p>", "<p>*a*</p>"]


@on_uvloop
async def test_refusals_are_problem_details() -> None:
    async with serve_edge(address_sockets=1, sites=("https://shop.example",)) as edge, httpx.AsyncClient() as client:
        url = f"http://127.0.0.1:{edge.port}{PATH}"
        good = {"authorization": f"Bearer {edge.token()}"}
        expired = Signer(b"k" * 32, -1).issue(TENANT, VISITOR, CONVERSATION)
        cases: list[tuple[dict[str, str], int, str]] = [
            ({}, 401, "unauthorized"),
            ({"authorization": "Bearer nonsense"}, 401, "unauthorized"),
            ({"authorization": f"Bearer {expired}"}, 401, "token_expired"),
            ({"authorization": f"Bearer {edge.token(conversation='other')}"}, 404, "unknown_conversation"),
            ({"authorization": f"Bearer {edge.token(visitor='other')}"}, 404, "unknown_conversation"),
            ({**good, "origin": "https://evil.example"}, 403, "forbidden_origin"),
            ({**good, "last-event-id": "x"}, 400, "invalid_frame"),
            ({**good, "last-event-id": "1:2:3"}, 400, "invalid_frame"),
            ({**good, "last-event-id": "-1"}, 400, "invalid_frame"),
        ]
        for headers, status, code in cases:
            answer = await client.get(url, headers=headers)
            assert answer.headers["content-type"] == "application/problem+json"
            assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert (await client.head(url, headers=good)).status_code == 200
        await until(lambda: not edge.context.sessions)
        async with listen(edge):
            answer = await client.get(url, headers=good)
            assert (answer.status_code, answer.json()["code"]) == (429, "too_many_sockets")
        await until(lambda: not edge.context.sessions)
        async with client.stream("GET", f"{url}?token={edge.token()}") as answer:
            assert answer.status_code == 200
        edge.context.draining = True
        assert (await client.get(url, headers=good)).status_code == 503


@on_uvloop
async def test_restart_and_loss_of_the_log_end_the_stream() -> None:
    async with serve_edge() as edge:
        for end in (
            lambda: next(iter(edge.context.sessions)).close_for_restart(),
            lambda: edge.conversation.drop(Unavailable("no", code="store_unavailable", retry_after=1)),
        ):
            async with listen(edge) as stream:
                end()
                assert (await stream.event())[1]["retry_after"] > 0
                while await stream.chunk():
                    pass
                assert stream.raw.endswith(b"retry: 2000\n")
            await until(lambda: not edge.context.sessions)
            assert not edge.context.limits._sockets
            assert not edge.conversation.subscribers


@on_uvloop
async def test_heartbeat_is_a_comment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "HEARTBEAT_SECONDS", 0.02)
    async with serve_edge() as edge, listen(edge) as stream:
        while stream.raw.count(b":\n") < 3:
            await stream.chunk()
        edge.conversation.add("agent", "x")
        assert (await stream.event())[0] == "message"


@on_uvloop
async def test_a_slow_reader_is_sent_away_and_resumes_without_loss() -> None:
    async with serve_edge(slow_reader_seconds=0.3) as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port, limit=1_024)
        writer.write(f"GET {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {edge.token()}\r\n\r\n".encode())
        await reader.readline()
        (slow,) = edge.context.sessions
        live = edge.conversation.begin()
        while slow._outlet.writable:
            live.append("字" * 2_000)
            await asyncio.sleep(0)
        position = f"{slow.seq + 1}:{slow.offset}"
        live.append("end")
        await until(lambda: not edge.context.sessions)
        writer.transport.abort()
        async with listen(edge, position) as stream:
            assert (await stream.event())[1]["text"] == "end"


# -- other people's decoders ----------------------------------------------------------------------------------


def cut(data: bytes, random_source: random.Random) -> list[bytes]:
    places = sorted(random_source.sample(range(1, len(data)), min(len(data) - 1, 40)))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


Seen = list[tuple[str, str, str]]


async def read_by_aiohttp(edge: Edge, count: int) -> Seen:
    seen: Seen = []
    headers = {"Authorization": f"Bearer {edge.token()}", "Last-Event-ID": "0"}
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{edge.port}{PATH}"
        async with EventSource(url, session=session, headers=headers) as source:
            async for event in source:
                seen.append((event.type, event.data, event.last_event_id))
                if len(seen) == count:
                    break
    return seen


async def read_by_httpx(edge: Edge, count: int) -> Seen:
    seen: Seen = []
    headers = {"Authorization": f"Bearer {edge.token()}", "Last-Event-ID": "0"}
    url = f"http://127.0.0.1:{edge.port}{PATH}"
    async with httpx.AsyncClient() as client, httpx_sse.aconnect_sse(client, "GET", url, headers=headers) as source:
        async for event in source.aiter_sse():
            seen.append((event.event, event.data, event.id))
            if len(seen) == count:
                break
    return seen


@on_uvloop
async def test_real_clients_read_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "HEARTBEAT_SECONDS", 0.01)
    async with serve_edge() as edge:
        edge.conversation.add("visitor", "问: a\n\ndata: x")
        live = edge.conversation.begin()
        readers = [asyncio.create_task(read(edge, 8)) for read in (read_by_aiohttp, read_by_httpx)]
        async with listen(edge, "0") as stream:
            for text in ("答", ": ", "\n", "😀", "\r\n"):
                live.append(text)
                await asyncio.sleep(0.03)
            live.finish()
            ours = [(name, data, last) for name, data, last in await stream.events(7)]
        edge.conversation.add("agent", "bye")
        for reader in readers:
            theirs = [(name, json.loads(data), last) for name, data, last in await asyncio.wait_for(reader, 5)]
            assert theirs[:7] == ours
            assert theirs[7][1]["text"] == "bye"


def read_ours(chunks: list[bytes]) -> Seen:
    decoder = SSEDecoder()
    return [(event.event, event.data.decode(), event.id) for chunk in chunks for event in decoder.feed(chunk)]


def read_httpx(chunks: list[bytes]) -> Seen:
    lines, decoder = SSELineDecoder(), HttpxDecoder()
    text = httpx.Response(200, stream=_Chunks(chunks)).iter_text()
    found = [decoder.decode(line) for part in text for line in lines.decode(part)]
    return [(event.event, event.data, event.id) for event in found if event is not None]


def read_openai(chunks: list[bytes]) -> Seen:
    return [(event.event or "", event.data, event.id or "") for event in OpenAIDecoder().iter_bytes(iter(chunks))]


class _Chunks(httpx.SyncByteStream):
    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Any:
        return iter(self._chunks)


@given(st.randoms(use_true_random=False), st.lists(st.text(max_size=20), min_size=1, max_size=4))
def test_decoders_read_the_same_at_random_cuts(source: random.Random, texts: list[str]) -> None:
    data, expected = asyncio.run(_bytes_of(texts))
    chunks = cut(data, source)
    assert b"".join(chunks) == data
    assert read_ours(chunks) == expected
    assert read_httpx(chunks) == expected
    assert read_openai(chunks) == expected


async def _bytes_of(texts: list[str]) -> tuple[bytes, Seen]:
    """What a stream sends for an answer of these pieces, with heartbeats in between, taken at the outlet."""

    sent: list[bytes] = []
    stream = SimpleNamespace(write=sent.append, end=lambda: None, writable=True)
    exchange: Any = SimpleNamespace(address="", stream=lambda *_: stream)
    conversation: Any = MemoryConversation()
    delivery: Any = Delivery(None, None, None)  # type: ignore[arg-type]
    limits = SimpleNamespace(close_socket=lambda _: None)
    context: Any = SimpleNamespace(sessions=set(), limits=limits)
    outlet = events_module.EventStream(context, delivery, exchange, conversation, None)
    outlet.start(None)
    conversation.add("visitor", texts[0])
    live = conversation.begin()
    for text in filter(None, texts):
        live.append(text)
        outlet._heartbeat()
    live.finish()
    conversation.drop(Unavailable("no", code="store_unavailable", retry_after=1))
    await asyncio.sleep(0)
    names: Seen = []
    for event in sent:
        if event.startswith(b"event: "):
            fields = dict(line.split(": ", 1) for line in event.decode().rstrip("\n").split("\n"))
            names.append((fields["event"], fields["data"], fields.get("id", names[-1][2] if names else "")))
    return b"".join(sent), names
