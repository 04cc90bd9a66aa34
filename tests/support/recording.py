"""An OpenAI-compatible upstream that keeps every byte it was asked, and can be told to answer with any bytes at all.

It runs in a thread of its own, so that clients that block can be tested too:

    with Upstream() as upstream:
        upstream.script.append(says(b"HTTP/1.1 302 Found\\r\\nlocation: http://…\\r\\ncontent-length: 0\\r\\n\\r\\n"))
        …
        upstream.requests[-1].headers

What isn't scripted is answered as a model would: text that repeats the question, a call of the first tool that is
offered, vectors. The simulator of the benches is for pace and load; this one is for what stands in the messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from support.recording_replies import chat, chat_events, embeddings


class Recorded(NamedTuple):
    """One request as it came; the headers in order, names in lower case."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next((value for key, value in self.headers if key == name), None)


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter, Recorded], Awaitable[None]]


def says(*blocks: bytes, pause: float = 0.0, then: str = "close") -> Answer:
    """Sends these bytes, then closes, resets, or stays silent until the client goes ("wait")."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: Recorded) -> None:
        for block in blocks:
            writer.write(block)
            await writer.drain()
            await asyncio.sleep(pause)
        if then == "wait":
            while await reader.read(65_536):
                pass
        elif then == "reset":
            writer.transport.abort()
        writer.close()

    return answer


class Upstream:
    """The server. `requests` and `script` may be read and changed from other threads.

    `script`: one answer a request, taken from the left; when it is empty `always` answers, or else the model.
    `gone`: streams whose client went before their end.
    """

    def __init__(self) -> None:
        self.requests: list[Recorded] = []
        self.script: deque[Answer] = deque()
        self.always: Answer | None = None
        self.gone = 0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="upstream", daemon=True)
        self._ready = threading.Event()
        self._over = asyncio.Event()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Upstream:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    def clear(self) -> None:
        """Forget what came and what was scripted."""
        self.requests.clear()
        self.script.clear()
        self.always = None
        self.gone = 0

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.get_running_loop().create_task(self._client(reader, writer))
            clients[task] = writer
            task.add_done_callback(clients.pop)

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        left = dict(clients)
        for task, writer in left.items():
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await server.wait_closed()
        await asyncio.sleep(0)  # lets the aborted transports go

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await _read(reader)
                self.requests.append(request)
                scripted = self.script.popleft() if self.script else self.always
                if scripted is not None:
                    await scripted(reader, writer, request)
                    return
                await self._answer(writer, request)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, writer: asyncio.StreamWriter, request: Recorded) -> None:
        if request.path == "/v1/embeddings":
            writer.write(whole(200, embeddings(request.json)))
        elif request.path != "/v1/chat/completions":
            writer.write(whole(404, {"error": {"message": "no such route", "type": "invalid_request_error"}}))
        elif not request.json.get("stream"):
            writer.write(whole(200, chat(request.json)))
        else:
            await self._stream(writer, request.json)
        await writer.drain()

    async def _stream(self, writer: asyncio.StreamWriter, body: dict[str, Any]) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        pause, events = chat_events(body)
        try:
            for event in events:
                writer.write(chunk(b"data: " + event + b"\n\n"))
                await writer.drain()
                if pause:
                    await asyncio.sleep(pause)
                if writer.transport.is_closing():
                    raise ConnectionResetError
        except ConnectionError:
            self.gone += 1
            raise
        writer.write(b"0\r\n\r\n")


async def _read(reader: asyncio.StreamReader) -> Recorded:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ", 2)
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in head[1:] if line)]
    fields = dict(headers)
    if fields.get("transfer-encoding", "").lower() == "chunked":
        body = b""
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
    else:
        body = await reader.readexactly(int(fields.get("content-length", "0")))
    return Recorded(method, path, headers, body)


def whole(status: int, body: Any, headers: str = "") -> bytes:
    """The bytes of a response with a JSON body."""
    data = json.dumps(body, ensure_ascii=False).encode()
    head = f"HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n{headers}\r\n"
    return head.encode() + data


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
