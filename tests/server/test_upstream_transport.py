"""Raw connections to the model: reuse, framing, broken peers, and that nothing is left open."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2
import pytest

from xiaoer_server.llm.connection import MOST_HEAD_FIELDS
from xiaoer_server.llm.transport import DELIVER, UpstreamTransport

LENGTH = b"Content-Length: "

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Upstream:
    """A server that says exactly what a test wants, byte by byte, and counts who connects."""

    def __init__(self, *responses: bytes | Handler) -> None:
        self.responses = list(responses)
        self.requests: list[bytes] = []
        self.connections = 0
        self.gone = asyncio.Event()
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while self.responses:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next((int(line[16:]) for line in head.split(b"\r\n") if line.startswith(LENGTH)), 0)
                self.requests.append(head + await reader.readexactly(length))
                response = self.responses.pop(0)
                if callable(response):
                    await response(reader, writer)
                    break
                writer.write(response)
                await writer.drain()
        self.gone.set()
        writer.close()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{self.port}/v1/chat"
        finally:
            server.close()
            for writer in self._writers:
                writer.transport.abort()
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def client(limit: int = 10) -> AsyncIterator[httpx2.AsyncClient]:
    transport = UpstreamTransport(limit=limit, connect_seconds=2.0)
    async with httpx2.AsyncClient(transport=transport, timeout=None) as http:
        yield http


def whole(body: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers, b"", body])


def chunked(*blocks: bytes, end: bool = True) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(block), block) for block in blocks) + (b"0\r\n\r\n" if end else b"")


async def delivered(http: httpx2.AsyncClient, url: str) -> bytes:
    """The body, by way of the callback."""
    blocks: list[bytes] = []
    async with http.stream("POST", url, content=b"{}") as response:
        await response.extensions[DELIVER](blocks.append)
    return b"".join(blocks)


async def test_the_request_goes_out_as_it_is_and_the_connection_is_used_again() -> None:
    upstream = Upstream(whole(b"one"), chunked(b"t", b"wo"), whole(b"three"))
    async with upstream.serving() as url, client() as http:
        assert (await http.post(url, content=b'{"a":1}', headers={"Authorization": "Bearer k"})).text == "one"
        assert await delivered(http, url) == b"two"
        assert (await http.post(url, content=b"")).text == "three"
    assert upstream.connections == 1
    assert upstream.requests[0].startswith(b"POST /v1/chat HTTP/1.1\r\n")
    assert b"Host: 127.0.0.1:%d\r\n" % upstream.port in upstream.requests[0]
    assert b"Bearer k" in upstream.requests[0]
    assert upstream.requests[0].endswith(b'\r\n\r\n{"a":1}')


async def test_a_response_comes_byte_by_byte() -> None:
    async def dribble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in b"HTTP/1.1 100 Continue\r\n\r\n" + chunked(b"data: a\n\n", b"data: b\n\n"):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    async with Upstream(dribble).serving() as url, client() as http:
        assert await delivered(http, url) == b"data: a\n\ndata: b\n\n"


async def test_a_body_that_ends_with_the_connection() -> None:
    async def until_close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")

    upstream = Upstream(until_close, whole(b"next"))
    async with upstream.serving() as url, client() as http:
        assert await delivered(http, url) == b"all of it"
        assert (await http.post(url)).text == "next"
    assert upstream.connections == 2


@pytest.mark.parametrize(
    "response",
    [
        chunked(b"data: a\n\n", end=False),
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ndata: a\n\n",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"this is not HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Y: z\r\n" * (MOST_HEAD_FIELDS + 1) + b"\r\n",
        b"",
    ],
    ids=["chunks", "length", "head", "nonsense", "chunk size", "large head", "nothing"],
)
async def test_what_breaks_off_or_is_nonsense_is_an_error(response: bytes) -> None:
    async def broken(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(response)

    async with Upstream(broken).serving() as url, client() as http:
        with pytest.raises(httpx2.TransportError):
            await delivered(http, url)


async def test_a_connection_that_was_closed_while_idle_is_replaced_unseen() -> None:
    async def close_after(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(whole(b"one"))

    upstream = Upstream(close_after, whole(b"two"))
    async with upstream.serving() as url, client() as http:
        assert (await http.post(url, content=b"1")).text == "one"
        assert (await http.post(url, content=b"2")).text == "two"
    assert upstream.connections == 2


async def test_a_request_that_was_answered_by_a_byte_is_not_sent_again() -> None:
    async def half(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 2")

    upstream = Upstream(whole(b"one"), half, whole(b"never"))
    async with upstream.serving() as url, client() as http:
        await http.post(url)
        with pytest.raises(httpx2.TransportError):
            await http.post(url)
    assert len(upstream.requests) == 2


async def test_bytes_that_nobody_asked_for_end_the_connection() -> None:
    upstream = Upstream(whole(b"one") + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged", whole(b"two"))
    async with upstream.serving() as url, client() as http:
        assert (await http.post(url)).text == "one"
        assert (await http.post(url)).text == "two"


async def test_nobody_listens() -> None:
    async with client() as http:
        with pytest.raises(httpx2.ConnectError):
            await http.post("http://127.0.0.1:9/v1")


async def test_redirects_are_not_followed() -> None:
    async with (
        Upstream(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n").serving() as url,
        client() as http,
    ):
        assert (await http.post(url)).status_code == 302


async def test_who_is_cancelled_leaves_no_connection_and_no_slot_behind() -> None:
    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(chunked(b"data: a\n\n", end=False))
        assert await reader.read() == b""

    upstream = Upstream(stall, whole(b"next"))
    async with upstream.serving() as url, client(limit=1) as http:
        first = asyncio.ensure_future(delivered(http, url))
        await asyncio.sleep(0.05)
        waiting = asyncio.ensure_future(http.post(url))
        await asyncio.sleep(0.05)
        assert not waiting.done(), "the limit does not hold"
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        await asyncio.wait_for(upstream.gone.wait(), 2)
        assert (await asyncio.wait_for(waiting, 2)).text == "next"


async def test_an_error_of_the_receiver_closes_the_connection_and_comes_out() -> None:
    upstream = Upstream(chunked(b"data: a\n\n", b"data: b\n\n"))

    def refuse(_: bytes) -> None:
        raise KeyError("receiver")

    async with upstream.serving() as url, client() as http:
        with pytest.raises(KeyError, match="receiver"):
            async with http.stream("POST", url) as response:
                await response.extensions[DELIVER](refuse)


async def test_a_large_body_nobody_reads_is_not_taken_in() -> None:
    sent = 0

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        for _ in range(1000):
            writer.write(b"x" * 100_000)
            await writer.drain()
            sent += 100_000

    async with Upstream(flood).serving() as url, client() as http, http.stream("POST", url) as response:
        await asyncio.sleep(0.3)
        before = sent
        assert before < 50_000_000
        blocks = response.aiter_bytes()
        for _ in range(5):
            assert await anext(blocks)
