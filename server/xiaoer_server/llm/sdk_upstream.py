"""Providers that the hot path does not speak to, through the `openai` package: Azure, and what is behind a proxy.

The answer's bytes are handed on as they come, so the relay above sees no difference. A task a call, and about a
millisecond of the package's own work.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import msgspec

from ..config import ProviderSettings
from .address import ForbiddenAddress, resolve
from .receiver import Receiver, UpstreamError

if TYPE_CHECKING:
    import openai


class SdkCall:
    """A request under way."""

    __slots__ = ("_cancelled", "_receiver", "_task")

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._cancelled = False
        self._task: asyncio.Task[None] | None = None

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run."""
        self._task = asyncio.get_running_loop().create_task(work)

    def cancel(self) -> None:
        """Give it up: the connection closes, and the receiver hears nothing more."""
        self._cancelled = True
        if self._task is not None and not self._task.done():
            self._task.cancel()

    @property
    def cancelled(self) -> bool:
        """Whether nobody wants it."""
        return self._cancelled


class SdkUpstream:
    """A provider of which `settings.adapter` is "sdk". Redirects are not followed, nothing is tried again."""

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
        key = settings.api_key or os.environ.get(settings.api_key_env, "") or "none"
        headers = {"Accept-Encoding": "identity"}
        if settings.api_version:
            self._client = openai.AsyncAzureOpenAI(
                azure_endpoint=settings.base_url,
                api_version=settings.api_version,
                api_key=key,
                max_retries=0,
                timeout=timeout,
                http_client=http,
                default_headers=headers,
            )
        else:
            self._client = openai.AsyncOpenAI(
                base_url=settings.base_url,
                api_key=key,
                max_retries=0,
                timeout=timeout,
                http_client=http,
                default_headers=headers,
            )

    async def close(self) -> None:
        """Give up what runs and close the client."""
        for call in list(self._calls):
            call.cancel()
        if self._client is not None:
            await self._client.close()
            self._client = None

    def send(self, path: str, body: bytes, receiver: Receiver) -> SdkCall:
        """Send a request to `/chat/completions` or `/embeddings`."""
        call = SdkCall(receiver)
        self._calls.add(call)
        call.start(self._run(call, path, msgspec.json.decode(body), receiver))
        return call

    async def _run(self, call: SdkCall, path: str, fields: dict[str, Any], receiver: Receiver) -> None:
        import httpx2
        import openai

        try:
            await self._check_address()
            await self._exchange(call, path, fields, receiver)
        except openai.APIStatusError as error:
            body = error.response.content if error.response.is_closed else await error.response.aread()
            if not call.cancelled:
                receiver.on_head(error.status_code, _headers(error.response))
            if not call.cancelled:
                receiver.on_body(body)
            if not call.cancelled:
                receiver.on_end()
        except openai.APITimeoutError:
            _fail(call, receiver, "timeout", "the upstream did not accept the connection in time")
        except openai.APIConnectionError:
            _fail(call, receiver, "connect", "the upstream cannot be reached")
        except ForbiddenAddress as error:
            _fail(call, receiver, "connect", str(error))
        except (httpx2.HTTPError, OSError):
            _fail(call, receiver, "truncated", "the upstream broke off its answer")
        except openai.OpenAIError as error:
            _fail(call, receiver, "unavailable", f"the request could not be made: {type(error).__name__}")
        finally:
            self._calls.discard(call)

    async def _exchange(self, call: SdkCall, path: str, fields: dict[str, Any], receiver: Receiver) -> None:
        assert self._client is not None, "start() comes first"
        model = fields.pop("model")
        create: Any
        if path == "/embeddings":
            create = self._client.embeddings.with_streaming_response.create
            # Without it the package asks for base64, which its own caller would not notice, and ours would.
            named = {"input": fields.pop("input"), "encoding_format": fields.pop("encoding_format", "float")}
        else:
            create = self._client.chat.completions.with_streaming_response.create
            named = {"messages": fields.pop("messages"), "stream": fields.pop("stream", False)}
        async with create(model=model, extra_body=fields or None, **named) as response:
            receiver.on_head(response.status_code, _headers(response.http_response))
            async for block in response.iter_bytes():
                if call.cancelled:
                    return
                receiver.on_body(block)
            if not call.cancelled:
                receiver.on_end()

    async def _check_address(self) -> None:
        """Before each call, since the package looks the name up itself. A proxy's own look-up is its affair."""
        url = urlsplit(self._settings.base_url)
        if url.scheme not in getproxies() and url.hostname is not None:
            port = url.port or (443 if url.scheme == "https" else 80)
            await resolve(url.hostname, port, allow_private=self._allow_private)


def _headers(response: Any) -> list[tuple[bytes, bytes]]:
    return [(name.lower(), value) for name, value in response.headers.raw]


def _fail(call: SdkCall, receiver: Receiver, kind: Any, message: str) -> None:
    if not call.cancelled:
        receiver.on_error(UpstreamError(kind, message))
