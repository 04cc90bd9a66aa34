"""One address of the model process: its channels, its breaker, and what is known of its models."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import logging
from collections.abc import Callable
from typing import Any, Literal

import grpc

from ..llm.breaker import Breaker, BreakerPolicy, State
from ..llm.pool import Pool, PoolClosed, PoolFull, PoolPolicy
from . import service_pb2 as messages
from .interface import InferError
from .link import Link, connect

log = logging.getLogger(__name__)

#: Twenty calls tell; after half a second the next check is let through.
BREAKER = BreakerPolicy(
    window_size=20, minimum_calls=4, failure_rate=0.5, open_seconds=0.5, probes=2, max_half_open_seconds=5.0
)

#: Channels of an address. One carries a hundred calls at once easily; a second one helps where TCP stalls.
POOL = PoolPolicy(minimum=1, maximum=4, slots=64, waiting_max=2_000)

#: Seconds for a connection to be accepted.
CONNECT_SECONDS = 1.0

#: Seconds for a head, whose upload is shared by calls of several deadlines.
UPLOAD_SECONDS = 5.0

#: A call that had less than this many seconds says nothing about the service when it runs out of them.
_TELLING = 0.05

_Ends = Literal["success", "failure", "release"]

#: What a status means to the caller, and what it says of the service; every other one is "unavailable", a failure.
_MEANING: dict[grpc.StatusCode, tuple[Literal["unavailable", "timeout", "busy", "invalid", "no_model"], _Ends]] = {
    grpc.StatusCode.DEADLINE_EXCEEDED: ("timeout", "failure"),
    grpc.StatusCode.RESOURCE_EXHAUSTED: ("busy", "release"),
    grpc.StatusCode.INVALID_ARGUMENT: ("invalid", "success"),
    grpc.StatusCode.FAILED_PRECONDITION: ("no_model", "success"),
    grpc.StatusCode.DATA_LOSS: ("invalid", "failure"),
}


class HeadMissing(Exception):
    """The service does not have the head, or has forgotten it."""


class Node:
    """Calls to one address. Every one passes the breaker and ends by its deadline.

    Args:
        address: `host:port` or `unix:/path`.
        went_down: Called when its breaker opens.
    """

    def __init__(self, address: str, went_down: Callable[[], None]) -> None:
        self.address = address
        self._went_down = went_down
        self.breaker = Breaker(f"infer {address}", BREAKER, on_change=self._changed)
        self.pool: Pool[Link] = Pool(f"infer {address}", functools.partial(connect, address, CONNECT_SECONDS), POOL)
        self.seen = False
        self.version = ""
        self.dimensions = 0
        self.verifier = ""
        self.curve: list[tuple[float, float]] = []
        self._uploads: dict[str, asyncio.Task[None]] = {}

    @property
    def up(self) -> bool:
        """Whether it was seen and its breaker is closed."""
        return self.seen and self.breaker.state is State.CLOSED

    def start(self) -> None:
        """Connect; needs a running loop."""
        self.pool.start()

    async def close(self) -> None:
        """Close the channels; calls that wait for one are told."""
        for task in list(self._uploads.values()):
            task.cancel()
        await self.pool.close()

    async def call(self, method: str, request: Any, until: float, *, probe: bool = False, patient: bool = False) -> Any:
        """The answer to one call.

        Args:
            until: The loop's time of the deadline.
            probe: It may be let through by a breaker that is half open; nobody else's call is risked.
            patient: It is for nobody who waits, so that its running out of time says nothing about the service.

        Raises:
            InferError: see there; "unavailable" at once while the breaker refuses.
            HeadMissing: see there.
        """
        breaker = self.breaker
        if not (probe or breaker.state is State.CLOSED) or not breaker.try_acquire():
            raise InferError("unavailable", f"the model process at {self.address} does not answer; its breaker is open")
        loop = asyncio.get_running_loop()
        began, era = loop.time(), breaker.era
        ends: _Ends = "release"
        link: Link | None = None
        try:
            link = await self._link(until)
            answer = await getattr(link.stub, method)(request, timeout=max(until - loop.time(), 0.001))
            ends = "success"
            self.seen = True
            return answer
        except grpc.aio.AioRpcError as error:
            code = error.code()
            if code is grpc.StatusCode.NOT_FOUND:
                ends = "success"
                raise HeadMissing from None
            kind, ends = _MEANING.get(code, ("unavailable", "failure"))
            if kind == "unavailable" and link is not None:
                link.usable = False
            if kind == "timeout" and (patient or loop.time() - began < _TELLING):
                ends = "release"
            raise InferError(kind, f"the model process at {self.address}: {error.details()}") from None
        except TimeoutError:
            ends = "failure" if not patient and loop.time() - began >= _TELLING else "release"
            raise InferError("timeout", f"the model process at {self.address} had no connection in time") from None
        except (PoolFull, PoolClosed) as error:
            raise InferError("busy" if isinstance(error, PoolFull) else "unavailable", str(error)) from None
        except ConnectionError as error:
            # Nobody listens there: no need to count further.
            if breaker.state is not State.OPEN:
                breaker.open()
            raise InferError("unavailable", str(error)) from None
        finally:
            if ends == "release":
                breaker.release(era)
            else:
                getattr(breaker, ends)(loop.time() - began, era)
            if link is not None:
                self.pool.release(link)

    async def describe(self, until: float) -> None:
        """Ask what is loaded there.

        Raises:
            InferError: see there.
        """
        found = await self.call("Describe", messages.DescribeRequest(), until, probe=True)
        self.verifier = found.verifier
        self.curve = sorted(((point.threshold, point.wrong) for point in found.verifier_curve), reverse=True)
        self.version, self.dimensions = found.version, found.dimensions

    async def upload(self, content: bytes, until: float) -> None:
        """Send a head there; who wants the same one meanwhile waits for the same upload.

        Raises:
            InferError: see there; "invalid" if it was refused.
        """
        sha256 = hashlib.sha256(content).hexdigest()
        task = self._uploads.get(sha256)
        if task is None:
            request = messages.Head(sha256=sha256, content=content)
            loop = asyncio.get_running_loop()
            task = loop.create_task(self._upload(request, loop.time() + UPLOAD_SECONDS))
            self._uploads[sha256] = task
            task.add_done_callback(lambda done: self._uploaded(sha256, done))
        try:
            async with asyncio.timeout_at(until):
                await asyncio.shield(task)
        except TimeoutError:
            raise InferError("timeout", f"the model process at {self.address} took no head in time") from None
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if task.cancelled() and caller is not None and not caller.cancelling():
                raise InferError("unavailable", f"the client of {self.address} was closed") from None
            raise

    async def _upload(self, request: messages.Head, until: float) -> None:
        await self.call("Upload", request, until)

    def _uploaded(self, sha256: str, task: asyncio.Task[None]) -> None:
        del self._uploads[sha256]
        if not task.cancelled():
            task.exception()  # was told to those who waited, if there still are any

    async def _link(self, until: float) -> Link:
        link = self.pool.try_take()
        if link is None:
            async with asyncio.timeout_at(until):
                link = await self.pool.acquire()
        return link

    def _changed(self, breaker: Breaker, old: State, new: State) -> None:
        if new is State.OPEN and old is State.CLOSED:
            self._went_down()
            if self.seen:
                log.warning("the model process at %s does not answer; going on without it", self.address)
        elif new is State.CLOSED:
            log.info("the model process at %s answers", self.address)
