"""One gateway call under way: its place in the limits, its usage, its answer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from xiaoer import WordFilter

from ..errors import BadRequest, ServerError, Unavailable, UpstreamFailed, UpstreamTimeout
from ..ops import gen_ai
from .chat_model import RelayProvider
from .completion import read_completion, read_embeddings
from .events import ChatEvents, Usage
from .long_input import LongInput
from .long_messages import raw_messages
from .long_prompts import guess_language
from .provider import ChatMessage, ModelError
from .quota import Caller
from .relay import Ask, Call, Failure
from .request import Call as Request
from .request import ChatCall, EmbeddingsCall
from .route import Route, Target

if TYPE_CHECKING:
    from .gateway import Gateway, Options

log = logging.getLogger(__name__)

JSON, SSE = b"application/json", b"text/event-stream"

Headers = Sequence[tuple[bytes, bytes]]


class Stream(Protocol):
    """An answer under way."""

    @property
    def writable(self) -> bool:
        """Whether the peer keeps up."""

    def write(self, data: bytes) -> None:
        """Send."""

    def end(self) -> None:
        """End it."""

    def cut(self) -> None:
        """End it so that the peer sees that it is not whole."""


class Reply(Protocol):
    """Where a call is answered; an `edge.exchange.Exchange` is one."""

    def respond(self, status: int, body: bytes, content_type: bytes = ..., headers: Headers = ...) -> None:
        """Answer whole."""

    def stream(
        self,
        content_type: bytes,
        on_writable: Callable[[], None],
        on_disconnect: Callable[[], None],
        headers: Headers = ...,
    ) -> Stream:
        """Answer with a stream."""

    def when_gone(self, call: Callable[[], None]) -> None:
        """Be told when the peer goes."""

    def fail(self, error: ServerError) -> None:
        """Answer with a refusal."""


class Job:
    """One call: its place in the limits, its usage, its answer. A `relay.Caller`.

    `close` is called exactly once, however it ends.
    """

    __slots__ = (
        *("_began", "_call", "_estimate", "_gateway", "_options", "_reply", "_route", "_span", "_stream"),
        *("caller", "completion", "operation", "prompt", "request_id"),
    )

    def __init__(
        self, gateway: Gateway, caller: Caller, route: Route, options: Options, reply: Reply, operation: str, size: int
    ) -> None:
        self._gateway = gateway
        self._route = route
        self._options = options
        self._reply = reply
        self._stream: Stream | None = None
        self._call: Call | None = None
        self._began = time.monotonic()
        self._estimate = size // 4
        self.caller = caller
        self.operation = operation
        self.prompt = self.completion = 0
        self.request_id = gateway.request_id()
        tracer = gateway.tracer
        self._span = tracer.sampled(options.trace) if tracer is not None else None

    @property
    def streams(self) -> bool:
        """Whether the caller asked for a stream."""
        return False

    def ask(self, path: str, body: Callable[[Target], bytes], sticky: str) -> None:
        """Hand the call to the relay."""
        self._gateway.jobs.add(self)
        self.begin(Ask(path, body, self.streams, self.caller.tenant, sticky, self._options.seconds))

    def begin(self, ask: Ask) -> None:
        """Start the call."""
        if self._stream is None:
            self.watch_peer()
        call = self._gateway.relay.call(self._route, ask, self)
        if not call.over:
            self._call = call

    def watch_peer(self) -> None:
        """Hear of it when the peer goes."""
        self._reply.when_gone(self.gone)

    # -- the relay's ------------------------------------------------------------------------------------------

    def reader(self) -> ChatEvents:
        """Only chats are streamed."""
        raise NotImplementedError

    def write(self, piece: bytes) -> None:
        """Send a piece of a stream; the first one opens it."""
        stream = self._stream
        if stream is None:
            stream = self._stream = self._reply.stream(SSE, self.writable, self.gone, self.headers())
        stream.write(piece)
        if not stream.writable and self._call is not None:
            self._call.pause()

    def finish(self) -> None:
        """The stream is whole."""
        self.count("ok")
        if self._stream is not None:
            self._stream.end()

    def whole(self, body: bytes) -> None:
        """The answer is there."""
        raise NotImplementedError

    def refused(self, status: int, body: bytes) -> None:
        """The upstream refuses the request: its reason is the caller's to know."""
        self.count("refused")
        self._reply.respond(status, refusal(status, body, self._gateway.encode_error), JSON, self.headers())

    def fail(self, failure: Failure) -> None:
        """There is no whole answer."""
        self.count(failure.kind)
        self._say(error_of(failure))

    # -- the caller's -----------------------------------------------------------------------------------------

    def writable(self) -> None:
        """The caller has caught up."""
        if self._call is not None:
            self._call.resume()

    def gone(self) -> None:
        """The caller went away: nothing is to be said, and the upstream need not speak on."""
        call, self._call = self._call, None
        if self in self._gateway.jobs:
            if call is not None:
                call.cancel()
            self.count("cancelled")

    def abandon(self, error: ServerError) -> None:
        """The server goes away."""
        call, self._call = self._call, None
        if self in self._gateway.jobs:
            if call is not None:
                call.cancel()
            self.count("abandoned")
            self._say(error)

    def headers(self) -> Headers:
        """Of the answer."""
        return ((b"x-request-id", self.request_id),)

    # -- ends -------------------------------------------------------------------------------------------------

    def _say(self, error: ServerError) -> None:
        stream = self._stream
        if stream is None:
            self._reply.fail(error)
        else:
            # A part was seen: the error is an event of the stream, and the stream breaks off where a client can see it.
            stream.write(b"data: %b\n\n" % self._gateway.encode_error(error))
            stream.cut()

    def count(self, outcome: str) -> None:
        """The call has ended: leave the limits, record what it took."""
        gateway = self._gateway
        gateway.jobs.discard(self)
        caller = self.caller
        route = self._route
        call = self._call
        target = call.target if call is not None else None
        prompt, completion = self.prompt, self.completion
        cost = route.cost(prompt, completion)
        caller.spend(prompt + completion, cost)
        caller.leave(self.streams, self._estimate)
        provider = target.upstream.name if target is not None else ""
        whole = outcome == "ok"
        gateway.usage.record(
            caller.tenant,
            caller.key.id,
            route.name,
            provider,
            prompt=prompt,
            completion=completion,
            cost=cost,
            failed=0 if whole or outcome == "cancelled" else 1,
        )
        self._measure(target, outcome, prompt, completion, cost)
        self._call = None  # they know each other: what is over must not wait for the collector

    def _measure(self, target: Target | None, outcome: str, prompt: int, completion: int, cost: float) -> None:
        ended = time.monotonic()
        seconds = ended - self._began
        provider = target.upstream.name if target is not None else ""
        model = self._route.name
        first = self._call.first_at if self._call is not None else 0.0
        gen_ai.ended(self.operation, provider, model, "" if outcome == "ok" else outcome, seconds)
        if first:
            gen_ai.streamed(self.operation, provider, model, first - self._began, ended - first, completion)
        gen_ai.used(self.operation, provider, model, prompt, completion, cost)
        tracer = self._gateway.tracer
        if tracer is not None and self._span is not None:
            now = time.time_ns()
            attributes = {
                "gen_ai.operation.name": self.operation,
                "gen_ai.provider.name": provider,
                "gen_ai.request.model": model,
                "gen_ai.usage.input_tokens": prompt,
                "gen_ai.usage.output_tokens": completion,
                "xiaoer.tenant": self.caller.tenant,
            }
            error = None if outcome == "ok" else outcome
            tracer.finish(self._span, f"{self.operation} {model}", now - int(seconds * 1e9), now, attributes, error)


class ChatJob(Job):
    """A chat completion."""

    __slots__ = ("_changes", "_events", "_long", "_noted_tokens", "_read_tokens", "_reading", "_request", "_words")

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
    ) -> None:
        super().__init__(gateway, caller, route, options, reply, "chat", len(request.body))
        self._request = request
        self._words = words
        self._changes = changes
        self._events: ChatEvents | None = None
        self._reading: asyncio.Task[None] | None = None
        self._long = b""  # what became of a long input
        self._read_tokens = self._noted_tokens = 0  # of its parts

    @property
    def streams(self) -> bool:
        return self._request.stream

    def start(self) -> None:
        """Ask."""
        long = self._route.long
        fields = self._request.fields
        answer = fields.get("max_completion_tokens") or fields.get("max_tokens")
        if long is None or long.fits(len(self._request.body), answer):
            self._ask_whole()
        else:
            self._gateway.jobs.add(self)
            self.watch_peer()
            self._reading = asyncio.get_running_loop().create_task(self._read_long(long, answer))

    def _ask_whole(self) -> None:
        user = self._request.fields.get("user")
        self.ask("/chat/completions", self._body, user if isinstance(user, str) else self.caller.key.id)

    async def _read_long(self, long: LongInput, answer: int | None) -> None:
        """Make the input fit, then ask. Parts are the caller's calls too, and count in what it used."""
        request = self._request
        fields = request.fields
        try:
            shortened = await long.prepare(
                fields["messages"],
                self._notes,
                language=guess_language(next(request.user_texts(), "")),
                answer=answer,
                tools=fields.get("tools") or fields.get("functions"),
                on_progress=self._progress if self.streams else None,
            )
        except ServerError as error:
            self.count("too_long")
            self._say(error)
        except ModelError as error:
            self.fail(Failure(error.failure, str(error), retry_after=error.retry_after))
        except Exception as error:
            log.exception("a long input could not be read")
            self.fail(Failure("unavailable", type(error).__name__))
        else:
            if self in self._gateway.jobs:
                if shortened.header:
                    self._changes = {**self._changes, "messages": raw_messages(request.body, shortened)}
                    self._long = shortened.header.encode()
                self._ask_whole()

    async def _notes(self, messages: list[ChatMessage]) -> str:
        long = self._route.long
        assert long is not None
        provider = RelayProvider(self._gateway.relay, self._route, temperature=None, max_tokens=long.answer)
        notes = await provider.notes(messages, self.caller.tenant, self.caller.key.id)
        self._read_tokens += sum(long.count(message.content) for message in messages)
        self._noted_tokens += long.count(notes)
        return notes

    def _progress(self, done: int, total: int) -> None:
        """Tell a caller who waits: as comments, which no client takes for an answer."""
        if self in self._gateway.jobs:
            self._long = self._long or b"map_reduce"  # the head goes out with the first of these
            self.write(b": read %d of %d parts\n\n" % (done, total))

    def gone(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        super().gone()

    def headers(self) -> Headers:
        long = self._long
        return (*super().headers(), (b"x-xiaoer-long-input", long)) if long else super().headers()

    def _body(self, target: Target) -> bytes:
        if target.upstream.settings.stream_usage:
            return self._request.upstream_body(target.model, self._changes)
        return Request.upstream_body(self._request, target.model, self._changes)

    def reader(self) -> ChatEvents:
        request = self._request
        every = request.choices > 1 or request.logprobs
        self._events = ChatEvents(self._words, usage=request.include_usage, every_choice=every, choices=request.choices)
        return self._events

    def whole(self, body: bytes) -> None:
        body, usage, _ = read_completion(body, self._words)
        self._take(usage, None)
        self.count("ok")
        self._reply.respond(200, body, JSON, self.headers())

    def count(self, outcome: str) -> None:
        events = self._events
        if events is not None and events.chunks:
            self._take(events.usage, events.chunks)
        self.prompt += self._read_tokens
        self.completion += self._noted_tokens
        super().count(outcome)

    def _take(self, usage: Usage | None, chunks: int | None) -> None:
        """The upstream's count of tokens, or our estimate where it gives none."""
        prompt = usage.prompt_tokens if usage is not None else None
        completion = usage.completion_tokens if usage is not None else None
        self.prompt = self._estimate if prompt is None else prompt
        self.completion = (chunks or 0) if completion is None else completion


class EmbeddingsJob(Job):
    """Embeddings."""

    __slots__ = ("_request",)

    def __init__(
        self,
        gateway: Gateway,
        caller: Caller,
        route: Route,
        request: EmbeddingsCall,
        options: Options,
        reply: Reply,
    ) -> None:
        super().__init__(gateway, caller, route, options, reply, "embeddings", len(request.body))
        self._request = request

    def start(self) -> None:
        """Ask."""
        self.ask("/embeddings", lambda target: self._request.upstream_body(target.model), self.caller.key.id)

    def whole(self, body: bytes) -> None:
        usage = read_embeddings(body)
        if usage is not None:
            self.prompt = usage.prompt_tokens or 0
        self.count("ok")
        self._reply.respond(200, body, JSON, self.headers())


def error_of(failure: Failure) -> ServerError:
    """How a failure is told to a gateway's caller; the provider's own words stay in the log."""
    if failure.begun:
        return UpstreamFailed("The model broke off its answer.", code="upstream_truncated")
    if failure.kind == "open":
        return Unavailable(
            "No provider of this model can be asked right now.",
            code="upstream_open",
            retry_after=max(1.0, failure.retry_after or 1.0),
        )
    if failure.kind == "busy":
        return Unavailable("Too many calls wait for this model.", code="busy", retry_after=failure.retry_after or 1.0)
    if failure.kind == "timeout":
        return UpstreamTimeout("The model did not answer in time.")
    if failure.kind == "rate_limited":
        return Unavailable(
            "The model's provider is rate limiting.",
            code="upstream_rate_limited",
            retry_after=failure.retry_after or 1.0,
        )
    return UpstreamFailed("The model could not be asked, or gave no whole answer.")


class _Reason(msgspec.Struct):
    message: str
    type: str | None = None
    param: str | None = None
    code: str | int | None = None


class _Refusal(msgspec.Struct):
    error: _Reason


_refusal_of = msgspec.json.Decoder(_Refusal).decode


def refusal(status: int, body: bytes, encode_error: Callable[[ServerError], bytes]) -> bytes:
    """The upstream's reason in OpenAI's shape: its four fields and nothing else it may have said."""
    try:
        reason = _refusal_of(body).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return encode_error(BadRequest(f"The model's provider refused the request ({status})."))
    kind = reason.type or "invalid_request_error"
    code = reason.code if isinstance(reason.code, str) else None
    error = {"message": reason.message[:2_000], "type": kind, "param": reason.param, "code": code}
    return msgspec.json.encode({"error": error})
