"""What the tests of the edge talk to, and what stands behind it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
from edge_wire import Wire

from xiaoer_server.chat.log import ConversationLog
from xiaoer_server.edge.context import Accepted, EdgeContext
from xiaoer_server.edge.server import Server
from xiaoer_server.store.engine import Store


class Recorder:
    """In the pipeline's place: logs messages, answers none. `hold` keeps what `done` would say until `release`."""

    def __init__(self, log: ConversationLog) -> None:
        self._log = log
        self.hold = False
        self.held: list[Callable[[], None]] = []
        self.events: list[str] = []
        self.drained = asyncio.Event()
        self.drained.set()

    def accept(self, conversation: Any, client_id: str, text: str, done: Accepted) -> None:
        def durable(seq: int, error: Any) -> None:
            if self.hold:
                self.held.append(lambda: done(seq, error, None))
            else:
                done(seq, error, None)

        self._log.append(conversation, "visitor", text, durable, client_id=client_id)

    def release(self, which: int = 0) -> None:
        self.held.pop(which)()

    async def drain(self, limit: float) -> None:
        self.events.append("drain")
        await asyncio.wait_for(self.drained.wait(), limit)
        self.events.append("drained")


class Edge:
    """A running server and what it is made of."""

    def __init__(self, server: Server, context: EdgeContext, recorder: Recorder, store: Store) -> None:
        self.server = server
        self.context = context
        self.recorder = recorder
        self.store = store
        self.port = int(server.address.rpartition(":")[2])

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[Wire]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Wire(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def session(self, **body: Any) -> dict[str, str]:
        """Open a visitor's session."""
        async with self.connect() as wire:
            reply = await wire.post("/api/visitor/sessions", msgspec.json.encode(body))
            assert reply.status == 200, reply.body
            return msgspec.json.decode(reply.body)


Start = Callable[..., Awaitable[Edge]]
