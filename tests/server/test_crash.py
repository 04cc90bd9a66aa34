"""kill -9 under load, again and again: an acked message is there once, in order; half answers say so."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import websockets

from benches.load.simulator import Simulator
from support.process import WIDE_LIMITS, Visitor, XiaoerProcess, visit

ROUNDS = 50
VISITORS = 6


class Sender:
    """A visitor who writes without pause and remembers what was acked."""

    def __init__(self, session: dict[str, str], number: int) -> None:
        self.token = session["token"]
        self.number = number
        self.acked: dict[str, int] = {}
        self.sent: list[str] = []

    def _next(self) -> str:
        client_id = f"v{self.number}-{len(self.sent)}"
        self.sent.append(client_id)
        return client_id

    async def write(self, server: XiaoerProcess) -> None:
        """Resend what was not acked, then go on writing until the plug is pulled."""
        with contextlib.suppress(OSError, websockets.WebSocketException):
            async with visit(server, self.token) as visitor:
                reader = asyncio.ensure_future(self._read(visitor))
                try:
                    for client_id in [each for each in self.sent if each not in self.acked]:
                        await visitor.send(type="message", client_id=client_id, text=f"text of {client_id}")
                    while True:
                        client_id = self._next()
                        await visitor.send(type="message", client_id=client_id, text=f"text of {client_id}")
                        await asyncio.sleep(0.004)
                finally:
                    reader.cancel()
                    with contextlib.suppress(asyncio.CancelledError, OSError, websockets.WebSocketException):
                        await reader

    async def _read(self, visitor: Visitor) -> None:
        while True:
            frame = json.loads(await visitor.socket.recv())
            if frame["type"] == "ack":
                known = self.acked.setdefault(frame["client_id"], frame["seq"])
                assert known == frame["seq"], "one message acked under two seqs"


def history(server: XiaoerProcess, token: str) -> list[dict[str, Any]]:
    """The whole log of a conversation, as a visitor reads it, page by page."""
    entries: list[dict[str, Any]] = []
    before = ""
    while True:
        status, body = server.get(f"/api/chat/messages?limit=200{before}", {"Authorization": f"Bearer {token}"})
        assert status == 200, body
        page = json.loads(body)
        entries[:0] = page["messages"]
        if not page["more"]:
            return entries
        before = f"&before={page['messages'][0]['seq']}"


def check(sender: Sender, entries: list[dict[str, Any]]) -> int:
    """Every promise about one log; returns how many of its answers are marked interrupted."""
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1)), "gap, repeat or disorder"
    by_client_id = {entry["client_id"]: entry for entry in entries if entry["role"] == "visitor"}
    assert len(by_client_id) == sum(entry["role"] == "visitor" for entry in entries), "a message is there twice"
    for client_id, seq in sender.acked.items():
        assert client_id in by_client_id, f"{client_id} was acked and is lost"
        assert by_client_id[client_id]["seq"] == seq
        assert by_client_id[client_id]["text"] == f"text of {client_id}"
    order = [int(entry["client_id"].split("-")[1]) for entry in entries if entry["role"] == "visitor"]
    assert order == sorted(order), "messages changed places"
    return sum(entry.get("status") == "interrupted" for entry in entries)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(tokens=200, rate=100.0, first_token=0.0) as simulator:
        yield simulator


@pytest.mark.slow
async def test_nothing_acked_is_lost_by_fifty_kills(
    tmp_path: Path, simulator: Simulator, record_property: pytest.RecordProperty, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    toml = (
        WIDE_LIMITS + "[answer]\nburst_ms = 60\nburst_max_ms = 120\n"
        f"[model]\nbase_url = '{simulator.base_url}'\nname = 'simulated'\n"
    )
    server = XiaoerProcess(tmp_path / "data", toml=toml)
    server.start()
    senders: list[Sender] = []
    interrupted = 0
    ready: list[float] = []
    try:
        senders = [Sender(server.session(), number) for number in range(VISITORS)]
        for _ in range(ROUNDS):
            writing = [asyncio.ensure_future(sender.write(server)) for sender in senders]
            await asyncio.sleep(dice.uniform(0.15, 0.45))
            server.kill()
            await asyncio.gather(*writing)
            ready.append(await asyncio.to_thread(server.start))
            logs = await asyncio.gather(*(asyncio.to_thread(history, server, each.token) for each in senders))
            interrupted = sum(check(sender, log) for sender, log in zip(senders, logs, strict=True))
        server.stop()
    finally:
        server.kill()
    acked = sum(len(sender.acked) for sender in senders)
    record_property("ready_again_seconds_max", max(ready))
    with capsys.disabled():
        print(
            f"\n[kill -9] seed {seed}: {ROUNDS} kills, {acked} acked messages all there, {interrupted} answers "
            f"marked interrupted, ready again after {sorted(ready)[ROUNDS // 2]:.2f} s (max {max(ready):.2f} s)"
        )
    assert acked > ROUNDS * VISITORS
    assert interrupted > 0, "no answer was cut: the test did not test what it is for"
