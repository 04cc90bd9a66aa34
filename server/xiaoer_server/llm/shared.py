"""A gateway call that asked for the cache: answered from memory, or from one upstream call that equal calls share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ServerError, Unavailable
from ..ops.metrics import Tally
from .completion import read_completion
from .flight import Flight, Seat
from .job import JSON, SSE, ChatJob, Reply, Stream, error_of, refusal
from .receiver import UpstreamError
from .relay import Ask, Failure
from .request import ChatCall
from .response_cache import ResponseCache, cache_key

if TYPE_CHECKING:
    from xiaoer import WordFilter

    from .gateway import Gateway, Options
    from .quota import Caller
    from .route import Route

CACHE = Tally(
    "xiaoer_gateway_cache", "Calls that asked for the cache: hit, shared with one under way, or miss", ("result",)
)


def answer(
    cache: ResponseCache,
    gateway: Gateway,
    caller: Caller,
    route: Route,
    request: ChatCall,
    options: Options,
    reply: Reply,
    words: WordFilter | None,
    changes: dict[str, Any],
) -> None:
    """Answer a call that was admitted."""
    key = cache_key(caller.tenant, "/chat/completions", request.body)
    stored = cache.get(key)
    if stored is not None:
        _Passenger(gateway, caller, route, request, reply, b"hit").replay(stored)
        return
    flight, leads = cache.flight(key)
    passenger = _Passenger(gateway, caller, route, request, reply, b"miss" if leads else b"shared")
    seat = flight.join(passenger)
    passenger.board(seat)
    if leads:
        _Leader(gateway, caller, route, request, options, reply, words, changes, flight).start()
    seat.resume()


class _Refused(Exception):
    """The upstream's refusal, for all who read."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


class _Leader(ChatJob):
    """The one call upstream. Its tokens are the first caller's; its answer goes to the flight."""

    __slots__ = ("_flight",)

    def __init__(
        self,
        gateway: Gateway,
        caller: Caller,
        route: Route,
        request: ChatCall,
        options: Options,
        reply: Reply,
        words: WordFilter | None,
        changes: dict[str, Any],
        flight: Flight,
    ) -> None:
        super().__init__(gateway, caller, route, request, options, reply, words, changes)
        self._flight = flight

    def watch_peer(self) -> None:
        """The flight's last reader is who counts."""

    def begin(self, ask: Ask) -> None:
        call = self._gateway.relay.call(self._route, ask, self)
        if not call.over:
            self._call = call
            self._flight.fed_by(self)

    def pause(self) -> None:
        """No reader is ready for more."""
        if self._call is not None:
            self._call.pause()

    def resume(self) -> None:
        """A reader is."""
        if self._call is not None:
            self._call.resume()

    def cancel(self) -> None:
        """The last reader has gone."""
        self.gone()

    def write(self, piece: bytes) -> None:
        self._flight.feed(piece)

    def finish(self) -> None:
        self.count("ok")
        self._flight.finish()

    def whole(self, body: bytes) -> None:
        body, usage, _ = read_completion(body, self._words)
        self._take(usage, None)
        self.count("ok")
        self._flight.feed(body)
        self._flight.finish()

    def refused(self, status: int, body: bytes) -> None:
        self.count("refused")
        self._flight.fail(_Refused(status, body))

    def fail(self, failure: Failure) -> None:
        self.count(failure.kind)
        self._flight.fail(failure)

    def _say(self, error: ServerError) -> None:
        self._flight.fail(error)


class _Passenger:
    """One caller of a shared answer; a `flight.Reader`."""

    __slots__ = ("_blocks", "_caller", "_gateway", "_reply", "_request", "_result", "_route", "_seat", "_stream")

    def __init__(
        self, gateway: Gateway, caller: Caller, route: Route, request: ChatCall, reply: Reply, result: bytes
    ) -> None:
        self._gateway = gateway
        self._caller = caller
        self._route = route
        self._request = request
        self._reply = reply
        self._result = result
        self._seat: Seat | None = None
        self._stream: Stream | None = None
        self._blocks: list[bytes] = []
        CACHE.inc(result.decode())

    def board(self, seat: Seat) -> None:
        """Take the seat, and leave it when the peer goes."""
        self._seat = seat
        self._reply.when_gone(self.gone)

    def replay(self, stored: bytes) -> None:
        """Give a stored answer."""
        self.take(stored)
        self.end()

    def take(self, block: bytes) -> bool:
        if not self._request.stream:
            self._blocks.append(block)
            return True
        if self._stream is None:
            self._stream = self._reply.stream(SSE, self.writable, self.gone, self._headers())
        self._stream.write(block)
        return self._stream.writable

    def end(self) -> None:
        self._leave()
        if self._stream is not None:
            self._stream.end()
        else:
            self._reply.respond(200, b"".join(self._blocks), JSON, self._headers())

    def fail(self, failure: Any) -> None:
        self._leave()
        if isinstance(failure, _Refused):
            body = refusal(failure.status, failure.body, self._gateway.encode_error)
            self._reply.respond(failure.status, body, JSON, self._headers())
            return
        begun = self._stream is not None
        if isinstance(failure, ServerError):
            error: ServerError = failure
        elif isinstance(failure, Failure):
            error = error_of(Failure(failure.kind, failure.message, begun, failure.retry_after))
        elif isinstance(failure, UpstreamError):
            error = error_of(Failure(failure.kind, str(failure), begun))
        else:
            error = Unavailable("The shared answer was lost.", retry_after=1.0)
        if self._stream is None:
            self._reply.fail(error)
        else:
            self._stream.write(b"data: %b\n\n" % self._gateway.encode_error(error))
            self._stream.cut()

    def writable(self) -> None:
        """The peer has caught up."""
        if self._seat is not None:
            self._seat.resume()

    def gone(self) -> None:
        """The peer has gone."""
        seat, self._seat = self._seat, None
        if seat is not None:
            seat.leave()
            self._account()

    def _leave(self) -> None:
        self._seat = None
        self._account()

    def _account(self) -> None:
        # Who leads is counted by the call itself.
        if self._result != b"miss":
            caller = self._caller
            caller.leave(self._request.stream, len(self._request.body) // 4)
            self._gateway.usage.record(caller.tenant, caller.key.id, self._route.name, "", cached=1)

    def _headers(self) -> tuple[tuple[bytes, bytes], ...]:
        return (b"x-request-id", self._gateway.request_id()), (b"x-xiaoer-cache", self._result)
