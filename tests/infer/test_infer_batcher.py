"""Micro-batches: what is shared, what is remembered, what goes first, what is dropped."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from xiaoer_server.infer.batcher import PATIENCE, Batcher, Expired, QueueFull


class Model:
    """Runs nothing until it may, and writes down what it was given."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[Any]]] = []
        self.may = threading.Event()
        self.may.set()

    def runner(self, kind: str) -> Any:
        def run(items: Sequence[Any]) -> list[Any]:
            self.batches.append((kind, list(items)))
            assert self.may.wait(5)
            if "bad" in items:
                raise ValueError("bad")
            return [f"{kind}:{item}".encode() for item in items]

        return run


@pytest.fixture
def model() -> Model:
    return Model()


def make(model: Model, **options: Any) -> Batcher:
    runners = {kind: model.runner(kind) for kind in ("query", "passage", "pair")}
    batcher = Batcher(runners, bulk=["passage"], remembered=["query", "passage"], **options)
    batcher.start()
    return batcher


@pytest.fixture
async def batcher(model: Model) -> AsyncIterator[Batcher]:
    made = make(model, max_batch=4, queue_max=20)
    yield made
    model.may.set()
    await made.close()


def later(seconds: float = 5.0) -> float:
    return asyncio.get_running_loop().time() + seconds


async def held(batcher: Batcher, model: Model) -> asyncio.Future[list[Any]]:
    """Keep the worker busy with one unit, until `model.may` is set."""
    model.may.clear()
    first = asyncio.ensure_future(batcher.run("query", ["first"], later()))
    while not model.batches:
        await asyncio.sleep(0.001)
    return first


async def test_results_are_in_order_and_doubles_are_run_once(batcher: Batcher, model: Model) -> None:
    assert await batcher.run("query", ["a", "b", "a"], later()) == [b"query:a", b"query:b", b"query:a"]
    assert model.batches == [("query", ["a", "b"])]
    assert await batcher.run("query", ["b"], later()) == [b"query:b"]
    assert await batcher.run("passage", ["b"], later()) == [b"passage:b"]
    assert model.batches == [("query", ["a", "b"]), ("passage", ["b"])]


async def test_what_waits_or_runs_is_shared_and_batched(batcher: Batcher, model: Model) -> None:
    first = await held(batcher, model)
    same = asyncio.ensure_future(batcher.run("query", ["first"], later()))
    others = [asyncio.ensure_future(batcher.run("query", [text, "shared"], later())) for text in "abcd"]
    await asyncio.sleep(0.01)
    model.may.set()
    assert await first == await same == [b"query:first"]
    assert [await other for other in others] == [[f"query:{text}".encode(), b"query:shared"] for text in "abcd"]
    assert model.batches == [("query", ["first"]), ("query", ["a", "shared", "b", "c"]), ("query", ["d"])]


async def test_urgent_units_go_first_but_not_for_ever(batcher: Batcher, model: Model) -> None:
    first = await held(batcher, model)
    bulk = asyncio.ensure_future(batcher.run("passage", ["p"], later()))
    urgent = [asyncio.ensure_future(batcher.run("query", [f"q{number}"], later())) for number in range(19)]
    pair = asyncio.ensure_future(batcher.run("pair", [("a", "b")], later()))
    await asyncio.sleep(0.01)
    model.may.set()
    await asyncio.gather(first, bulk, pair, *urgent)
    kinds = [kind for kind, _ in model.batches]
    assert kinds.index("passage") == PATIENCE, "the first one and those after it were urgent"
    assert kinds.count("pair") == 1


async def test_a_batch_of_passages_is_bounded_by_their_length(batcher: Batcher, model: Model) -> None:
    await batcher.run("passage", ["x" * 249, "y" * 249, "z" * 249], later())
    assert [len(items) for _, items in model.batches] == [2, 1]


async def test_as_many_wait_as_may(batcher: Batcher, model: Model) -> None:
    first = await held(batcher, model)
    waiting = asyncio.ensure_future(batcher.run("query", [f"q{number}" for number in range(20)], later()))
    await asyncio.sleep(0.01)
    with pytest.raises(QueueFull):
        await batcher.run("query", ["one more"], later())
    shared = asyncio.ensure_future(batcher.run("query", ["q3"], later()))  # adds nothing to what waits
    bulk = asyncio.ensure_future(batcher.run("passage", ["its own lane"], later()))
    await asyncio.sleep(0.01)
    model.may.set()
    await asyncio.gather(first, waiting, shared, bulk)
    assert batcher.waiting == 0


async def test_what_nobody_waits_for_is_not_run(batcher: Batcher, model: Model) -> None:
    first = await held(batcher, model)
    expired = asyncio.ensure_future(batcher.run("query", ["late"], later(0.01)))
    cancelled = asyncio.ensure_future(batcher.run("query", ["gone"], later()))
    kept = asyncio.ensure_future(batcher.run("query", ["kept", "gone too"], later(0.01)))
    keeper = asyncio.ensure_future(batcher.run("query", ["kept"], later()))
    await asyncio.sleep(0.05)
    cancelled.cancel()
    kept.cancel()
    await asyncio.sleep(0)
    model.may.set()
    with pytest.raises(Expired):
        await expired
    assert await keeper == [b"query:kept"]
    await first
    assert model.batches == [("query", ["first"]), ("query", ["kept"])]
    assert not batcher._units


async def test_one_bad_text_fails_alone(batcher: Batcher, model: Model) -> None:
    first = await held(batcher, model)
    calls = [asyncio.ensure_future(batcher.run("query", [text], later())) for text in ("a", "bad", "b")]
    await asyncio.sleep(0.01)
    model.may.set()
    brought = await asyncio.gather(first, *calls, return_exceptions=True)
    assert [isinstance(one, ValueError) for one in brought] == [False, False, True, False]
    with pytest.raises(ValueError, match="bad"):  # a failure is not remembered as a result
        await batcher.run("query", ["bad"], later())


async def test_the_memory_is_bounded(model: Model) -> None:
    batcher = make(model, memory_bytes=2_000)
    for number in range(50):
        await batcher.run("query", [f"{number}"], later())
    assert len(batcher._memory) == 6
    await batcher.run("query", ["44"], later())
    assert len(model.batches) == 50, "remembered"
    await batcher.run("query", ["0"], later())
    assert len(model.batches) == 51, "forgotten"
    await batcher.close()


async def test_closed_while_it_runs(model: Model) -> None:
    batcher = make(model)
    running = await held(batcher, model)
    waits = asyncio.ensure_future(batcher.run("query", ["waits"], later()))
    await asyncio.sleep(0.01)
    asyncio.get_running_loop().call_later(0.05, model.may.set)
    await batcher.close()
    assert await running == [b"query:first"]
    with pytest.raises(Expired):
        await waits
