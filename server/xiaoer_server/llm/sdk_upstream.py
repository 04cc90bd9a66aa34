"""Providers that the hot path does not speak to, through the `openai` package: Azure, and what is behind a proxy.

The request's bytes go out as they are and the answer's bytes are handed on as they come, so the relay above sees no
difference. A task a call, and about a millisecond of the package's own work. Deadlines are the relay's; only connecting
is bounded here.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

import msgspec

from ..config import ProviderSettings
from .address import ForbiddenAddress, resolve
from .provider import ModelFailure
from .receiver import Receiver, UpstreamError

if TYPE_CHECKING:
    import httpx2
    import openai

log = logging.getLogger(__name__)

#: Bytes of a refusal that are read: the package reads it whole before it tells of it.
MOST_REFUSAL_BYTES = 65_536


class _Named(msgspec.Struct):
    model: str


_decode_named = msgspec.json.Decoder(_Named).decode


class SdkCall:
    """A request under way."""

    __slots__ = ("_answered", "_flowing", "_receiver", "_task", "over")

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._answered = False
        self._task: asyncio.Task[None] | None = None
        self.over = False  # the receiver hears nothing more

    def start(self, work: Coroutine[Any, Any, None], ended: Callable[[SdkCall], None]) -> None:
        """Run; `ended` is called however that ends."""
        self._task = asyncio.get_running_loop().create_task(work)
        self._task.add_done_callback(lambda _task: ended(self))

    def cancel(self) -> None:
        """Give it up: the connection closes, and the receiver hears nothing more."""
        self.over = True
        if self._task is not None and not self._task.done():
            self._task.cancel()

    def pause(self) -> None:
        """Read nothing more for now; the upstream's socket fills up."""
        self._flowing.clear()

    def resume(self) -> None:
        """Read on."""
        self._flowing.set()

    async def hand_on(self, status: int, headers: list[tuple[bytes, bytes]], blocks: AsyncIterator[bytes]) -> None:
        """Tell the receiver of a response. It may cancel the call at any point."""
        self._answered = True
        if not self.over:
            self._receiver.on_head(status, headers)
        async for block in blocks:
            if block and not self.over:
                self._receiver.on_body(block)
            if not self._flowing.is_set():
                await self._flowing.wait()
            if self.over:
                return
        if not self.over:
            self.over = True
            self._receiver.on_end()

    def fail(self, kind: ModelFailure, message: str) -> None:
        """Tell the receiver that there is no answer, or no more of it."""
        if not self.over:
            self.over = True
            self._receiver.on_error(UpstreamError(kind, message, answered=self._answered))


class SdkUpstream:
    """A provider of which `settings.adapter` is "sdk". Redirects are not followed, nothing is tried again.

    With `settings.api_version` it is Azure's: the model is the name of a deployment.
    """

    def __init__(self, settings: ProviderSettings, *, allow_private: bool = False) -> None:
        self._settings = settings
        self._allow_private = allow_private or settings.allow_private
        self._client: openai.AsyncOpenAI | None = None
        self._calls: set[SdkCall] = set()

    async def start(self) -> None:
        """Import the package (about a second) and make its client."""
        import httpx2
        import openai

        settings = self._settings
        timeout = httpx2.Timeout(None, connect=settings.connect_seconds)
        limits = httpx2.Limits(max_connections=settings.connections_max)
        http = openai.DefaultAioHttpClient(follow_redirects=False, timeout=timeout, limits=limits)
        options: dict[str, Any] = {
            "api_key": settings.api_key or os.environ.get(settings.api_key_env, "") or "none",
            "max_retries": 0,
            "timeout": timeout,
            "http_client": http,
            "default_headers": {"Accept-Encoding": "identity"},
        }
        if settings.api_version:
            whole = "/openai" in urlsplit(settings.base_url).path
            options["base_url" if whole else "azure_endpoint"] = settings.base_url
            self._client = openai.AsyncAzureOpenAI(api_version=settings.api_version, **options)
        else:
            self._client = openai.AsyncOpenAI(base_url=settings.base_url, **options)
        # Behind the package's own hooks: one of them compares the address that the request was built for.
        http.event_hooks["request"].append(self._prepare)
        http.event_hooks["response"].append(_shorten)

    async def close(self) -> None:
        """Give up what runs and close the client."""
        for call in list(self._calls):
            call.cancel()
        if self._client is not None:
            await self._client.close()
            self._client = None

    def send(self, path: str, body: bytes, receiver: Receiver) -> SdkCall:
        """Send a request to `/chat/completions` or `/embeddings`; `body` is JSON that names a model."""
        call = SdkCall(receiver)
        self._calls.add(call)
        call.start(self.run(call, path, body), self._calls.discard)
        return call

    async def run(self, call: SdkCall, path: str, body: bytes) -> None:
        """The work of a call; see `send`."""
        import httpx2
        import openai

        try:
            await self._exchange(call, path, body)
        except openai.APIConnectionError as error:
            # Also what the package takes for a time-out: a refused connection, for example. Nothing else is timed.
            refused = _cause(error)
            call.fail("connect", str(refused) if refused is not None else "the upstream cannot be reached, or is gone")
        except ForbiddenAddress as error:
            call.fail("connect", str(error))
        except (httpx2.HTTPError, OSError):
            call.fail("truncated", "the upstream broke off its answer")
        except Exception as error:
            # Its text may hold the request.
            log.error("a request could not be made: %s", type(error).__name__)
            call.fail("unavailable", f"the request could not be made: {type(error).__name__}")

    async def _exchange(self, call: SdkCall, path: str, body: bytes) -> None:
        import httpx2
        import openai

        assert self._client is not None, "start() comes first"
        if self._settings.api_version and "/deployments/" not in self._settings.base_url:
            path = f"/deployments/{quote(_decode_named(body).model, safe='')}{path}"
        try:
            response: Any = await self._client.post(
                path, cast_to=httpx2.Response, content=body, stream=True, stream_cls=openai.AsyncStream[object]
            )
        except openai.APIStatusError as error:
            # The package has read it, and decoded it where it was compressed.
            headers = [field for field in _headers(error.response) if field[0] != b"content-encoding"]
            await call.hand_on(error.status_code, headers, _once(error.response.content))
            return
        try:
            await call.hand_on(response.status_code, _headers(response), response.aiter_raw())
        finally:
            await response.aclose()

    async def _prepare(self, request: httpx2.Request) -> None:
        """Judge the address, and connect to the one that was judged: a second look-up could answer otherwise.

        Where a proxy is gone through it looks the name up, and may look up another address.
        """
        # What one caller's answer has set is none of the next one's.
        request.headers.pop("cookie", None)
        url = request.url
        proxies = getproxies()
        proxied = url.scheme in proxies or "all" in proxies
        if proxied and not proxy_bypass(url.host):
            return
        port = url.port or (443 if url.scheme == "https" else 80)
        [address, *_] = await resolve(url.host, port, allow_private=self._allow_private)
        if proxied:
            return  # the client knows by the name that this one goes past the proxy
        if url.scheme == "https":
            request.extensions["sni_hostname"] = url.host
        request.url = url.copy_with(host=address)


async def _shorten(response: httpx2.Response) -> None:
    """Let no refusal be longer than it may be."""
    import httpx2

    class Shortened(httpx2.AsyncByteStream):
        """The first bytes of a body."""

        def __init__(self, stream: httpx2.AsyncByteStream) -> None:
            self._stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            left = MOST_REFUSAL_BYTES
            async for block in self._stream:
                yield block[:left]
                left -= len(block)
                if left <= 0:
                    return

        async def aclose(self) -> None:
            await self._stream.aclose()

    if response.status_code >= 300 and isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = Shortened(response.stream)


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _headers(response: Any) -> list[tuple[bytes, bytes]]:
    return [(name.lower(), value) for name, value in response.headers.raw]


def _cause(error: BaseException | None) -> ForbiddenAddress | None:
    """The refusal of an address that the package has wrapped."""
    while error is not None:
        if isinstance(error, ForbiddenAddress):
            return error
        error = error.__cause__
    return None
