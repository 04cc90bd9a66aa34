"""Models behind an OpenAI-compatible API, through the official SDK.

The SDK builds and sends the request and knows the errors; the stream's bytes are read raw, because its own event
objects cost over a hundred microseconds a token where `SSEDecoder` and `chat_delta` cost one.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies

import msgspec

from xiaoer import SSEDecoder, chat_delta
from xiaoer.errors import XiaoerError

from ..config import ModelSettings
from ..ops import metrics
from .provider import ModelError, ModelRequest
from .stall import StallGuard
from .transport import DELIVER, UpstreamTransport

if TYPE_CHECKING:
    import openai

log = logging.getLogger(__name__)

#: A finish reason that is set. Inside a JSON string the quotes would be escaped, so text can't imitate it.
_FINISHED = (b'"finish_reason":"', b'"finish_reason": "')


#: What the upstream gets to end its stream after the finish reason, in seconds.
END_SECONDS = 2.0

#: An upstream's Retry-After is waited out before the one retry only up to here, in seconds; longer, and it failed.
LONGEST_RETRY_WAIT = 2.0

#: Seconds before the retry beyond what the upstream asked for, drawn anew each time so that retries spread out.
BACKOFF = (0.1, 0.4)


class _Choice(msgspec.Struct):
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = msgspec.field(default_factory=list)
    error: msgspec.Raw | None = None


_decode_chunk = msgspec.json.Decoder(_Chunk).decode


class OpenAIProvider:
    """Chat completions over the `openai` SDK, with raw connections under it, or aiohttp where there is a proxy.

    Redirects are not followed. The SDK's own retries are off: what failed is asked once more here, if not a piece of
    text has come. A model that rejects `temperature` or `max_tokens` is asked again without it, once, and the answer
    is remembered.
    """

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings
        self._client: openai.AsyncOpenAI | None = None
        # The options that the model takes, each with the field of the request that it is filled from.
        self._options = {"max_tokens": "max_tokens"}
        if settings.send_temperature:
            self._options["temperature"] = "temperature"

    @property
    def name(self) -> str:
        """The model's name."""
        return self._settings.name

    async def start(self) -> None:
        """Import the SDK (about a second) and open its connection pool."""
        import httpx2
        import openai

        settings = self._settings
        timeout = httpx2.Timeout(None, connect=settings.connect_seconds)
        if getproxies():
            # The environment names proxies, which raw connections do not speak to.
            limits = httpx2.Limits(max_connections=settings.connections)
            client = openai.DefaultAioHttpClient(follow_redirects=False, timeout=timeout, limits=limits)
        else:
            client = httpx2.AsyncClient(
                transport=UpstreamTransport(limit=settings.connections, connect_seconds=settings.connect_seconds),
                follow_redirects=False,
                timeout=timeout,
                # Compressing a stream of tokens only holds them back.
                headers={"Accept-Encoding": "identity"},
            )
        self._client = openai.AsyncOpenAI(
            api_key=settings.api_key or "none",
            base_url=settings.base_url or None,
            max_retries=0,
            timeout=timeout,
            http_client=client,
        )

    async def close(self) -> None:
        """Close the connection pool."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def stream(
        self,
        request: ModelRequest,
        on_text: Callable[[str], None],
        on_progress: Callable[[int, int], None] | None = None,
    ) -> str:
        """See `Provider.stream`. A long input is sent as it is: `on_progress` is never called."""
        said = False

        def pass_on(text: str) -> None:
            nonlocal said
            said = True
            on_text(text)

        try:
            return await self._attempt(request, pass_on)
        except ModelError as error:
            wait = error.retry_after or 0.0
            if said or not error.retryable or wait > LONGEST_RETRY_WAIT:
                raise
            log.warning("%s failed (%s) and is asked once more: %s", self.name, error.failure, error)
            metrics.MODEL_FAILURES.labels(error.failure).inc()
        await asyncio.sleep(wait + random.uniform(*BACKOFF))  # noqa: S311 - spreads retries, guards nothing
        return await self._attempt(request, pass_on)

    async def _attempt(self, request: ModelRequest, on_text: Callable[[str], None]) -> str:
        settings = self._settings
        guard = StallGuard(
            first=settings.first_token_seconds, between=settings.token_seconds, limit=settings.answer_seconds
        )
        events = _Events(on_text, guard)
        try:
            async with guard:
                await self._ask(request, events)
        except TimeoutError as error:
            if events.finish_reason is None:
                raise ModelError("timeout", "the model sent nothing for too long", retryable=True) from error
        except ModelError:
            raise
        except Exception as error:
            log.exception("asking the model failed")
            raise ModelError("unavailable", "asking the model failed") from error
        return events.end()

    async def _ask(self, request: ModelRequest, events: _Events) -> None:
        import httpx2
        import openai

        assert self._client is not None, "start() comes first"
        create = self._client.chat.completions.with_streaming_response.create
        messages: Any = msgspec.to_builtins(request.messages)
        values = self._values(request)
        while True:
            options: dict[str, Any] = {option: values[field] for option, field in self._options.items()}
            try:
                async with create(model=self._settings.name, messages=messages, stream=True, **options) as response:
                    if "text/event-stream" not in response.headers.get("content-type", ""):
                        raise ModelError("malformed", "the upstream answered without an event stream")
                    await _relay(response, events)
                    return
            except openai.BadRequestError as error:
                if not self._drop_rejected_option(error, options):
                    raise ModelError("rejected", f"the upstream refused the request: {error.code}") from error
            except openai.APIStatusError as error:
                raise _status_error(error) from error
            except openai.APITimeoutError as error:
                raise ModelError("timeout", "the upstream did not answer in time", retryable=True) from error
            except openai.APIConnectionError as error:
                raise ModelError("connect", "the upstream cannot be reached", retryable=True) from error
            except httpx2.HTTPError as error:
                raise ModelError("unavailable", "the upstream broke off its refusal", retryable=True) from error

    def _values(self, request: ModelRequest) -> dict[str, float | int]:
        settings = self._settings
        return {
            "temperature": settings.clamped_temperature if request.temperature is None else request.temperature,
            "max_tokens": settings.max_tokens if request.max_tokens is None else request.max_tokens,
        }

    def _drop_rejected_option(self, error: openai.BadRequestError, sent: dict[str, Any]) -> bool:
        """Note that this model does not take an option; True if the request can be sent again without it."""
        param = error.param if error.param in sent else next((key for key in sent if key in str(error)), None)
        if param is None:
            return False
        if param in self._options:
            log.warning("model %s does not take %s; it is left out from now on", self.name, param)
            del self._options[param]
            if param == "max_tokens":
                self._options["max_completion_tokens"] = "max_tokens"
        return True


class _Events:
    """Turns the bytes of an event stream into calls of `on_text`, and remembers the finish reason."""

    __slots__ = ("_feed", "_guard", "_on_text", "_said", "finish_reason")

    def __init__(self, on_text: Callable[[str], None], guard: StallGuard) -> None:
        self._feed = SSEDecoder().feed
        self._on_text = on_text
        self._guard = guard
        self._said = False
        self.finish_reason: str | None = None

    def feed(self, block: bytes) -> None:
        """Take the next bytes; raises ModelError where they are no answer."""
        said = False
        try:
            for event in self._feed(block):
                data = event.data
                if data == b"[DONE]":
                    continue
                text = chat_delta(data)
                if text:
                    said = True
                    self._on_text(text)
                if not text or _FINISHED[0] in data or _FINISHED[1] in data:
                    self._finished(_inspect(data))
        except (XiaoerError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ModelError("malformed", "the upstream sent an unreadable event", retryable=True) from error
        if said:
            # Comments and events without text do not count: the visitor has nothing of them.
            self._said = True
            self._guard.touch()

    def end(self) -> str:
        """The finish reason; raises ModelError if what came is no whole answer."""
        if self.finish_reason is None:
            raise ModelError("truncated", "the upstream ended without a finish reason", retryable=True)
        if not self._said:
            raise ModelError("malformed", "the upstream finished without a text", retryable=True)
        return self.finish_reason

    def _finished(self, reason: str | None) -> None:
        if reason is not None:
            self.finish_reason = reason
            self._guard.end_within(END_SECONDS)


async def _relay(response: Any, events: _Events) -> None:
    """Read the event stream to its end. What breaks off behind the finish reason is whole."""
    import httpx2

    # The raw bytes are the text only where nobody compressed them nevertheless.
    plain = response.headers.get("content-encoding", "identity") == "identity"
    deliver = response.http_response.extensions.get(DELIVER) if plain else None
    try:
        if deliver is not None:
            await deliver(events.feed)
        else:
            async for block in response.iter_bytes():
                events.feed(block)
    except (OSError, httpx2.HTTPError) as error:
        if events.finish_reason is None:
            raise ModelError("truncated", "the upstream broke off", retryable=True) from error


def _inspect(data: bytes) -> str | None:
    """Look at a chunk that carries no text: a finish reason, an error, or nothing of interest."""
    chunk = _decode_chunk(data)
    if chunk.error is not None and bytes(chunk.error) != b"null":
        raise ModelError("unavailable", "the upstream reported an error inside the stream", retryable=True)
    return chunk.choices[0].finish_reason if chunk.choices else None


def _status_error(error: openai.APIStatusError) -> ModelError:
    status = error.status_code
    retry_after = _seconds(error.response.headers.get("retry-after"))
    if status == 429:
        return ModelError("rate_limited", "the upstream is rate limiting", retryable=True, retry_after=retry_after)
    if status >= 500 or status == 408:
        return ModelError("unavailable", f"the upstream answered {status}", retryable=True, retry_after=retry_after)
    return ModelError("rejected", f"the upstream refused the request with {status}")


def _seconds(header: str | None) -> float | None:
    """A Retry-After, which is a number of seconds or a date."""
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return None
