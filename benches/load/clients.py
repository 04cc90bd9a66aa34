"""Clients cheap enough to load a server from one core: HTTP and WebSocket on raw protocols.

They read what well-behaved servers send and nothing else; anything unexpected ends the run with an error.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import struct
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeVar, cast

import msgspec

Client = TypeVar("Client", bound="WebSocketClient")


class ClientError(Exception):
    """The server did something that the load clients don't know."""


class Frame(msgspec.Struct):
    """A server's frame, of any type."""

    type: str
    client_id: str | None = None
    seq: int = 0
    offset: int = 0
    text: str = ""
    finish_reason: str | None = None
    code: str | None = None
    message: str | None = None


decode_frame = msgspec.json.Decoder(Frame).decode

_HTTP_HEAD = re.compile(rb"HTTP/1\.1 (\d+).*?\r\n(?:.*\r\n)*?content-length: *(\d+)\r\n(?:.*\r\n)*?\r\n", re.IGNORECASE)


class WebSocketClient(asyncio.Protocol):
    """A connection to the chat. Subclasses take frames in `on_text`, and may override `on_close`.

    The masking key of what is sent is zero, so that nothing has to be masked.
    """

    def __init__(self, path: str) -> None:
        loop = asyncio.get_running_loop()
        self.path = path
        self.opened: asyncio.Future[None] = loop.create_future()
        self.closed = False
        self.transport: asyncio.Transport
        self._buffer = b""
        self._open = False

    @classmethod
    async def connect(cls, port: int, path: str, *arguments: Any) -> Self:
        """Open a connection and wait until the server has accepted it."""
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(lambda: cls(path, *arguments), "127.0.0.1", port)
        await asyncio.wait_for(client.opened, 60)
        return client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self.transport.write(
            f"GET {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        if not self.opened.done():
            self.opened.set_exception(error or ClientError("the server closed the connection at the handshake"))
        self.on_close()

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        at = 0
        if not self._open:
            at = data.find(b"\r\n\r\n") + 4
            if at < 4:
                self._buffer = data
                return
            if not data.startswith(b"HTTP/1.1 101 "):
                if not self.opened.done():
                    self.opened.set_exception(ClientError(f"no WebSocket: {data[:300]!r}"))
                self.transport.close()
                return
            self._open = True
            self.opened.set_result(None)
        size = len(data)
        while size - at >= 2:
            length = data[at + 1]
            start = at + 2
            if length == 126:
                start += 2
                length = int.from_bytes(data[at + 2 : start])
            elif length == 127:
                start += 8
                length = int.from_bytes(data[at + 2 : start])
            if size < start + length:
                break
            if data[at] == 0x81:
                self.on_text(data[start : start + length])
            else:
                self._control(data[at], data[start : start + length])
            at = start + length
        self._buffer = data[at:] if at < size else b""

    def _control(self, first: int, payload: bytes) -> None:
        if first == 0x89:
            self.transport.write(bytes((0x8A, 0x80 | len(payload))) + b"\0\0\0\0" + payload)
        elif first == 0x88:
            self.transport.close()
        elif first != 0x8A:
            raise ClientError(f"a WebSocket frame that starts with {first:#x}")

    def send(self, payload: bytes) -> None:
        """Send a text frame."""
        size = len(payload)
        if size < 126:
            self.transport.write(b"\x81" + bytes((0x80 | size,)) + b"\0\0\0\0" + payload)
        else:
            self.transport.write(b"\x81\xfe" + struct.pack("!H", size) + b"\0\0\0\0" + payload)

    def on_text(self, payload: bytes) -> None:
        """A text frame came."""

    def on_close(self) -> None:
        """The connection is gone."""

    def close(self) -> None:
        """Drop the connection."""
        if not self.transport.is_closing():
            self.transport.write(b"\x88\x80\0\0\0\0")
            self.transport.close()


class HttpLoop(asyncio.Protocol):
    """Sends requests on one connection, each when the answer to the last is whole.

    `next_request()` gives the bytes of a request, or None for no more; `on_answer` gets status and body.
    """

    def __init__(self, next_request: Callable[[], bytes | None], on_answer: Callable[[int, bytes], None]) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._next_request = next_request
        self._on_answer = on_answer
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._go_on()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ClientError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = _HTTP_HEAD.match(self._buffer)
        if head is None:
            return
        end = head.end() + int(head[2])
        if len(self._buffer) < end:
            return
        body = self._buffer[head.end() : end]
        self._buffer = b""
        self._on_answer(int(head[1]), body)
        self._go_on()

    def _go_on(self) -> None:
        request = self._next_request()
        if request is not None:
            self._transport.write(request)
        elif not self.done.done():
            self.done.set_result(None)
            self._transport.close()


async def http_loops(
    port: int, count: int, next_request: Callable[[], bytes | None], on_answer: Callable[[int, bytes], None]
) -> None:
    """Run so many connections until `next_request` has no more."""
    loop = asyncio.get_running_loop()
    clients: list[HttpLoop] = []
    for _ in range(count):
        _, client = await loop.create_connection(lambda: HttpLoop(next_request, on_answer), "127.0.0.1", port)
        clients.append(client)
    await asyncio.gather(*(client.done for client in clients))


async def open_sessions(port: int, count: int) -> list[str]:
    """Open visitors' sessions; returns the paths of their WebSockets."""
    left = count
    paths: list[str] = []
    request = (
        b"POST /api/visitor/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: 2\r\n\r\n{}"
    )

    def next_request() -> bytes | None:
        nonlocal left
        left -= 1
        return request if left >= 0 else None

    def on_answer(status: int, body: bytes) -> None:
        if status not in {200, 201}:
            raise ClientError(f"no session: {status} {body!r}")
        paths.append(f"/api/chat/ws?token={msgspec.json.decode(body)['token']}")

    await http_loops(port, min(count, 32), next_request, on_answer)
    return paths


async def connect_all(
    kind: type[Client], port: int, paths: Sequence[str], *arguments: Any, at_once: int = 100
) -> list[Client]:
    """Open one connection for each path, at most `at_once` handshakes at a time."""
    clients: list[Client] = []
    for start in range(0, len(paths), at_once):
        batch = paths[start : start + at_once]
        clients += await asyncio.gather(*(kind.connect(port, path, *arguments) for path in batch))
    return clients
