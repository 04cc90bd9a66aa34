"""Mixed traffic for as long as is wanted, and then: does the gateway hold what it held before? `make soak`.

    python -m soak --seconds 3600

Streams, plain calls, embeddings, cancelled calls, bad upstreams, bad bodies, cached answers, keys that come and go.
A quarter of the time warms up. Then everything is left to settle and counted; after the rest of the time once more.
The memory's slope is the median of the slopes between all pairs of samples of the last half (Theil-Sen).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from itertools import combinations
from pathlib import Path
from statistics import median

from support import inside
from support.gateway import new_key
from support.inside import Inside
from support.own_gateway import OwnGateway, model, provider
from support.process import WIDE_LIMITS, XiaoerProcess, running
from support.strict_caller import ask, post

CALLERS = 24
SETTLE = 60.0

#: Seconds until a caller takes it that its call hangs.
LIMIT = 20.0

#: Seconds of an upstream's patience, and how soon idle connections go.
PATIENCE = {"first_token_seconds": 2.0, "token_seconds": 1.5, "answer_seconds": 4.0}
IDLE = {"idle_seconds": 1.0, "scale_down_seconds": 1.0}

BROKEN = [
    "500",
    "429",
    "503",
    "stall",
    "truncate",
    "reset",
    "malformed",
    "error_event",
    "hang",
    "close",
    "garbage",
    "gzip",
]
BODIES = [b"", b"{", b"[" * 5_000, b'{"model":"sim-model","model":"x"}', b"\xff", b'{"model":"nobody","messages":[]}']

#: What may be left behind: bytes a call under traffic (the smallest object that the collector knows has 64 with its
#: head), descriptors that belong to no connection of the pools, and objects.
MOST_BYTES_A_CALL = 64.0
#: What arenas that fill up can feign where calls are few.
NOISE = 3_145_728
MOST_DESCRIPTORS = 2
MOST_OBJECTS_A_CALL = 0.02


class Traffic:
    """Callers that do one thing after the other until they are told to stop."""

    def __init__(self, gateway: OwnGateway, seed: int, limit: float) -> None:
        self.gateway = gateway
        self._limit = limit
        self.counts: Counter[str] = Counter()
        self._random = random.Random(seed)

    @property
    def calls(self) -> int:
        return self.counts.total()

    async def run(self, seconds: float) -> list[tuple[int, int]]:
        """Traffic for so long; returns (calls so far, bytes of memory) of each second."""
        end = time.monotonic() + seconds
        samples = []
        async with asyncio.TaskGroup() as group:
            for _ in range(CALLERS):
                group.create_task(self._caller(end))
            while time.monotonic() < end:
                await asyncio.sleep(1.0)
                samples.append((self.calls, inside.resident(self.gateway.server)))
        return samples

    async def _caller(self, end: float) -> None:
        kinds = [self._stream, self._plain, self._cancel, self._fault, self._embeddings, self._cached, self._bad]
        while time.monotonic() < end:
            [kind] = self._random.choices(kinds, [8, 4, 6, 3, 2, 2, 2])
            await kind()
            self.counts[kind.__name__.strip("_")] += 1

    def _reply(self) -> str:
        return f"{self._random.random()} " + "您好，word " * self._random.randrange(30)

    async def _stream(self) -> None:
        reply = self._reply()
        heard = await ask(self.gateway, f"[[reply:{reply}]]", stream=True, limit=self._limit)
        assert heard.whole, heard
        assert heard.text == reply

    async def _plain(self) -> None:
        reply = self._reply()
        heard = await ask(self.gateway, f"[[reply:{reply}]]", stream=False, limit=self._limit)
        assert heard.whole, heard
        assert heard.text == reply

    async def _cached(self) -> None:
        body = {
            "model": "sim-model",
            "messages": [{"role": "user", "content": f"[[reply:{self._random.randrange(500)}]]"}],
        }
        heard = await post(
            self.gateway,
            "/chat/completions",
            json.dumps(body).encode(),
            limit=self._limit,
            headers={"X-Xiaoer-Cache": "exact"},
        )
        assert heard.whole, heard

    async def _embeddings(self) -> None:
        body = {"model": "sim-model", "input": ["one", "two"]}
        heard = await post(self.gateway, "/embeddings", json.dumps(body).encode(), limit=self._limit)
        assert heard.status == 200, heard

    async def _bad(self) -> None:
        heard = await post(self.gateway, "/chat/completions", self._random.choice(BODIES), limit=self._limit)
        assert heard.status in {400, 404}, heard

    async def _fault(self) -> None:
        reply, fault = self._reply(), self._random.choice(BROKEN)
        named = self._random.choice(["sim-model", "both"])
        stream = self._random.random() < 0.7
        question = f"[[fault:{fault}]] [[reply:{reply}]]"
        heard = await ask(self.gateway, question, stream=stream, model=named, limit=self._limit)
        assert (heard.whole and heard.text == reply) or heard.error is not None, heard

    async def _cancel(self) -> None:
        gateway, chance = self.gateway, self._random
        body = {
            "model": "sim-model",
            "stream": chance.random() < 0.8,
            "messages": [{"role": "user", "content": f"[[reply:{self._reply()}]]"}],
        }
        data = json.dumps(body).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.server.port)
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
        await writer.drain()
        if chance.random() < 0.8:
            await reader.read(chance.choice([1, 500, 2_000]))
        if chance.random() < 0.5:
            writer.transport.abort()
        writer.close()


async def settled(server: XiaoerProcess, report: Path) -> Inside:
    """Wait until nothing is given back any more, then look."""
    end = time.monotonic() + SETTLE
    before = (-1, -1)
    same = 0
    while time.monotonic() < end and same < 4:
        await asyncio.sleep(2.0)
        now = (inside.descriptors(server), await asyncio.to_thread(inside.pooled, server))
        same = same + 1 if now == before else 0
        before = now
    return await asyncio.to_thread(inside.look, server, report)


async def soak(seconds: float, seed: int, folder: Path, simulator: str, slack: float) -> bool:
    """Run and tell; whether all is as it was."""
    report = folder / "inside.json"
    patience = {key: slack * seconds for key, seconds in PATIENCE.items()}
    toml = (
        WIDE_LIMITS + "[gateway]\ncache_bytes = 200000\nretry_budget = 1.0\n"
        f"{provider('sim', simulator, **patience, **IDLE)}{provider('spare', simulator, **patience, **IDLE)}"
        f"{model('sim-model', 'sim')}{model('both', 'sim/sim-model', 'spare/sim-model')}"
    )
    with running(folder / "data", toml=toml, environ=inside.environ(report)) as server:
        traffic = Traffic(OwnGateway(server, new_key(server.data, "--name", "soak")), seed, slack * LIMIT)
        await traffic.run(seconds / 4)
        first = await settled(server, report)
        warm = traffic.calls
        samples = await traffic.run(seconds * 3 / 4)
        last = await settled(server, report)
        calls = traffic.calls - warm
        log = server.log.read_text("utf-8", "replace")
    assert "Traceback" not in log, log[-4_000:]
    return tell(first, last, samples, calls, seconds, traffic)


def tell(
    first: Inside, last: Inside, samples: list[tuple[int, int]], calls: int, seconds: float, traffic: Traffic
) -> bool:
    """Print the table; whether all is as it was."""
    late = samples[len(samples) // 3 :]  # the last half of all traffic: what only fills up has filled up
    every = late[:: max(1, len(late) // 400)]  # an hour has too many pairs otherwise
    growth = median((b - a) / (j - i) for (i, a), (j, b) in combinations(every, 2) if j > i)
    kept = last.descriptors - last.pooled - (first.descriptors - first.pooled)
    objects = (last.objects - first.objects) / calls
    megabyte = 1_048_576
    rows = [
        ("memory at rest, MB", first.resident / megabyte, last.resident / megabyte, True),
        ("memory under traffic, MB", samples[0][1] / megabyte, samples[-1][1] / megabyte, True),
        ("slope, bytes a call", 0.0, growth, growth <= max(MOST_BYTES_A_CALL, NOISE / (late[-1][0] - late[0][0]))),
        ("descriptors", first.descriptors, last.descriptors, kept <= MOST_DESCRIPTORS),
        ("  of these pooled", first.pooled, last.pooled, True),
        ("threads", first.threads, last.threads, last.threads <= first.threads),
        ("tasks", first.tasks, last.tasks, last.tasks <= first.tasks),
        ("objects", first.objects, last.objects, objects <= MOST_OBJECTS_A_CALL),
    ]
    done = ", ".join(f"{count} {kind}" for kind, count in sorted(traffic.counts.items()))
    print(f"{calls} calls in {seconds * 3 / 4:.0f} s after the warm-up; in all {done}")
    print(f"{'':26}{'before':>12}{'after':>12}")
    for name, before, after, good in rows:
        print(f"{name:26}{before:12.1f}{after:12.1f}{'' if good else '   too much'}")
    megabytes = [f"{count}: {size / megabyte:.1f}" for count, size in samples[:: max(1, len(samples) // 12)]]
    print("memory in MB after so many calls:", ", ".join(megabytes))
    if objects > MOST_OBJECTS_A_CALL:
        grown = Counter(last.types)
        grown.subtract(first.types)
        print("grown most:", ", ".join(f"{name} +{count}" for name, count in grown.most_common(10)))
    return all(good for *_, good in rows)


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m soak", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=180.0, help="of traffic")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument(
        "--slack", type=float, default=1.0, help="times longer an upstream is waited for: a busy machine"
    )
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    command = [sys.executable, "-m", "benches.load.simulator", "--rate", "2000", "--first-token", "0.002"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as simulator:
        try:
            assert simulator.stdout is not None
            address = simulator.stdout.readline().split()[-1]
            with tempfile.TemporaryDirectory() as folder:
                return 0 if asyncio.run(soak(given.seconds, given.seed, Path(folder), address, given.slack)) else 1
        finally:
            simulator.terminate()


if __name__ == "__main__":
    sys.exit(main())
