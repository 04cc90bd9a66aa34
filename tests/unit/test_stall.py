"""The moving deadline of a stream."""

from __future__ import annotations

import asyncio

import pytest

from xiaoer_server.llm.stall import StallGuard


async def test_a_steady_stream_passes() -> None:
    async with StallGuard(first=0.2, between=0.2, limit=10) as guard:
        for _ in range(10):
            await asyncio.sleep(0.04)
            guard.touch()


async def test_a_late_first_token_ends_it() -> None:
    with pytest.raises(TimeoutError):
        async with StallGuard(first=0.03, between=10, limit=10):
            await asyncio.sleep(5)


async def test_a_pause_between_tokens_ends_it() -> None:
    with pytest.raises(TimeoutError):
        async with StallGuard(first=5, between=0.03, limit=10) as guard:
            guard.touch()
            await asyncio.sleep(5)


async def test_a_pause_is_noticed_long_before_the_first_token_would_have_been_late() -> None:
    async with asyncio.timeout(5):
        with pytest.raises(TimeoutError):
            async with StallGuard(first=60, between=0.03, limit=100) as guard:
                guard.touch()
                await asyncio.sleep(60)


async def test_the_end_is_not_waited_for_as_long_as_a_token() -> None:
    async with asyncio.timeout(5):
        with pytest.raises(TimeoutError):
            async with StallGuard(first=60, between=60, limit=100) as guard:
                guard.touch()
                guard.end_within(0.03)
                guard.touch()
                await asyncio.sleep(60)


async def test_the_whole_is_bounded_however_steady() -> None:
    with pytest.raises(TimeoutError):
        async with StallGuard(first=5, between=5, limit=0.1) as guard:
            while True:
                guard.touch()
                await asyncio.sleep(0.01)


async def test_cancelling_from_outside_stays_a_cancellation() -> None:
    async def wait() -> None:
        async with StallGuard(first=5, between=5, limit=5):
            await asyncio.sleep(5)

    task = asyncio.ensure_future(wait())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
