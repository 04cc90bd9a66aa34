"""Many visitors, one question, one call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from support.meaning import ask
from xiaoer_server.brain.same_question import SameQuestion
from xiaoer_server.brain.semantic_cache import SemanticCache


class Model:
    """Speaks in pieces, one each time it is let."""

    def __init__(self, pieces: list[str], failure: Exception | None = None) -> None:
        self.pieces = pieces
        self.failure = failure
        self.calls = 0
        self.cancelled = 0
        self.go = asyncio.Event()

    async def __call__(self, text: Callable[[str], None]) -> str:
        self.calls += 1
        try:
            for number, piece in enumerate(self.pieces):
                if number == 1:
                    await self.go.wait()
                text(piece)
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.failure is not None:
            raise self.failure
        return "stop"


async def test_followers_read_the_same_stream_from_its_beginning() -> None:
    same, model = SameQuestion(), Model(["七天", "内可以", "退货\ud800"])
    heard: list[list[str]] = [[] for _ in range(5)]
    first = [asyncio.create_task(same.share("k", model, heard[n].append)) for n in range(3)]
    await asyncio.sleep(0.01)
    later = [asyncio.create_task(same.share("k", model, heard[n].append)) for n in (3, 4)]
    await asyncio.sleep(0.01)
    assert [list(each) for each in heard] == [["七天"]] * 5
    model.go.set()
    ended = await asyncio.gather(*first, *later)
    assert ended == [("stop", True), *[("stop", False)] * 4]
    assert model.calls == 1
    assert all("".join(each) == "七天内可以退货\ud800" for each in heard)
    assert (len(same), same.joined) == (0, 4)
    assert await same.share("k", model, heard[0].append) == ("stop", True)
    assert model.calls == 2


async def test_a_failure_is_told_to_all() -> None:
    same, model = SameQuestion(), Model(["a", "b"], RuntimeError("upstream"))
    tasks = [asyncio.create_task(same.share("k", model, lambda piece: None)) for _ in range(4)]
    await asyncio.sleep(0.01)
    model.go.set()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(each) for each in ended] == ["upstream"] * 4
    assert len(same) == 0


async def test_who_asked_first_may_go() -> None:
    same, model = SameQuestion(), Model(["a", "b"])
    heard: list[str] = []
    leader = asyncio.create_task(same.share("k", model, lambda piece: None))
    await asyncio.sleep(0.01)
    follower = asyncio.create_task(same.share("k", model, heard.append))
    await asyncio.sleep(0.01)
    leader.cancel()
    await asyncio.gather(leader, return_exceptions=True)
    assert leader.cancelled()
    model.go.set()
    assert await follower == ("stop", False)
    assert (heard, model.cancelled) == (["a", "b"], 0)


async def test_the_last_one_to_go_cancels_the_call() -> None:
    same, model = SameQuestion(), Model(["a", "b"])
    tasks = [asyncio.create_task(same.share("k", model, lambda piece: None)) for _ in range(3)]
    await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0.01)
    assert model.cancelled == 1
    assert len(same) == 0


async def test_a_reader_that_fails_fails_alone() -> None:
    same, model = SameQuestion(), Model(["a", "b"])
    heard: list[str] = []

    def broken(piece: str) -> None:
        raise ValueError("the log is gone")

    tasks = [asyncio.create_task(same.share("k", model, broken))]
    tasks.append(asyncio.create_task(same.share("k", model, heard.append)))
    await asyncio.sleep(0.01)
    model.go.set()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert str(ended[0]) == "the log is gone"
    assert ended[1] == ("stop", False)
    assert heard == ["a", "b"]


@pytest.mark.parametrize(
    ("one", "other", "calls"),
    [
        (ask("怎么退货"), ask("怎么退货？"), 1),
        (ask("怎么退货"), ask("怎么退货", tenant="other"), 2),
        (ask("怎么退货"), ask("怎么退货", knowledge_version=2), 2),
        (ask("怎么退货"), ask("怎么退货", opening=False), 2),
        (ask("怎么退货"), ask("怎么退货", masked=True), 2),
        (ask("我的订单到哪了"), ask("我的订单到哪了"), 2),
    ],
)
async def test_who_shares(tmp_path: Path, one: object, other: object, calls: int) -> None:
    cache, model = SemanticCache(None, max_bytes=1, folder=tmp_path), Model(["a", "b"])
    tasks = [asyncio.create_task(cache.share(asked, model, lambda piece: None)) for asked in (one, other)]  # type: ignore[arg-type]
    await asyncio.sleep(0.01)
    model.go.set()
    await asyncio.gather(*tasks)
    assert model.calls == calls
