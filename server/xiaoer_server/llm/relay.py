"""One call of a caller: which provider is asked, what is tried again, when it has taken too long.

    route's order → breaker → pool → send → head → body … → end

All of it happens in callbacks of the connection that the bytes came from; no task and no timer belongs to a call.
What fails before the caller has seen a byte is tried again: at the next provider of the route at once, at the same
one after a pause and within its retry budget. Afterwards a failure is told, and never hidden.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol

import msgspec

from .connection import UpstreamConnection
from .pool import PoolFull, Waiter
from .provider import ModelFailure
from .receiver import UpstreamError
from .retry import full_jitter, retry_after
from .route import Route, Target
from .upstream import Cancel

log = logging.getLogger(__name__)

#: How often deadlines are looked at, in seconds; a call may be so much late.
TICK = 0.1

#: Bytes of a refusal that are read; what is longer says nothing more.
MOST_REFUSAL_BYTES = 65_536

#: A pause longer than this is the caller's to make: it is told, with the Retry-After.
LONGEST_PAUSE = 2.0

#: Connections that were closed while idle and are replaced without asking the budget, a call.
MOST_STALE = 3

#: What an upstream gets to end its stream after the finish reason, in seconds.
END_SECONDS = 2.0

#: Refusals that are the caller's own fault; they are passed on, and say nothing against the provider.
OWN_FAULT = frozenset({400, 409, 413, 415, 422})


class Reader(Protocol):
    """Takes one attempt's stream; what it gives may go out."""

    @property
    def whole(self) -> bool:
        """Whether the answer's finish reason has come; what follows it is not worth waiting for."""

    def feed(self, block: bytes) -> Any:
        """What may go out of this block, or something empty. Raises UpstreamError where it is no answer."""

    def end(self) -> Any:
        """The rest. Raises UpstreamError where the answer is not whole."""


class Caller(Protocol):
    """Who hears of a call. Exactly one of `whole`, `finish`, `refused` and `fail` ends it, unless it is cancelled."""

    def reader(self) -> Reader:
        """A reader for the stream of a new attempt."""

    def write(self, piece: Any) -> None:
        """Send what a reader gave. From the first one on nothing is tried again."""

    def finish(self) -> None:
        """The stream is whole."""

    def whole(self, body: bytes) -> None:
        """The answer of a call that is not streamed. Raises UpstreamError where it is none."""

    def refused(self, status: int, body: bytes) -> None:
        """The upstream refuses what the caller asked for; the body is as it came."""

    def fail(self, failure: Failure) -> None:
        """There is no answer, or no more of it."""


class Failure(msgspec.Struct, frozen=True):
    """Why there is no whole answer. `begun`: the caller has seen a part. `retry_after` is in seconds."""

    kind: ModelFailure
    message: str
    begun: bool = False
    retry_after: float | None = None


class Ask(msgspec.Struct, frozen=True):
    """What is asked.

    `body` makes the bytes for a target's own name of the model; `key` draws the provider and keeps to it; `tenant`
    has its fair turn where calls wait for connections; `seconds` is the caller's deadline, 0 the providers' own
    `answer_seconds`, and bounds the whole call, whoever is asked how often.
    """

    path: str
    body: Callable[[Target], bytes]
    stream: bool
    tenant: str = ""
    key: str = ""
    seconds: float = 0.0
    priority: int = 1


class Relay:
    """All calls of a process.

    Args:
        retries: Attempts beyond the first one that a call may make.
        response_bytes: The longest answer that is not streamed.
    """

    def __init__(self, *, retries: int, response_bytes: int) -> None:
        self.retries = retries
        self.response_bytes = response_bytes
        self.attempts: set[Attempt] = set()
        self.loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def call(self, route: Route, ask: Ask, caller: Caller) -> Call:
        """Begin a call; the caller may hear of its end before this returns."""
        call = Call(self, route, ask, caller)
        call.go_on()
        return call

    def watch(self, attempt: Attempt) -> None:
        """Look after an attempt's deadline."""
        self.attempts.add(attempt)
        if self._timer is None:
            self._timer = self.loop.call_later(TICK, self._tick)

    def _tick(self) -> None:
        now = monotonic()
        for attempt in [attempt for attempt in self.attempts if attempt.deadline < now]:
            attempt.late(now)
        self._timer = self.loop.call_later(TICK, self._tick) if self.attempts else None


class Call:
    """See `Relay.call`."""

    __slots__ = (
        *("_again", "_caller", "_hedge", "_left", "_order", "_paused", "_running", "_stale", "_tried", "ask"),
        *("began", "ends", "first_at", "over", "relay", "target"),
    )

    def __init__(self, relay: Relay, route: Route, ask: Ask, caller: Caller) -> None:
        self.relay = relay
        self.ask = ask
        self._caller = caller
        self._order = route.order(ask.key)
        self._left = relay.retries
        self._tried: list[Target] = []
        self._running: list[Attempt] = []
        self._stale = 0
        self._again: asyncio.TimerHandle | None = None
        self._paused = False
        self.began = monotonic()
        seconds = ask.seconds or max(target.upstream.settings.answer_seconds for target in self._order)
        self.ends = self.began + seconds
        self.first_at = 0.0  # when the caller got its first byte
        self.over = False
        self.target: Target | None = None  # who answers
        hedge = route.settings.hedge_seconds
        self._hedge = relay.loop.call_later(hedge, self._ask_another) if hedge else None

    # -- what the caller asks ---------------------------------------------------------------------------------

    def cancel(self) -> None:
        """The caller is gone: end what runs, at once. It hears nothing more."""
        self._end()

    def pause(self) -> None:
        """The caller does not keep up: read nothing more for now."""
        self._paused = True
        for attempt in self._running:
            attempt.pause()

    def resume(self) -> None:
        """The caller has caught up."""
        self._paused = False
        for attempt in list(self._running):
            attempt.resume()

    # -- who is asked -----------------------------------------------------------------------------------------

    def go_on(self) -> None:
        """Ask the next target that may be asked; ends the call where there is none."""
        self._again = None
        shut: list[float] = []
        for target in self._order:
            if target in self._tried:
                continue
            if target.breaker.try_acquire():
                self._ask(target)
                return
            shut.append(target.breaker.retry_after)
        wait = min(shut) if shut else None
        self._give_up(Failure("open", "every provider of this model is shut off for now", retry_after=wait))

    def _ask(self, target: Target) -> None:
        if target not in self._tried:
            self._tried.append(target)
            target.upstream.budget.deposit()
        attempt = Attempt(self, target)
        self._running.append(attempt)
        attempt.start()

    def _ask_another(self) -> None:
        """Nothing has come for the hedge's time: ask a second provider as well, and take who is first."""
        self._hedge = None
        if self.over or self.first_at or len(self._running) != 1:
            return
        for target in self._order:
            if target not in self._tried:
                if target.upstream.budget.withdraw() and target.breaker.try_acquire():
                    self._ask(target)
                return

    # -- what attempts tell -----------------------------------------------------------------------------------

    def pieces(self, attempt: Attempt, piece: Any) -> None:
        """A part of the answer."""
        if not self.first_at:
            self.first_at = monotonic()
            self.target = attempt.target
            if len(self._running) > 1:
                self._drop_others(attempt)
        self._caller.write(piece)

    def done(self, attempt: Attempt) -> None:
        """The stream is whole."""
        self.target = attempt.target
        self._end(but=attempt)
        self._caller.finish()

    def answered(self, attempt: Attempt, body: bytes) -> None:
        """The whole answer. Raises UpstreamError where it is none."""
        self.target = attempt.target
        self._caller.whole(body)
        self._end(but=attempt)

    def refused(self, attempt: Attempt, status: int, body: bytes) -> None:
        """The request itself is refused."""
        self.target = attempt.target
        self._end(but=attempt)
        self._caller.refused(status, body)

    def failed(self, attempt: Attempt, error: UpstreamError, *, wait: float | None = None) -> None:
        """An attempt has ended without an answer. `wait` is the upstream's Retry-After."""
        if self.over:
            return
        self._running.remove(attempt)
        target = attempt.target
        log.warning("%r: %s: %s", target, error.kind, error)
        failure = Failure(error.kind, str(error), bool(self.first_at), wait)
        if self.first_at:
            self._give_up(failure)
            return
        if self._running:
            return  # the hedge still runs
        now = monotonic()
        if attempt.stale and self._stale < MOST_STALE:
            self._stale += 1
            if target.breaker.try_acquire():
                self._ask(target)
                return
        if self._left <= 0 or now >= self.ends:
            self._give_up(failure)
            return
        self._left -= 1
        for other in self._order:
            if other not in self._tried and other.breaker.try_acquire():
                self._ask(other)
                return
        pause = full_jitter(len(self._tried)) if wait is None else wait
        if (
            error.kind == "rejected"
            or pause > LONGEST_PAUSE
            or now + pause >= self.ends
            or not target.upstream.budget.withdraw()
        ):
            self._give_up(failure)
            return
        self._again = self.relay.loop.call_later(pause, self._ask_again, target, failure)

    def _ask_again(self, target: Target, failure: Failure) -> None:
        self._again = None
        if target.breaker.try_acquire():
            self._ask(target)
        else:
            self._give_up(failure)

    # -- ends -------------------------------------------------------------------------------------------------

    def _give_up(self, failure: Failure) -> None:
        self._end()
        self._caller.fail(failure)

    def _end(self, but: Attempt | None = None) -> None:
        self.over = True
        if self._again is not None:
            self._again.cancel()
            self._again = None
        if self._hedge is not None:
            self._hedge.cancel()
            self._hedge = None
        running, self._running = self._running, []
        for attempt in running:
            if attempt is not but:
                attempt.cancel()

    def _drop_others(self, kept: Attempt) -> None:
        for attempt in [other for other in self._running if other is not kept]:
            self._running.remove(attempt)
            attempt.cancel()

    @property
    def paused(self) -> bool:
        """Whether the caller does not keep up."""
        return self._paused


class Attempt:
    """One provider asked once: a `Receiver`. Its permission at the breaker is given back exactly once."""

    __slots__ = (
        *("_adapter", "_body", "_call", "_connection", "_era", "_headers", "_reader", "_seconds", "_size"),
        *("_status", "_waiter", "began", "deadline", "ended", "heard", "reused", "stale", "target"),
    )

    def __init__(self, call: Call, target: Target) -> None:
        self._call = call
        self.target = target
        self._era = target.breaker.era  # of the permission, which the call has just got
        self._connection: UpstreamConnection | None = None
        self._waiter: Waiter[UpstreamConnection] | None = None
        self._adapter: Cancel | None = None
        self._reader: Reader | None = None
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._size = 0
        self.began = monotonic()
        settings = target.upstream.settings
        seconds = settings.first_token_seconds if call.ask.stream else settings.answer_seconds
        self.deadline = self.began + seconds
        if call.ends < self.deadline:
            self.deadline = call.ends
        self._seconds = 0.0  # until the answer began
        self.reused = False
        self.stale = False  # failed because its connection had been closed while it was idle
        self.heard = False  # the first piece of an answer has come
        self.ended = False

    def start(self) -> None:
        """Take a connection and send."""
        call = self._call
        call.relay.watch(self)
        upstream = self.target.upstream
        if upstream.adapter is not None:
            self._adapter = upstream.send(call.ask.path, call.ask.body(self.target), self)
            return
        connection = upstream.pool.try_take()
        if connection is not None:
            self.reused = True
            self._send(connection)
            return
        try:
            self._waiter = upstream.pool.take(self._connected, tenant=call.ask.tenant, priority=call.ask.priority)
        except PoolFull:
            self._fail(UpstreamError("busy", "too many calls wait for a connection"), wait=1.0, blame=False)

    def _connected(self, connection: UpstreamConnection | None, error: Exception | None) -> None:
        self._waiter = None
        if self.ended:
            if connection is not None:
                self.target.upstream.pool.release(connection)
        elif connection is not None:
            self.reused = connection.used
            self._send(connection)
        else:
            self._fail(error if isinstance(error, UpstreamError) else UpstreamError("connect", "no connection"))

    def _send(self, connection: UpstreamConnection) -> None:
        call = self._call
        self._connection = connection
        path = call.ask.path
        body = call.ask.body(self.target)
        connection.send(self.target.upstream.head(path, len(body)), body, self)
        if call.paused:
            connection.pause()

    # -- what the connection tells ----------------------------------------------------------------------------

    def on_head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._status = status
        self._headers = headers
        if status == 200 and self._call.ask.stream:
            for name, value in headers:
                if name == b"content-type" and value.startswith(b"text/event-stream"):
                    self._reader = self._call._caller.reader()
                    break

    def on_body(self, data: bytes) -> None:
        reader = self._reader
        if reader is None:
            self._size += len(data)
            most = self._call.relay.response_bytes if self._status == 200 else MOST_REFUSAL_BYTES
            if self._size <= most:
                self._body.append(data)
            elif self._status == 200:
                self._fail(UpstreamError("malformed", f"the answer has more than {most} bytes", answered=True))
            return
        try:
            piece = reader.feed(data)
        except UpstreamError as error:
            self._fail(error)
            return
        if self._connection is None and self._adapter is None:
            return  # the caller has had enough meanwhile
        if piece or reader.whole:
            call = self._call
            now = monotonic()
            if not self.heard:
                self.heard = True
                self._seconds = now - self.began
            settings = self.target.upstream.settings
            seconds = min(settings.token_seconds, END_SECONDS) if reader.whole else settings.token_seconds
            self.deadline = min(now + seconds, call.ends)
            if piece:
                call.pieces(self, piece)

    def on_end(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self.target.upstream.pool.release(connection)
        try:
            if self._reader is not None:
                self._finish(self._reader)
            elif self._status != 200:
                self._refused()
            elif self._call.ask.stream:
                raise UpstreamError("malformed", "the upstream answered without an event stream", answered=True)
            else:
                body = self._body
                self._seconds = monotonic() - self.began
                self._call.answered(self, body[0] if len(body) == 1 else b"".join(body))
                self._succeed()
        except UpstreamError as error:
            self._fail(error)

    def _finish(self, reader: Reader) -> None:
        piece = reader.end()
        if not self.heard:
            raise UpstreamError("malformed", "the upstream finished without an answer", answered=True)
        self._succeed()
        if piece:
            self._call.pieces(self, piece)
        self._call.done(self)

    def on_error(self, error: UpstreamError) -> None:
        reader = self._reader
        if reader is None or not reader.whole:
            self._fail(error)
            return
        # What breaks off behind the finish reason is whole.
        self._let_go()
        try:
            self._finish(reader)
        except UpstreamError as odd:
            self._fail(odd)

    # -- time and the caller ----------------------------------------------------------------------------------

    def late(self, now: float) -> None:
        """The deadline has passed."""
        call = self._call
        if call.paused and now < call.ends:
            return  # it is the caller who does not read; how long that may last is the connection's business
        if self._waiter is not None:
            self._fail(UpstreamError("busy", "no connection to the upstream came free in time"), blame=False)
            return
        if self._reader is not None and self._reader.whole:
            self.on_error(UpstreamError("timeout", "the upstream did not end its stream", answered=True))
            return
        what = "sent nothing for too long" if self.heard else "did not begin its answer in time"
        self._fail(UpstreamError("timeout", f"the upstream {what}", answered=self.heard))

    def pause(self) -> None:
        """Read nothing more for now."""
        if self._connection is not None:
            self._connection.pause()
        elif self._adapter is not None:
            self._adapter.pause()

    def resume(self) -> None:
        """Read on."""
        later = max(self.deadline, monotonic() + self.target.upstream.settings.token_seconds)
        self.deadline = min(later, self._call.ends)
        if self._connection is not None:
            self._connection.resume()
        elif self._adapter is not None:
            self._adapter.resume()

    def cancel(self) -> None:
        """Nobody wants the answer any more."""
        if not self.ended:
            if self.heard:
                self.target.breaker.success(self._seconds, self._era)
            else:
                self.target.breaker.release(self._era)
            self._let_go()
            self._close()

    # -- ends -------------------------------------------------------------------------------------------------

    def _refused(self) -> None:
        status = self._status
        if status in OWN_FAULT:
            self._seconds = monotonic() - self.began
            self._succeed()
            self._call.refused(self, status, self.target.upstream.without_key(b"".join(self._body)))
            return
        wait = next((retry_after(value) for name, value in self._headers if name == b"retry-after"), None)
        if status in (401, 403):
            # The operator's key, not the caller's: asking once more changes nothing, another provider may.
            error = UpstreamError("rejected", f"the upstream refuses our key ({status})", answered=True)
        elif 300 <= status < 400:
            error = UpstreamError("rejected", f"the upstream redirects ({status}); redirects are not followed")
        elif status == 429:
            error = UpstreamError("rate_limited", "the upstream is rate limiting", answered=True)
        elif status == 404:
            error = UpstreamError("rejected", "the upstream does not know this model or route", answered=True)
        elif status >= 500 or status == 408:
            error = UpstreamError("unavailable", f"the upstream answered {status}", answered=True)
        else:
            error = UpstreamError("rejected", f"the upstream answered {status}", answered=True)
        self._fail(error, wait=wait)

    def _fail(self, error: UpstreamError, *, wait: float | None = None, blame: bool = True) -> None:
        if self.ended:
            return
        connection = self._connection
        # Closed before a byte came; one that is silent is late, and no stale one.
        self.stale = error.kind == "connect" and self.reused and connection is not None and not connection.answered
        if blame and not self.stale:
            self.target.breaker.failure(monotonic() - self.began, self._era)
        else:
            self.target.breaker.release(self._era)
        self._let_go()
        self._close()
        self._call.failed(self, error, wait=wait)

    def _let_go(self) -> None:
        if self._waiter is not None:
            self._waiter.cancel()
            self._waiter = None
        if self._adapter is not None:
            self._adapter.cancel()
            self._adapter = None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
            self.target.upstream.pool.release(connection)

    def _succeed(self) -> None:
        # How fast a provider begins is what a slow call is measured by; how long it speaks is its answer's affair.
        self.target.breaker.success(self._seconds, self._era)
        self._close()

    def _close(self) -> None:
        self.ended = True
        self._call.relay.attempts.discard(self)
