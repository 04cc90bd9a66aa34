"""The relay against real sockets: what is tried again, what is told, what is let go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from benches.load.simulator import Simulator
from xiaoer import WordFilter
from xiaoer_server.config import ProviderSettings, RouteSettings
from xiaoer_server.llm.completion import read_completion
from xiaoer_server.llm.events import ChatEvents
from xiaoer_server.llm.relay import Ask, Call, Failure, Relay
from xiaoer_server.llm.route import Route, Target
from xiaoer_server.llm.upstream import Upstream

WORDS = WordFilter(["毒品"])


class Heard:
    """A caller that writes down what it hears."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.ends: list[tuple[str, Any]] = []
        self.ended = asyncio.Event()
        self.first = asyncio.Event()

    def reader(self) -> ChatEvents:
        return ChatEvents(WORDS, usage=False)

    def write(self, piece: bytes) -> None:
        assert not self.ends
        self.pieces.append(piece)
        self.first.set()

    def finish(self) -> None:
        self._end("finish", None)

    def whole(self, body: bytes) -> None:
        self._end("whole", read_completion(body, WORDS)[0])

    def refused(self, status: int, body: bytes) -> None:
        self._end("refused", status)

    def fail(self, failure: Failure) -> None:
        self._end("fail", failure)

    def _end(self, what: str, value: Any) -> None:
        self.ends.append((what, value))
        self.ended.set()

    async def end(self, seconds: float = 5.0) -> tuple[str, Any]:
        await asyncio.wait_for(self.ended.wait(), seconds)
        [end] = self.ends
        return end


class Bench:
    """A relay and its upstreams."""

    def __init__(
        self, *simulators: Simulator, route: RouteSettings | None = None, retries: int = 2, **more: Any
    ) -> None:
        options: dict[str, Any] = {"allow_private": True, "connections_min": 0, **more}
        self.upstreams = [
            Upstream(f"u{number}", ProviderSettings(base_url=simulator.base_url, **options), budget=0.1)
            for number, simulator in enumerate(simulators)
        ]
        targets = [Target(upstream, "sim-model") for upstream in self.upstreams]
        self.route = Route("m", targets, route or RouteSettings(targets=["u0"]))
        self.relay = Relay(retries=retries, response_bytes=1_000_000)

    def call(self, *, stream: bool = True, seconds: float = 0.0, text: str = "hi") -> tuple[Call, Heard]:
        body = msgspec.json.encode(
            {"model": "sim-model", "messages": [{"role": "user", "content": text}], "stream": stream}
        )
        heard = Heard()
        ask = Ask("/chat/completions", lambda target: body, stream, seconds=seconds)
        return self.relay.call(self.route, ask, heard), heard


@asynccontextmanager
async def bench(*simulators: Simulator, **options: Any) -> AsyncIterator[Bench]:
    made = Bench(*simulators, **options)
    for upstream in made.upstreams:
        await upstream.start()
    try:
        yield made
        await asyncio.sleep(0.01)
        assert not made.relay.attempts
        for upstream in made.upstreams:
            assert upstream.pool.in_use == 0
            assert upstream.pool.waiting == 0
    finally:
        for upstream in made.upstreams:
            await upstream.close()


def busy(upstream: Simulator) -> int:
    """Connections with an answer under way; the pool keeps idle ones besides."""
    return sum(connection._busy for connection in upstream.connections)


def simulator(**options: Any) -> Simulator:
    return Simulator(**{"tokens": 20, "rate": 0.0, "first_token": 0.0, **options})


async def test_a_stream_and_a_whole_answer() -> None:
    async with simulator() as upstream, bench(upstream) as made:
        _, heard = made.call()
        assert (await heard.end())[0] == "finish"
        assert b"".join(heard.pieces).endswith(b"data: [DONE]\n\n")
        _, heard = made.call(stream=False)
        what, body = await heard.end()
        assert what == "whole"
        assert msgspec.json.decode(body)["choices"][0]["message"]["content"] == "".join(upstream.reply)
        assert made.upstreams[0].pool.size >= 1


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("fault", ["500", "429=9", "reset=0", "truncate=0", "malformed=0"])
async def test_what_fails_before_the_first_byte_goes_to_the_next(fault: str, stream: bool) -> None:
    async with simulator() as first, simulator() as second, bench(first, second) as made:
        first.script.append(fault)
        _, heard = made.call(stream=stream)
        assert (await heard.end())[0] == ("finish" if stream else "whole")
        assert second.served == 1


async def test_the_same_provider_is_asked_again_after_a_pause() -> None:
    async with simulator() as upstream, bench(upstream) as made:
        upstream.script.extend(["500", "500"])
        _, heard = made.call()
        assert (await heard.end())[0] == "finish"
        assert upstream.served == 3


async def test_a_long_retry_after_is_the_callers_to_wait_for() -> None:
    async with simulator() as upstream, bench(upstream) as made:
        upstream.script.append("429=30")
        _, heard = made.call()
        what, failure = await heard.end()
        assert (what, failure.kind, failure.retry_after) == ("fail", "rate_limited", 30)
        assert upstream.served == 1


@pytest.mark.parametrize(
    ("fault", "kind"), [("reset=5", "truncated"), ("truncate=5", "truncated"), ("stall=5", "timeout")]
)
async def test_a_stream_that_breaks_off_is_told_and_never_tried_again(fault: str, kind: str) -> None:
    async with simulator(rate=200.0) as first, simulator() as second, bench(first, second, token_seconds=0.3) as made:
        first.script.append(fault)
        _, heard = made.call()
        what, failure = await heard.end()
        assert what == "fail"
        assert failure.begun
        assert second.served == 0
        assert b"[DONE]" not in b"".join(heard.pieces)
        assert failure.kind in (kind, "connect")


async def test_a_provider_that_does_not_begin_is_left_for_the_next() -> None:
    slow = simulator(first_token=30.0)
    async with slow as first, simulator() as second, bench(first, second, first_token_seconds=0.2) as made:
        _, heard = made.call()
        assert (await heard.end())[0] == "finish"
        assert second.served == 1


async def test_the_callers_deadline_is_kept() -> None:
    async with simulator(first_token=30.0) as upstream, bench(upstream) as made:
        began = asyncio.get_running_loop().time()
        _, heard = made.call(seconds=0.3)
        what, failure = await heard.end()
        assert (what, failure.kind) == ("fail", "timeout")
        assert asyncio.get_running_loop().time() - began < 1.0


async def test_a_cancelled_call_lets_its_upstream_go_at_once() -> None:
    async with simulator(rate=50.0) as upstream, bench(upstream) as made:
        call, heard = made.call()
        await asyncio.wait_for(heard.first.wait(), 5)
        assert busy(upstream) == 1
        call.cancel()
        await asyncio.sleep(0.1)
        assert busy(upstream) == 0
        assert not heard.ends


async def test_a_caller_that_does_not_read_stops_its_upstream() -> None:
    async with simulator(tokens=200_000) as upstream, bench(upstream) as made:
        call, heard = made.call()
        await asyncio.wait_for(heard.first.wait(), 5)
        call.pause()
        await asyncio.sleep(0.2)
        some = sum(map(len, heard.pieces))
        await asyncio.sleep(0.3)
        assert sum(map(len, heard.pieces)) == some
        call.resume()
        assert (await heard.end(30))[0] == "finish"
        assert sum(map(len, heard.pieces)) > some


async def test_a_connection_that_was_closed_while_idle_costs_nothing() -> None:
    async with simulator() as upstream, bench(upstream, retries=0) as made:
        _, heard = made.call()
        await heard.end()
        # The next request meets the FIN on its way.
        for connection in list(upstream.connections):
            connection.transport.close()
        _, heard = made.call()
        assert (await heard.end())[0] == "finish"


async def test_hedge_asks_a_second_provider_and_takes_who_is_first() -> None:
    route = RouteSettings(targets=["u0", "u1"], hedge_seconds=0.1)
    async with simulator(first_token=30.0) as first, simulator() as second, bench(first, second, route=route) as made:
        _, heard = made.call()
        assert (await heard.end())[0] == "finish"
        await asyncio.sleep(0.05)
        assert busy(first) == 0


async def test_a_refusal_of_the_request_itself_is_passed_on() -> None:
    async with simulator() as first, simulator() as second, bench(first, second) as made:
        heard = Heard()
        made.relay.call(made.route, Ask("/chat/completions", lambda target: b"{oops", True), heard)
        assert await heard.end() == ("refused", 400)
        assert second.served == 0


async def test_an_upstream_that_is_not_there() -> None:
    async with simulator() as upstream:
        made = Bench(upstream, retries=1, connect_seconds=0.5)
    await made.upstreams[0].start()
    _, heard = made.call()
    what, failure = await heard.end()
    assert (what, failure.kind) == ("fail", "connect")
    await made.upstreams[0].close()


async def test_a_private_address_is_refused() -> None:
    async with simulator() as upstream, bench(upstream, retries=0, allow_private=False) as made:
        _, heard = made.call()
        what, failure = await heard.end()
        assert (what, failure.kind) == ("fail", "connect")
        assert "allow_private" in failure.message
        assert upstream.served == 0
