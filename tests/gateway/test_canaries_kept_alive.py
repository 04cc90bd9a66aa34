"""Cancelled calls once more: paced streams cut in their middle, on connections that callers keep and reuse.

Each reply is made of its call's own mark, so that one byte of another's shows. `XIAOER_CANARIES=100000` makes as many.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import pytest

from support.own_gateway import OwnGateway, model, own_gateway, provider
from support.strict_caller import unchunked

CALLS = int(os.environ.get("XIAOER_CANARIES", "3000"))
CALLERS = 48

MARK = re.compile(rb"<(\d{7,})>")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnGateway]:
    """Its simulator is a process of its own: the callers need this one's time."""
    command = [sys.executable, "-m", "benches.load.simulator", "--rate", "1500", "--first-token", "0.003"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as simulator:
        try:
            assert simulator.stdout is not None
            address = simulator.stdout.readline().split()[-1]
            data = tmp_path_factory.mktemp("canaries") / "data"
            with own_gateway(data, provider("sim", address), model("sim-model", "sim")) as gateway:
                yield gateway
        finally:
            simulator.terminate()


class Wrong(Exception):
    """Something came that was not this call's."""


class Caller:
    """Calls one after the other, on one connection as long as it lasts."""

    def __init__(self, gateway: OwnGateway, numbers: Iterator[int], seed: str, counts: Counter[str]) -> None:
        self._gateway = gateway
        self._numbers = numbers
        self._random = random.Random(seed)
        self._counts = counts
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def run(self) -> None:
        """Until there are no more numbers.

        Raises:
            Wrong: a byte of another's answer.
        """
        for number in self._numbers:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._gateway.server.port)
            await self._one(number, *self._streams)
        self._leave()

    def _leave(self) -> None:
        if self._streams is not None:
            _, writer = self._streams
            if self._random.random() < 0.5:
                writer.transport.abort()
            writer.close()
            self._streams = None

    async def _one(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        chance = self._random
        stream = chance.random() < 0.7
        reply = f"<{number}>" * chance.randrange(1, 12)
        body = {"model": "sim-model", "messages": [{"role": "user", "content": f"[[reply:{reply}]]"}], "stream": stream}
        data = json.dumps(body).encode()
        lines = ["POST /v1/chat/completions HTTP/1.1", "Host: x", f"Authorization: Bearer {self._gateway.key}"]
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}", "", ""]
        request = "\r\n".join(lines).encode() + data
        way = chance.choices(["whole", "at once", "half sent", "midway", "later"], [4, 1, 1, 5, 2])[0]
        writer.write(request[: len(request) // 2] if way == "half sent" else request)
        if way == "whole":
            text = await _whole(reader, stream)
            if text != reply:
                raise Wrong(f"call {number} got {text!r}")
            self._counts[way] += 1
            return
        if way == "later":
            await asyncio.sleep(chance.random() * 0.03)
        seen = await _some(reader, chance.randrange(1, 3_000)) if way == "midway" else b""
        self._leave()
        if _foreign(seen, number):
            raise Wrong(f"call {number} saw {seen!r}")
        self._counts[way] += 1


def _foreign(seen: bytes, number: int) -> bool:
    """Whether what came holds another's mark, or text that is not the beginning of this call's reply."""
    if any(int(mark) != number for mark in MARK.findall(seen)):
        return True
    head, _, rest = seen.partition(b"\r\n\r\n")
    if b"event-stream" not in head:
        return False
    text = ""
    for event in unchunked(rest)[0].split(b"\n\n")[:-1]:
        if event != b"data: [DONE]":
            for choice in json.loads(event.removeprefix(b"data: "))["choices"]:
                text += choice["delta"].get("content") or ""
    return not (f"<{number}>" * 12).startswith(text)


async def _some(reader: asyncio.StreamReader, most: int) -> bytes:
    seen = b""
    while len(seen) < most:
        block = await reader.read(most - len(seen))
        seen += block
        if not block or b"[DONE]" in seen or b'"usage"' in seen:
            break
    return seen


async def _whole(reader: asyncio.StreamReader, stream: bool) -> str:
    """Read exactly one response and give its text.

    Raises:
        Wrong: it is none.
    """
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise Wrong(f"{head!r}")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
    if not stream:
        body = json.loads(await reader.readexactly(int(fields[b"content-length"])))
        return str(body["choices"][0]["message"]["content"])
    data = b""
    while size := int(await reader.readline(), 16):
        data += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    events = [event.removeprefix(b"data: ") for event in data.split(b"\n\n")]
    if events[-2:] != [b"[DONE]", b""]:
        raise Wrong(f"{data!r}")
    choices = [json.loads(event)["choices"][0] for event in events[:-2]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


async def test_nobody_sees_anothers_answer(gateway: OwnGateway) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    counts: Counter[str] = Counter()
    numbers = iter(range(1_000_000, 1_000_000 + CALLS))
    async with asyncio.TaskGroup() as group:
        for which in range(CALLERS):
            group.create_task(Caller(gateway, numbers, f"{seed}-{which}", counts).run())
    print(dict(counts))
    assert counts.total() == CALLS
    assert counts["whole"] > CALLS // 10
    assert counts["midway"] > CALLS // 10
