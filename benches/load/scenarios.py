"""What is measured. Each scenario drives a server that is already up, and returns its rows of the table."""

from __future__ import annotations

import asyncio
import itertools
import re
import statistics
import time
from array import array
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from benches.load.clients import (
    ClientError,
    Frame,
    WebSocketClient,
    connect_all,
    decode_frame,
    http_loops,
    open_sessions,
)
from benches.load.machine import Child


class Row(NamedTuple):
    """One line of the table."""

    what: str
    measured: str
    target: str = ""


def percentiles(seconds: Sequence[float]) -> str:
    """p50, p99 and the greatest of some times, in milliseconds."""
    if not seconds:
        return "none"
    ordered = sorted(seconds)
    p50, p99 = statistics.median(ordered), ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"p50 {p50 * 1e3:.1f}, p99 {p99 * 1e3:.1f}, max {ordered[-1] * 1e3:.1f} ms"


class Busy:
    """How much of their cores a process of ours and this one use, from now on."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._began = time.perf_counter()
        self._cpu = child.cpu
        self._own = time.process_time()

    @property
    def cpu(self) -> float:
        """Seconds of processor time that the other process has used."""
        return self._child.cpu - self._cpu

    def __str__(self) -> str:
        seconds = time.perf_counter() - self._began
        own = time.process_time() - self._own
        return f"cores busy: {self._child.name} {self.cpu / seconds:.0%}, generator {own / seconds:.0%}"


class Faults:
    """What must not happen."""

    def __init__(self) -> None:
        self.lost = 0
        self.duplicated = 0
        self.reordered = 0
        self.errors: list[str] = []

    def __str__(self) -> str:
        text = f"lost {self.lost}, duplicated {self.duplicated}, reordered {self.reordered}, errors {len(self.errors)}"
        return text + (f" (first: {self.errors[0]})" if self.errors else "")


class Acks:
    """What all posters of a run have in common."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.times = array("d")  # seconds from when a message was due to its ack, while measuring
        self.acked = 0
        self.measuring = False
        self.again = False  # an ack is followed by the next message at once
        self.under_way = 0
        self.quiet = asyncio.Event()  # nothing is under way

    async def settle(self) -> None:
        """Wait until all is acknowledged; what isn't in 30 s is lost."""
        self.again = False
        if self.under_way:
            self.quiet.clear()
            try:
                await asyncio.wait_for(self.quiet.wait(), 30)
            except TimeoutError:
                self.faults.lost += self.under_way


class Poster(WebSocketClient):
    """Posts messages, and checks that their acks come in order with seqs that have no gap."""

    def __init__(self, path: str, run: Acks) -> None:
        super().__init__(path)
        self.run = run
        self._due: deque[tuple[str, float]] = deque()
        self._seq = 0
        self._number = 0

    def post(self, due: float) -> None:
        """Send one message, which was due at this time of `perf_counter`."""
        self._number += 1
        client_id = str(self._number)
        self._due.append((client_id, due))
        self.run.under_way += 1
        text = f'{{"type":"message","client_id":"{client_id}","text":"第 {client_id} 条：请问我的订单什么时候发货？"}}'
        self.send(text.encode())

    def on_text(self, payload: bytes) -> None:
        frame = decode_frame(payload)
        if frame.type == "ack":
            self._on_ack(frame)
        elif frame.type == "error":
            self.run.faults.errors.append(f"{frame.code}: {frame.message}")

    def _on_ack(self, frame: Frame) -> None:
        run = self.run
        now = time.perf_counter()
        if not self._due:
            run.faults.duplicated += 1
            return
        client_id, due = self._due.popleft()
        if frame.client_id != client_id:
            run.faults.reordered += 1
        if frame.seq != self._seq + 1:  # nobody else writes into this conversation
            run.faults.lost += frame.seq > self._seq + 1
            run.faults.duplicated += frame.seq <= self._seq
        self._seq = frame.seq
        run.acked += 1
        run.under_way -= 1
        if run.measuring:
            run.times.append(now - due)
        if run.again:
            self.post(now)
        elif not run.under_way:
            run.quiet.set()

    def on_close(self) -> None:
        if self._due:
            self.run.faults.errors.append("a socket was closed with messages under way")


async def acks(
    server: Child, *, connections: int, in_flight: int, offered: float, seconds: float
) -> tuple[list[Row], int]:
    """Messages to fsynced acks; the server has answering off. Also returns how many were acknowledged in all.

    First as fast as they go with so many under way, then at a given rate, where a message's time counts from when
    it was due: a server that stalls can't slow the clients down and so hide it.
    """
    run = Acks()
    posters = await connect_all(Poster, server.port, await open_sessions(server.port, connections), run)
    run.again = True
    for _ in range(in_flight):
        for poster in posters:
            poster.post(time.perf_counter())
    await asyncio.sleep(min(2.0, seconds))
    busy, before, began = Busy(server), run.acked, time.perf_counter()
    run.measuring = True
    await asyncio.sleep(seconds)
    run.measuring = False
    rate, cores = (run.acked - before) / (time.perf_counter() - began), str(busy)
    await run.settle()
    rows = [
        Row(
            f"message → fsynced ack, {connections} sockets × {in_flight} under way",
            f"{rate:,.0f}/s, {percentiles(run.times)}",
            "≥ 10,000/s",
        ),
        Row("  while it ran", cores),
    ]
    run.times = array("d")
    busy, before = Busy(server), run.acked
    run.measuring = True
    await _offer(posters, offered, seconds)
    rate, cores = (run.acked - before) / seconds, str(busy)
    await run.settle()
    for poster in posters:
        poster.close()
    rows += [
        Row(
            f"message → fsynced ack, {offered:,.0f}/s offered",
            f"{rate:,.0f}/s, {percentiles(run.times)}",
            "p99 ≤ 50 ms",
        ),
        Row("  while it ran", cores),
        Row("  faults of both", str(run.faults), "none"),
    ]
    return rows, run.acked


async def _offer(posters: Sequence[Poster], rate: float, seconds: float) -> None:
    """Post at a steady rate, one socket after the other."""
    turn = itertools.cycle(posters)
    began, sent = time.perf_counter(), 0
    while (now := time.perf_counter()) - began < seconds:
        for number in range(sent, int((now - began) * rate)):
            next(turn).post(began + number / rate)
            sent += 1
        await asyncio.sleep(0.001)


STAMP = re.compile(r"(\d+)@(\d+) ")


class Streams:
    """What all readers of a run have in common."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self.faults = Faults()
        self.first = array("d")  # seconds from question to first token
        self.gaps = array("d")  # seconds from the simulator's sending of a token to its arrival here
        self.finished = 0


class Reader(WebSocketClient):
    """Asks once and checks every delta of the answer: its offset, and the tokens' numbers and times."""

    def __init__(self, path: str, run: Streams) -> None:
        super().__init__(path)
        self.run = run
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked = 0.0
        self._offset = 0
        self._rest = ""
        self._token = 0

    def ask(self) -> None:
        """Send the question."""
        self._asked = time.perf_counter()
        self.send(f'{{"type":"message","client_id":"1","text":"我的订单 {id(self)} 什么时候到？"}}'.encode())

    def on_text(self, payload: bytes) -> None:
        frame = decode_frame(payload)
        if frame.type == "delta":
            self._on_delta(frame)
        elif frame.type == "done":
            self._on_done(frame)
        elif frame.type == "error":
            self.run.faults.errors.append(f"{frame.code}: {frame.message}")
            self._finish()

    def _on_delta(self, frame: Frame) -> None:
        now, run = time.monotonic_ns(), self.run
        if self._offset == 0:
            run.first.append(time.perf_counter() - self._asked)
        run.faults.lost += frame.offset > self._offset
        run.faults.duplicated += frame.offset < self._offset
        self._offset = frame.offset + len(frame.text)
        text = self._rest + frame.text
        at = 0
        for stamp in STAMP.finditer(text):
            at = stamp.end()
            number = int(stamp[1])
            if number != self._token:
                run.faults.lost += max(0, number - self._token)
                run.faults.reordered += number < self._token
            self._token = number + 1
            run.gaps.append((now - int(stamp[2])) / 1e9)
        self._rest = text[at:]

    def _on_done(self, frame: Frame) -> None:
        if frame.finish_reason != "stop":
            self.run.faults.errors.append(f"finished by {frame.finish_reason}")
        elif self._token != self.run.tokens:
            self.run.faults.lost += self.run.tokens - self._token
        else:
            self.run.finished += 1
        self._finish()

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def on_close(self) -> None:
        if not self.done.done():
            self.run.faults.errors.append("a socket was closed")
            self._finish()


async def streams(
    server: Child, *, connections: int, rate: float, tokens: int, first_token: float, ramp: float
) -> list[Row]:
    """So many answers at once; the simulator stamps every token with the time of its sending."""
    run = Streams(tokens)
    readers = await connect_all(Reader, server.port, await open_sessions(server.port, connections), run)
    busy = Busy(server)
    for reader in readers:
        reader.ask()
        await asyncio.sleep(ramp / connections)
    await asyncio.wait([reader.done for reader in readers], timeout=tokens / rate * 2 + 60)
    cores, per_token = str(busy), busy.cpu / max(1, len(run.gaps)) * 1e6
    hung = sum(not reader.done.done() for reader in readers)
    if hung:
        run.faults.errors.append(f"{hung} answers never ended")
    for reader in readers:
        reader.close()
    return [
        Row(
            f"{connections:,} streams × {rate:g} tokens/s: added gap",
            f"{percentiles(run.gaps)} ({len(run.gaps):,} tokens)",
            "p99 ≤ 50 ms",
        ),
        Row(f"  time to first token, the model's {first_token * 1e3:.0f} ms included", percentiles(run.first)),
        Row("  their faults; whole answers", f"{run.faults}; {run.finished:,} of {connections:,}", "none; all"),
        Row("  while they ran; the server's time a token", f"{cores}; {per_token:.0f} µs"),
    ]


async def idle(server: Child, *, connections: int) -> list[Row]:
    """Visitors who only look: what a WebSocket costs in memory, session and conversation included."""
    paths = await open_sessions(server.port, connections + 200)
    # The first connections pay for what is loaded and allocated once.
    warm = await connect_all(WebSocketClient, server.port, paths[connections:])
    await asyncio.sleep(0.5)
    for client in warm:
        client.close()
    await asyncio.sleep(1.0)
    before = server.memory
    began = time.perf_counter()
    clients = await connect_all(WebSocketClient, server.port, paths[:connections])
    took = time.perf_counter() - began
    await asyncio.sleep(2.0)
    after, busy = server.memory, Busy(server)
    await asyncio.sleep(3.0)
    cores = str(busy)
    gone = sum(client.closed for client in clients)
    for client in clients:
        client.close()
    if gone:
        raise ClientError(f"{gone} idle sockets were closed")
    return [
        Row(
            f"{connections:,} idle WebSockets: memory each",
            f"{(after - before) / connections / 1024:.1f} KB (server {before / 2**20:.0f} → {after / 2**20:.0f} MB)",
            "≤ 16 KB",
        ),
        Row("  connected at; while they are idle", f"{connections / took:,.0f}/s; {cores}"),
    ]


async def ceiling(simulator: Child, *, connections: int, seconds: float) -> list[Row]:
    """How fast the simulator itself is, so that nobody takes its limit for the server's."""
    body = b'{"model":"m","messages":[{"role":"user","content":"hello there, how are you?"}]}'
    request = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    end = time.perf_counter() + seconds
    counter = itertools.count()

    def on_answer(status: int, _: bytes) -> None:
        if status != 200:
            raise ClientError(f"the simulator answered {status}")
        next(counter)

    busy, began = Busy(simulator), time.perf_counter()
    await http_loops(simulator.port, connections, lambda: request if time.perf_counter() < end else None, on_answer)
    answers, took = next(counter), time.perf_counter() - began
    return [
        Row(
            f"the simulator itself, not streamed, {connections} connections",
            f"{answers / took:,.0f}/s, {answers / max(busy.cpu, 0.01):,.0f} a second of its processor time",
            "≥ 20,000/s",
        ),
        Row("  while it ran", str(busy)),
    ]
