"""What is measured of one gateway; the simulator and the callers share this process and its core."""

from __future__ import annotations

import statistics
import time
from array import array

import msgspec

from benches.load.callers import Endpoint, Load, ask_once
from benches.load.checks import Expected, WrongAnswer
from benches.load.machine import Child
from benches.load.replies import sample
from benches.load.simulator import Simulator

RATE = 50.0
FIRST_TOKEN = 0.05


class Plan(msgspec.Struct, frozen=True):
    """How long and how much. `streams` are the numbers of paced streams at once, `tokens` those of a paced answer."""

    seconds: float = 5.0
    warm: float = 1.0
    connections: int = 64
    streams: tuple[int, ...] = (400, 1000)
    tokens: int = 250
    seconds_paced: float = 10.0


class Paced(msgspec.Struct):
    """Streams at 50 tokens a second: tokens that came a second, how many should, times to the first in seconds."""

    tokens: float
    wanted: float
    cpu: float  # seconds a token
    p50: float
    p99: float
    samples: int
    own: float  # share of its core that the generator used


class Fast(msgspec.Struct):
    """Answers as fast as they come: how many a second, processor seconds for each, cores' shares."""

    rate: float
    cpu: float
    busy: float
    own: float


class Result(msgspec.Struct):
    """All about one subject; bytes and seconds. `missing` says why there is nothing.

    `failures` is what it could not do when asked once, `problems` the answers that were not as sent.
    """

    name: str
    does: str = ""
    ours: bool = False
    missing: str = ""
    plain: Fast | None = None
    streams: Fast | None = None
    paced: dict[int, Paced] = msgspec.field(default_factory=dict)
    rest: int = 0
    most: int = 0
    rewritten: bool = False
    failures: list[str] = msgspec.field(default_factory=list)
    problems: list[str] = msgspec.field(default_factory=list)


class _Measured(Load):
    """A load whose callers' and server's processor time are taken while it is measured."""

    child: Child | None = None

    def begin(self) -> None:
        self.used = self.child.cpu if self.child else 0.0
        self.own = time.process_time()

    def end(self) -> None:
        self.used = (self.child.cpu if self.child else 0.0) - self.used
        self.most = self.child.memory if self.child else 0
        self.own = time.process_time() - self.own


class Bench:
    """The simulator, and the same questions for everyone."""

    def __init__(self, simulator: Simulator, plan: Plan) -> None:
        self.simulator = simulator
        self.plan = plan
        self.direct: dict[int, Paced] = {}
        self._round = 0.0

    def _pace(self, rate: float, tokens: int) -> None:
        self.simulator.rate = rate
        self.simulator.first_token = FIRST_TOKEN if rate else 0.0
        self.simulator.reply = sample(tokens)
        self.simulator.drafts.clear()

    async def _expected(self, *, stream: bool) -> Expected:
        rate, first = self.simulator.rate, self.simulator.first_token
        self.simulator.rate = self.simulator.first_token = 0.0
        raw = await ask_once(Endpoint(self.simulator.port), stream=stream)
        self.simulator.rate, self.simulator.first_token = rate, first
        return Expected(raw, stream=stream)

    async def baseline(self) -> None:
        """The simulator itself, asked by the same callers at the same pace."""
        for streams in self.plan.streams:
            self.direct[streams] = await self._paced(Endpoint(self.simulator.port), None, streams, None)

    async def measure(self, result: Result, child: Child, endpoint: Endpoint) -> None:
        """All runs of one subject."""
        result.rest = child.memory
        if await self._answers(endpoint, result, stream=False):
            result.plain = await self._fast(endpoint, child, result, stream=False)
        result.most = child.memory
        if not await self._answers(endpoint, result, stream=True):
            return
        result.streams = await self._fast(endpoint, child, result, stream=True)
        result.most = child.memory
        for streams in self.plan.streams:
            paced = await self._paced(endpoint, child, streams, result)
            result.paced[streams] = paced
            if paced.tokens < 0.5 * paced.wanted:
                break  # with more it would only fall further behind

    async def _answers(self, endpoint: Endpoint, result: Result, *, stream: bool) -> bool:
        """Whether it answers at all, asked once; its first answer may take its time."""
        self._pace(0.0, 100)
        expected = await self._expected(stream=stream)
        try:
            expected.check_raw(await ask_once(endpoint, stream=stream))
            began = time.perf_counter()
            expected.check_raw(await ask_once(endpoint, stream=stream))
            self._round = self.plan.connections * (time.perf_counter() - began)
        except (WrongAnswer, TimeoutError) as problem:
            what = "streams" if stream else "answers"
            (result.problems if result.ours else result.failures).append(f"{what}: {str(problem) or 'none in 30 s'}")
            return False
        return True

    async def _fast(self, endpoint: Endpoint, child: Child, result: Result, *, stream: bool) -> Fast:
        plan = self.plan
        self._pace(0.0, 100)
        load = _Measured(endpoint, await self._expected(stream=stream), stream=stream)
        load.child = child
        # Who needs seconds for one round of all callers is given time for some of them.
        warm, seconds = max(plan.warm, min(20.0, self._round)), max(plan.seconds, min(20.0, 3 * self._round))
        took = await load.run(plan.connections, warm=warm, seconds=seconds)
        _note(load, result)
        answers = max(1, load.measured[0])
        return Fast(load.measured[0] / took, load.used / answers, load.used / took, load.own / took)

    async def _paced(self, endpoint: Endpoint, child: Child | None, streams: int, result: Result | None) -> Paced:
        plan = self.plan
        self._pace(RATE, plan.tokens)
        load = _Measured(endpoint, await self._expected(stream=True), stream=True)
        load.child = child
        # They begin over the time of one answer, so that as many begin as end from then on.
        cycle = FIRST_TOKEN + plan.tokens / RATE
        load.lasts = plan.tokens / RATE - 0.1
        took = await load.run(streams, warm=plan.warm, seconds=plan.seconds_paced, spread=cycle)
        assert load.expected is not None
        tokens = load.measured[1] * plan.tokens / load.expected.chunks
        if result is not None:
            _note(load, result)
            assert child is not None
            result.most = max(result.most, load.most)
        return Paced(
            tokens=tokens / took,
            wanted=streams * plan.tokens / cycle,
            cpu=load.used / max(1.0, tokens),
            p50=_quantile(load.first, 0.5),
            p99=_quantile(load.first, 0.99),
            samples=len(load.first),
            own=load.own / took,
        )


def _note(load: Load, result: Result) -> None:
    result.problems += load.problems
    assert load.expected is not None
    result.rewritten = result.rewritten or load.expected.rewritten > 0


def _quantile(values: array[float], share: float) -> float:
    if not values:
        return 0.0
    ordered = sorted(values)
    return statistics.median(ordered) if share == 0.5 else ordered[min(len(ordered) - 1, int(len(ordered) * share))]
