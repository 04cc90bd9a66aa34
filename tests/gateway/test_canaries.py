"""Cancelled calls by the thousand: nobody ever sees a byte of another's answer.

`XIAOER_CANARIES=100000 make test ARGS=tests/gateway/test_canaries.py` makes the whole hundred thousand.
"""

from __future__ import annotations

import asyncio
import os
import random
import re

import msgspec
import pytest

from support.gateway import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

CANARY = re.compile(rb"canary-(\d+)-")


class Counts:
    """What became of the calls."""

    def __init__(self) -> None:
        self.cancelled = 0
        self.whole = 0


async def one(gateway: Gateway, number: int, chance: random.Random, counts: Counts) -> None:
    """One call on a connection of its own, left at a random point."""
    mark = f"canary-{number}-"
    stream = chance.random() < 0.7
    said = f"{mark}begins " + "word " * chance.randrange(40) + f"{mark}ends"
    body = msgspec.json.encode(
        {"model": "sim-model", "messages": [{"role": "user", "content": f"[[reply:{said}]]"}], "stream": stream}
    )
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {gateway.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.server.port)
    try:
        writer.write(head.encode() + body)
        most = chance.choice([0, 0, 1, 300, 1_000, 3_000, 100_000])
        seen = b""
        while len(seen) < most and b"[DONE]" not in seen and not (not stream and b'"usage"' in seen):
            block = await reader.read(min(most - len(seen), 65_536))
            assert block, "the gateway hung up"
            seen += block
        strangers = {int(found) for found in CANARY.findall(seen)} - {number}
        assert not strangers, f"call {number} saw answers of {strangers}"
        if f"{mark}ends".encode() in seen:
            counts.whole += 1
        else:
            counts.cancelled += 1
        if chance.random() < 0.3:
            writer.transport.abort()
    finally:
        writer.close()


async def test_nobody_sees_anothers_answer(gateway: Gateway) -> None:
    calls = int(os.environ.get("XIAOER_CANARIES", "4000"))
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    counts = Counts()
    numbers = iter(range(calls))

    async def visitor(which: int) -> None:
        chance = random.Random(f"{seed}-{which}")
        for number in numbers:
            await one(gateway, number, chance, counts)

    async with asyncio.TaskGroup() as group:
        for which in range(32):
            group.create_task(visitor(which))
    assert counts.cancelled + counts.whole == calls
    assert counts.cancelled > calls // 4
    assert counts.whole > calls // 50
    for _ in range(100):
        if not any(connection._busy for connection in gateway.first.connections):
            break
        await asyncio.sleep(0.05)
    else:
        raise AssertionError("upstream calls go on that nobody wants")
