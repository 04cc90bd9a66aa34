"""One call to the model for the same question, asked by several visitors at once.

The call runs in a task of its own that feeds a `llm.flight.Flight`; everybody who asks has a seat, also who asked
first. So who cancels only leaves a seat: the others read on, and the last one to go cancels the call. A failure is
everybody's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Generic, TypeVar

from ..llm.flight import Flight

T = TypeVar("T")

#: Bytes of an answer after which nobody joins it any more.
KEEP = 65_536

Ask = Callable[[Callable[[str], None]], Awaitable[T]]


class _Seat(Generic[T]):
    """A `flight.Reader` that somebody awaits."""

    __slots__ = ("_text", "ended")

    def __init__(self, text: Callable[[str], None]) -> None:
        self._text = text
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(self, block: bytes) -> bool:
        if self.ended.done():
            return False
        try:
            self._text(block.decode("utf-8", "surrogatepass"))
        except Exception as error:  # its own affair: a flight would only drop the seat, and its owner wait for ever
            self.ended.set_exception(error)
            return False
        return True

    def end(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def fail(self, failure: Any) -> None:
        if not self.ended.done():
            self.ended.set_exception(failure)


class _Call(Generic[T]):
    """A `flight.Source`: the model's call."""

    __slots__ = ("flight", "result", "task")

    def __init__(self, ask: Ask[T], closed: Callable[[], None]) -> None:
        self.flight = Flight(keep=KEEP, closed=lambda flight, answer: closed())
        self.result: T | None = None
        self.task = asyncio.ensure_future(self._run(ask))
        self.flight.fed_by(self)

    async def _run(self, ask: Ask[T]) -> None:
        try:
            self.result = await ask(self._feed)
        except asyncio.CancelledError:
            self.flight.fail(ConnectionError("the shared answer was cancelled"))
            raise
        except Exception as error:
            self.flight.fail(error)
        else:
            self.flight.finish()

    def _feed(self, piece: str) -> None:
        self.flight.feed(piece.encode("utf-8", "surrogatepass"))

    def pause(self) -> None:
        """Readers here are always ready."""

    def resume(self) -> None:
        """See `pause`."""

    def cancel(self) -> None:
        self.task.cancel()


class SameQuestion:
    """The calls under way that can be joined, by what makes two questions the same."""

    def __init__(self) -> None:
        self._calls: dict[Hashable, _Call[Any]] = {}
        self.joined = 0

    def __len__(self) -> int:
        return len(self._calls)

    async def share(self, key: Hashable, ask: Ask[T], text: Callable[[str], None]) -> tuple[T, bool]:
        """Ask, or read what is being asked already.

        Args:
            ask: Called with where to send pieces of text; what it returns is everybody's. Not called for who joins.
            text: Takes the pieces, from the first one on.

        Returns:
            What `ask` returned, and whether it was this caller's.

        Raises:
            Whatever `ask` raised; text may have come before.
        """
        call = self._calls.get(key)
        leads = call is None or not call.flight.joinable
        if call is None or not call.flight.joinable:
            call = self._begin(key, ask)
        else:
            self.joined += 1
        seat: _Seat[T] = _Seat(text)
        place = call.flight.join(seat)
        place.resume()
        try:
            await seat.ended
        finally:
            place.leave()
        return call.result, leads  # type: ignore[return-value]

    def _begin(self, key: Hashable, ask: Ask[T]) -> _Call[T]:
        def closed() -> None:
            if self._calls.get(key) is call:
                del self._calls[key]

        call: _Call[T] = _Call(ask, closed)
        self._calls[key] = call
        return call
