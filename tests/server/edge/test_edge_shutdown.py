"""Stopping: in which order, and what those get who are connected."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator

import pytest
from edge_server import Edge, Start
from edge_wire import bearer, request

from xiaoer_server.edge.rest import build_app
from xiaoer_server.edge.server import build


class Guest:
    """An open session."""

    def __init__(self, events: list[str]) -> None:
        self._events = events

    def close_for_restart(self) -> None:
        self._events.append("session told")


@contextlib.asynccontextmanager
async def serving(edge: Edge) -> AsyncIterator[Edge]:
    """A second server of the same context that runs as in life: with signals, and until it is told to stop."""
    server = build(build_app(edge.context), edge.context, log_config=None)
    task = asyncio.ensure_future(server.serve())
    while not server.started:
        assert not task.done(), task
        await asyncio.sleep(0.005)
    try:
        yield Edge(server, edge.context, edge.recorder, edge.store)
        await asyncio.wait_for(task, 10)
    finally:
        if not task.done():
            task.cancel()


async def refused(edge: Edge) -> bool:
    try:
        async with edge.connect():
            return False
    except (ConnectionRefusedError, ConnectionResetError):
        # Reset: it was in the backlog when the listener closed.
        return True


async def until_refused(edge: Edge) -> None:
    async with asyncio.timeout(5):
        while not await refused(edge):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
async def test_order_of_the_drain(edge: Edge, sig: signal.Signals) -> None:
    events = edge.recorder.events
    token = (await edge.session())["token"]
    async with serving(edge) as live, live.connect() as wire, live.connect() as idle, live.connect() as pending:
        assert (await wire.get("/readyz")).status == 200
        assert (await idle.get("/healthz")).status == 200
        live.recorder.drained.clear()
        live.recorder.hold = True
        body = b'{"client_id":"a","text":"hello"}'
        await pending.send(request("POST", "/api/chat/messages", bearer(token), body=body))
        while not live.recorder.held:
            await asyncio.sleep(0.005)
        live.context.sessions.add(Guest(events))
        os.kill(os.getpid(), sig)
        await until_refused(live)
        # Nobody new comes in; who is connected is still served, told that we are going, and loses nothing.
        reply = await wire.get("/readyz")
        assert reply.status == 503
        assert reply.problem()["code"] == "draining"
        assert reply.headers["retry-after"]
        assert reply.headers["connection"] == "close"
        assert events == ["drain"]
        live.recorder.drained.set()
        assert await idle.closed()
        assert events == ["drain", "drained", "session told"]
        live.recorder.release()
        assert (await pending.reply()).json == {"seq": 1}
        assert await pending.closed()
    live.context.sessions.clear()
    live.context.draining = False


async def test_half_received_request_is_still_answered(edge: Edge) -> None:
    async with serving(edge) as live, live.connect() as wire:
        whole = request("POST", "/api/visitor/sessions", body=b"{}")
        await wire.send(whole[:-1])
        await asyncio.sleep(0.02)
        live.server.should_exit = True
        await until_refused(live)
        await asyncio.sleep(0.2)
        await wire.send(whole[-1:])
        reply = await wire.reply()
        assert reply.status == 200
        assert await wire.closed()


async def test_second_signal_ends_the_waiting(edge: Edge) -> None:
    async with serving(edge) as live, live.connect() as wire:
        live.recorder.drained.clear()
        assert (await wire.get("/healthz")).status == 200
        os.kill(os.getpid(), signal.SIGTERM)
        await until_refused(live)
        os.kill(os.getpid(), signal.SIGTERM)
        assert await wire.closed()
    assert live.recorder.events == ["drain"]


async def test_drain_that_fails_does_not_keep_the_server_up(
    edge: Edge, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def drain(limit: float) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(edge.recorder, "drain", drain)
    async with serving(edge) as live:
        live.server.should_exit = True
    assert "the drain failed" in caplog.text


async def test_not_ready_while_the_store_cannot_write(start: Start) -> None:
    from xiaoer_server.errors import Unavailable

    edge = await start()

    def ready() -> None:
        raise Unavailable("The store cannot write.", code="store_unavailable", retry_after=1)

    async with edge.connect() as wire:
        assert (await wire.get("/readyz")).status == 200
        edge.context.ready = ready
        reply = await wire.get("/readyz")
        assert reply.status == 503
        assert reply.problem()["code"] == "store_unavailable"
        assert (await wire.get("/healthz")).status == 200
