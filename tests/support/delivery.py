"""A conversation log in memory that keeps the rules of the real one, and an edge around it in the test's own loop.

Commits take as long as the test wants: `hold` keeps them back, `fail` makes them fail.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import uvicorn
import uvloop
from websockets.asyncio.client import ClientConnection, connect

from xiaoer_server.chat.entries import Entry, Piece, Source
from xiaoer_server.config import LimitSettings, Settings
from xiaoer_server.edge.auth import Signer
from xiaoer_server.edge.context import EdgeContext
from xiaoer_server.edge.events import events
from xiaoer_server.edge.limits import Limits
from xiaoer_server.edge.protocol import make_http_protocol
from xiaoer_server.edge.websocket import websocket_protocol
from xiaoer_server.errors import NotFound, ServerError, Unavailable

TENANT, VISITOR, CONVERSATION = "demo", "visitor-1", "conversation-1"


class MemoryLive:
    """An answer that grows."""

    def __init__(self, conversation: MemoryConversation, entry: Entry) -> None:
        self._conversation = conversation
        self.entry = entry
        self.pieces: list[Piece] = []
        self.length = 0

    def append(self, text: str) -> None:
        piece = Piece(self.entry.seq, self.length, text)
        self.pieces.append(piece)
        self.length = piece.end
        self._conversation.notify()

    def finish(self, reason: str = "stop", sources: list[Source] | None = None, status: str = "complete") -> Entry:
        entry = self.entry
        entry.text = "".join(piece.text for piece in self.pieces)
        entry.status = status  # type: ignore[assignment]
        entry.finish_reason = reason
        entry.sources = sources
        self._conversation.live = None
        self._conversation.notify()
        return entry


class MemoryConversation:
    """Entries by seq; only the last `tail` are handed out by `entry`."""

    def __init__(self, *, tail: int = 200, visitor: str = VISITOR) -> None:
        self.tenant, self.id, self.visitor = TENANT, CONVERSATION, visitor
        self.entries: list[Entry] = []
        self.durable = 0
        self.live: MemoryLive | None = None
        self.tail = tail
        self.subscribers: list[Any] = []

    def entry(self, seq: int) -> Entry | None:
        return self.entries[seq - 1] if self.durable - self.tail < seq <= self.durable else None

    def subscribe(self, subscriber: Any) -> None:
        self.subscribers.append(subscriber)

    def unsubscribe(self, subscriber: Any) -> None:
        self.subscribers.remove(subscriber)

    def notify(self) -> None:
        for subscriber in list(self.subscribers):
            subscriber.changed()

    def tell(self, event: object, *, but: Any = None) -> None:
        for subscriber in list(self.subscribers):
            if subscriber is not but:
                subscriber.transient(event)

    def drop(self, error: ServerError) -> None:
        for subscriber in list(self.subscribers):
            subscriber.dropped(error)

    def add(self, role: str, text: str, **fields: Any) -> Entry:
        """Append, durable at once."""
        entry = Entry(len(self.entries) + 1, role, text, time.time_ns() // 1_000_000, **fields)  # type: ignore[arg-type]
        self.entries.append(entry)
        self.durable = entry.seq
        self.notify()
        return entry

    def begin(self) -> MemoryLive:
        """Begin an answer."""
        entry = Entry(len(self.entries) + 1, "assistant", "", 0, status="streaming")
        self.entries.append(entry)
        self.durable = entry.seq
        self.live = MemoryLive(self, entry)
        self.notify()
        return self.live


class MemoryLog:
    """One conversation; `cold` makes `cached` not find it."""

    def __init__(self, conversation: MemoryConversation) -> None:
        self.conversation = conversation
        self.cold = False
        self.hold = False
        self.fail = False
        self.marks: list[int] = []
        self.ranges = 0
        self.range_error: Exception | None = None
        self._held: list[Callable[[], None]] = []

    def cached(self, tenant: str, conversation: str) -> MemoryConversation | None:
        return None if self.cold or conversation != CONVERSATION else self.conversation

    async def open(self, tenant: str, conversation: str) -> MemoryConversation:
        await asyncio.sleep(0.001)
        if conversation != CONVERSATION:
            raise NotFound("This conversation does not exist.", code="unknown_conversation")
        return self.conversation

    async def range(self, tenant: str, conversation: str, *, after: int, limit: int) -> list[Entry]:
        self.ranges += 1
        await asyncio.sleep(0)
        if self.range_error is not None:
            raise self.range_error
        found = self.conversation.entries[after : min(after + limit, self.conversation.durable)]
        return [Entry(entry.seq, entry.role, entry.text, entry.at, entry.client_id, entry.status) for entry in found]

    def mark_read(self, tenant: str, conversation: str, seq: int) -> None:
        self.marks.append(seq)

    def accept(self, conversation: MemoryConversation, client_id: str, text: str, done: Any) -> None:
        """What the pipeline does with a message, without an answer: `bad` is masked."""
        stored = text.replace("bad", "***")

        def commit() -> None:
            known = [entry for entry in conversation.entries if entry.client_id == client_id]
            if self.fail:
                done(0, Unavailable("The store cannot write.", code="store_unavailable", retry_after=1), None)
            elif known:
                done(known[0].seq, None, None)
            else:
                entry = conversation.add("visitor", stored, client_id=client_id)
                done(entry.seq, None, stored if stored != text else None)

        if self.hold:
            self._held.append(commit)
        else:
            asyncio.get_running_loop().call_soon(commit)

    def release(self) -> None:
        """Commit what was held, and hold no more."""
        self.hold = False
        held, self._held = self._held, []
        for commit in held:
            commit()


@dataclass
class Edge:
    """A running edge."""

    port: int
    context: EdgeContext
    log: MemoryLog
    conversation: MemoryConversation

    def token(self, conversation: str = CONVERSATION, visitor: str = VISITOR, tenant: str = TENANT) -> str:
        return self.context.signer.issue(tenant, visitor, conversation)

    def url(self, path: str = "/api/chat/ws", *, token: str | None = None, more: str = "") -> str:
        return f"ws://127.0.0.1:{self.port}{path}?token={token or self.token()}{more}"

    def connect(self, *, more: str = "", **options: Any) -> connect:
        return connect(self.url(more=more), compression=None, proxy=None, **options)


def on_uvloop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on the loop that the server runs on."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        uvloop.run(test(*arguments, **named))

    return run


async def not_found(scope: Any, receive: Any, send: Any) -> None:
    """The application behind: it knows no path."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
    else:
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


@contextlib.asynccontextmanager
async def serve_edge(
    *,
    sites: tuple[str, ...] = (),
    conversation: MemoryConversation | None = None,
    echo_route: bool = False,
    ping: float = 20.0,
    **limits: Any,
) -> AsyncIterator[Edge]:
    """Run uvicorn with our two protocols on a free port."""
    wide = {"visitor_burst": 100_000, "visitor_rate": 1e6, "address_burst": 100_000, "address_rate": 1e6}
    settings = Settings(limits=LimitSettings(**{**wide, **limits}))
    conversation = conversation or MemoryConversation()
    log = MemoryLog(conversation)
    context: Any = EdgeContext(
        settings=settings,
        log=log,  # type: ignore[arg-type]
        pipeline=SimpleNamespace(accept=log.accept),  # type: ignore[arg-type]
        visitors=None,  # type: ignore[arg-type]
        tenants={TENANT: SimpleNamespace(id=TENANT, allowed_sites=list(sites))},  # type: ignore[dict-item]
        signer=Signer(b"k" * 32, 3_600),
        limits=Limits(settings.limits),
        render=lambda text: f"<p>{text}</p>",
        mark_read=log.mark_read,
        echo_route=echo_route,
    )
    config = uvicorn.Config(
        not_found,
        host="127.0.0.1",
        port=0,
        http=make_http_protocol(context, {(b"GET", b"/api/chat/events"): events(context)}),
        ws=websocket_protocol(context),
        ws_ping_interval=ping,
        ws_ping_timeout=ping,
        lifespan="off",
        log_config=None,
        log_level="warning",
        loop="none",
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Edge(port, context, log, conversation)
    finally:
        # As uvicorn's shutdown, but not in steps of a tenth of a second.
        for listener in server.servers:
            listener.close()
        for connection in list(server.server_state.connections):
            connection.shutdown()
        async with asyncio.timeout(10):
            while server.server_state.connections or server.server_state.tasks:
                await asyncio.sleep(0.005)


async def say(socket: ClientConnection, **frame: Any) -> None:
    """Send one frame."""
    await socket.send(json.dumps(frame))


async def hear(socket: ClientConnection, limit: float = 5.0) -> dict[str, Any]:
    """Receive one frame."""
    async with asyncio.timeout(limit):
        data = await socket.recv()
    assert isinstance(data, str)
    frame = json.loads(data)
    assert isinstance(frame, dict)
    return frame


async def hear_all(socket: ClientConnection, count: int) -> list[dict[str, Any]]:
    """Receive `count` frames."""
    return [await hear(socket) for _ in range(count)]


async def silence(socket: ClientConnection) -> None:
    """Nothing else comes: what was sent before a ping is there before its pong."""
    await say(socket, type="ping")
    assert await hear(socket) == {"type": "pong"}
