"""Messages that come close together are one question."""

from __future__ import annotations

import asyncio

from xiaoer_server.chat.burst import Burst


def make(gap: float, longest: float) -> tuple[Burst, list[float]]:
    loop = asyncio.get_running_loop()
    fired: list[float] = []
    return Burst(lambda: fired.append(loop.time()), gap=gap, longest=longest, loop=loop), fired


async def test_a_pause_ends_the_burst_once() -> None:
    burst, fired = make(0.05, 10)
    for _ in range(4):
        burst.touch()
        await asyncio.sleep(0.02)
    assert not fired
    assert burst.waiting
    await asyncio.sleep(0.1)
    assert len(fired) == 1
    assert not burst.waiting


async def test_one_who_never_pauses_is_answered_all_the_same() -> None:
    burst, fired = make(0.05, 0.12)
    for _ in range(15):
        burst.touch()
        await asyncio.sleep(0.02)
    assert fired


async def test_it_can_begin_again() -> None:
    burst, fired = make(0.01, 1)
    for count in (1, 2):
        burst.touch()
        await asyncio.sleep(0.05)
        assert len(fired) == count


async def test_cancelled_is_silent() -> None:
    burst, fired = make(0.01, 1)
    burst.touch()
    burst.cancel()
    await asyncio.sleep(0.05)
    assert not fired
