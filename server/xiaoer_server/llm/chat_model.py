"""The chat's way to a model: the relay, its answer as text."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from xiaoer import SSEDecoder
from xiaoer.errors import XiaoerError

from ..errors import BadRequest
from .events import text_of
from .long_input import LongInput
from .long_prompts import guess_language
from .provider import ChatMessage, ModelError, ModelRequest
from .receiver import UpstreamError
from .relay import Ask, Call, Failure, Relay
from .route import Route, Target

log = logging.getLogger(__name__)

#: Conversations come before calls of the gateway where both wait for a connection: somebody looks at them.
PRIORITY = 0

#: A finish reason that is set. Inside a JSON string the quotes would be escaped, so text can't imitate it.
_FINISHED = (b'"finish_reason":"', b'"finish_reason": "')

#: Options that a model may reject; it is asked again without.
_OPTIONAL = ("temperature", "max_tokens")


class _Choice(msgspec.Struct):
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = msgspec.field(default_factory=list)
    error: Any = None


class _Reason(msgspec.Struct):
    message: str = ""
    param: str | None = None


class _Refusal(msgspec.Struct):
    error: _Reason


_decode_chunk = msgspec.json.Decoder(_Chunk).decode
_decode_refusal = msgspec.json.Decoder(_Refusal).decode


class RelayProvider:
    """See `provider.Provider`.

    Args:
        route: Who serves the chat's model.
        defaults: `temperature` (left out where None) and `max_tokens` of requests that name none.
    """

    def __init__(self, relay: Relay, route: Route, *, temperature: float | None, max_tokens: int) -> None:
        self._relay = relay
        self._route = route
        self._temperature = temperature
        self._max_tokens = max_tokens
        self._rejected: dict[Target, set[str]] = {}

    @property
    def name(self) -> str:
        """The model's name."""
        return self._route.name

    async def start(self) -> None:
        """The upstreams are started by who made them."""

    async def close(self) -> None:
        """As `start`."""

    async def stream(
        self,
        request: ModelRequest,
        on_text: Callable[[str], None],
        on_progress: Callable[[int, int], None] | None = None,
    ) -> str:
        """See `Provider.stream`."""
        long = self._route.long
        if long is not None and not long.fits(sum(4 * len(message.content) + 16 for message in request.messages)):
            request = await self._shortened(long, request, on_text, on_progress)
        return await self._stream(request, on_text)

    async def notes(self, messages: list[ChatMessage], tenant: str, conversation: str) -> str:
        """The whole text of an answer to a part of a long input."""
        said: list[str] = []
        await self._stream(ModelRequest(messages, tenant, conversation), said.append)
        return "".join(said)

    async def _shortened(
        self,
        long: LongInput,
        request: ModelRequest,
        on_text: Callable[[str], None],
        on_progress: Callable[[int, int], None] | None,
    ) -> ModelRequest:
        """The request made to fit. What was cut is said before the answer."""

        def ask(messages: list[ChatMessage]) -> Coroutine[Any, Any, str]:
            return self.notes(messages, request.tenant, request.conversation)

        try:
            shortened = await long.prepare(
                request.messages,
                ask,
                language=guess_language(request.messages[-1].content),
                answer=request.max_tokens or self._max_tokens,
                on_progress=on_progress,
            )
        except BadRequest as error:
            raise ModelError("too_long", error.message) from error
        if shortened.notice:
            on_text(shortened.notice + "\n\n")
        return msgspec.structs.replace(request, messages=shortened.messages)

    async def _stream(self, request: ModelRequest, on_text: Callable[[str], None]) -> str:
        while True:
            answer = _Answer(on_text)
            ask = Ask(
                "/chat/completions",
                lambda target: self._body(request, target),
                True,
                request.tenant,
                request.conversation,
                priority=PRIORITY,
            )
            call = self._relay.call(self._route, ask, answer)
            answer.call = call
            try:
                return await answer.end
            except _Refused as refused:
                if call.target is None or not self._without(call.target, refused):
                    raise ModelError("rejected", f"the upstream refused the request with {refused.status}") from None
            finally:
                if not call.over:
                    call.cancel()

    def _body(self, request: ModelRequest, target: Target) -> bytes:
        rejected = self._rejected.get(target, ())
        body: dict[str, Any] = {"model": target.model, "messages": request.messages, "stream": True}
        most = request.max_tokens or self._max_tokens
        body["max_completion_tokens" if "max_tokens" in rejected else "max_tokens"] = most
        temperature = self._temperature if request.temperature is None else request.temperature
        takes = self._temperature is not None and target.upstream.settings.send_temperature
        if temperature is not None and takes and "temperature" not in rejected:
            body["temperature"] = temperature
        return msgspec.json.encode(body)

    def _without(self, target: Target, refused: _Refused) -> bool:
        """Note that a model does not take an option; True if the request can be sent again without it."""
        known = self._rejected.setdefault(target, set())
        reason = refused.reason
        param = reason.param if reason.param in _OPTIONAL else None
        param = param or next((name for name in _OPTIONAL if name in reason.message), None)
        if refused.status != 400 or param is None or param in known:
            return False
        log.warning("%r does not take %s; it is left out from now on", target, param)
        known.add(param)
        return True


class _Refused(Exception):
    def __init__(self, status: int, reason: _Reason) -> None:
        super().__init__(status)
        self.status = status
        self.reason = reason


class _Answer:
    """Hears of one call; a `relay.Caller`."""

    __slots__ = ("_on_text", "_reader", "call", "end")

    def __init__(self, on_text: Callable[[str], None]) -> None:
        self._on_text = on_text
        self._reader: _Texts | None = None
        self.call: Call | None = None
        self.end: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def reader(self) -> _Texts:
        self._reader = _Texts()
        return self._reader

    def write(self, piece: str) -> None:
        try:
            self._on_text(piece)
        except Exception as error:
            self._set(error)
            if self.call is not None:
                self.call.cancel()

    def finish(self) -> None:
        if not self.end.done() and self._reader is not None:
            self.end.set_result(self._reader.finish_reason or "")

    def whole(self, body: bytes) -> None:
        raise UpstreamError("malformed", "a whole answer to what was asked as a stream", answered=True)

    def refused(self, status: int, body: bytes) -> None:
        try:
            reason = _decode_refusal(body).error
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            reason = _Reason()
        self._set(_Refused(status, reason))

    def fail(self, failure: Failure) -> None:
        self._set(ModelError(failure.kind, failure.message, retry_after=failure.retry_after))

    def _set(self, error: Exception) -> None:
        if not self.end.done():
            self.end.set_exception(error)


class _Texts:
    """Turns the blocks of an event stream into text; a `relay.Reader`."""

    __slots__ = ("_feed", "_said", "finish_reason")

    def __init__(self) -> None:
        self._feed = SSEDecoder().feed
        self._said = False
        self.finish_reason: str | None = None

    @property
    def whole(self) -> bool:
        return self.finish_reason is not None

    def feed(self, block: bytes) -> str:
        texts = []
        try:
            for event in self._feed(block):
                data = event.data
                if data == b"[DONE]":
                    continue
                text = text_of(data)
                if text:
                    texts.append(text)
                if not text or _FINISHED[0] in data or _FINISHED[1] in data:
                    self._inspect(data)
        except (XiaoerError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise UpstreamError("malformed", "the upstream sent an unreadable event", answered=True) from error
        if texts:
            self._said = True
        return "".join(texts)

    def end(self) -> str:
        if self.finish_reason is None:
            raise UpstreamError("truncated", "the upstream ended without a finish reason", answered=True)
        if not self._said:
            raise UpstreamError("malformed", "the upstream finished without a text", answered=True)
        return ""

    def _inspect(self, data: bytes) -> None:
        """A chunk that carries no text: a finish reason, an error, or nothing of interest."""
        chunk = _decode_chunk(data)
        if chunk.error is not None:
            raise UpstreamError("unavailable", "the upstream reported an error inside its stream", answered=True)
        if chunk.choices and chunk.choices[0].finish_reason:
            self.finish_reason = chunk.choices[0].finish_reason
