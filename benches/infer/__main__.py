"""What a call of the model process costs the chat's loop: `python -m benches.infer [--models DIR] [--rate 200]`.

A process of its own serves the encoder `e5-small` of the folder, or a tiny ONNX model where none is given. On this
side runs uvloop with the server's settings. Printed are the time of a call and the loop's own processor time for it,
for one and for several callers, from the service's memory (the way alone) and with the model; then the longest pauses
of the loop, which a timer of one millisecond measures, without calls and while so many a second come.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.metadata
import itertools
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import uvloop

from xiaoer_server.app import SWITCH_SECONDS
from xiaoer_server.infer.client import InferClient, InferError
from xiaoer_server.infer.supervisor import Supervisor

TINY = Path(__file__).parents[2] / "tests" / "support" / "tiny_model.py"

_number = itertools.count()


def fresh() -> str:
    """A question of a shop that nobody has asked before."""
    return f"我的订单 {next(_number)} 什么时候发货，可以改地址吗？"


def _known() -> str:
    return "怎么退货？"


async def cost(client: InferClient, callers: int, calls: int, text: Callable[[], str]) -> str:
    seconds: list[float] = []

    async def caller() -> None:
        for _ in range(calls // callers):
            began = time.perf_counter()
            await client.embed([text()], deadline=10)
            seconds.append(time.perf_counter() - began)

    processor, wall = time.thread_time(), time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    processor, wall = time.thread_time() - processor, time.perf_counter() - wall
    seconds.sort()
    middle, late = statistics.median(seconds), seconds[int(len(seconds) * 0.99)]
    return (
        f"| {callers:3} | {len(seconds) / wall:8,.0f} | {middle * 1e3:7.2f} | {late * 1e3:7.2f} "
        f"| {processor / len(seconds) * 1e6:6.0f} |"
    )


class Pauses:
    """How late a timer of one millisecond comes, and how long the loop's thread computed without a look at it."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self.busy: list[float] = []
        self._task = asyncio.ensure_future(self._measure())

    async def _measure(self) -> None:
        # Not by the loop's own clock, which uvloop reads once a turn.
        while True:
            due, processor = time.perf_counter() + 0.001, time.thread_time()
            await asyncio.sleep(0.001)
            self.late.append(time.perf_counter() - due)
            self.busy.append(time.thread_time() - processor)

    async def end(self) -> str:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        late, busy = sorted(self.late), sorted(self.busy)
        p99 = int(len(late) * 0.99)
        return (
            f"timer late: p50 {late[len(late) // 2] * 1e3:.2f}, p99 {late[p99] * 1e3:.2f}, "
            f"longest {late[-1] * 1e3:.2f} ms; of this thread's own time: p99 {busy[p99] * 1e3:.2f}, "
            f"longest {busy[-1] * 1e3:.2f} ms"
        )


async def at_rate(client: InferClient, rate: float, seconds: float) -> str:
    loop = asyncio.get_running_loop()
    pauses = Pauses()
    brought: dict[str, int] = {}

    async def call() -> None:
        try:
            await client.embed([fresh()])
            what = "answered"
        except InferError as error:
            what = error.kind
        brought[what] = brought.get(what, 0) + 1

    began, processor = loop.time(), time.thread_time()
    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(began + number / rate - loop.time(), 0))
            group.create_task(call())
    share = (time.thread_time() - processor) / (loop.time() - began)
    return f"{rate:.0f} a second for {seconds:.0f} s: {brought}; loop busy {share:.0%}; {await pauses.end()}"


async def measure(options: argparse.Namespace, folder: Path) -> None:
    if options.models is not None:
        arguments = ["--models", str(options.models)]
        supervisor = Supervisor(folder, arguments)
    else:
        from tests.support.tiny_model import build

        (folder / "tiny.onnx").write_bytes(build(384))
        supervisor = Supervisor(folder, ["--file", str(folder / "tiny.onnx")], program=[sys.executable, str(TINY)])
    supervisor.start()
    client = InferClient([supervisor.address])
    known = asyncio.Event()
    client.on_version(lambda _: known.set())
    client.start()
    try:
        await known.wait()
        grpcio = importlib.metadata.version("grpcio")
        print(f"{client.version}; grpcio {grpcio}, uvloop {uvloop.__version__}, {platform.python_version()}")
        for what, text, calls in (("from memory", _known, 4_000), ("with the model", fresh, options.calls)):
            print(f"\n{what}\n\n| callers | a second | p50 ms | p99 ms | loop µs a call |\n|---|---|---|---|---|")
            await cost(client, 4, 200, text)
            for callers in (1, 8, 32):
                print(await cost(client, callers, calls, text))
        pauses = Pauses()
        await asyncio.sleep(options.seconds)
        print(f"\nno calls: {await pauses.end()}")
        print(await at_rate(client, options.rate, options.seconds))
    finally:
        await client.close()
        await supervisor.stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benches.infer")
    parser.add_argument("--models", type=Path, help="folder that holds e5-small")
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--calls", type=int, default=640)
    options = parser.parse_args()
    sys.setswitchinterval(SWITCH_SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(measure(options, Path(folder)))


if __name__ == "__main__":
    main()
