"""The chat's way to a model against upstreams that no simulator would be: written byte by byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from xiaoer_server.config import ConfigError, ModelSettings
from xiaoer_server.llm import relay
from xiaoer_server.llm.chat_model import RelayProvider
from xiaoer_server.llm.provider import ChatMessage, ModelError, ModelRequest
from xiaoer_server.llm.relay import Relay
from xiaoer_server.llm.route import all_routes
from xiaoer_server.llm.upstream import all_upstreams

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter, dict[str, Any]], Awaitable[None]]

STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


def event(text: str | None = None, finish: str | None = None) -> bytes:
    delta = {} if text is None else {"content": text}
    chunk = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


@asynccontextmanager
async def asking(model: ModelSettings) -> AsyncIterator[RelayProvider]:
    """The chat's way to a model, without retries."""
    upstreams = all_upstreams({}, model, budget=0.1)
    [route] = all_routes({}, model, upstreams).values()
    await upstreams["model"].start()
    path = Relay(retries=0, response_bytes=1_000_000)
    try:
        yield RelayProvider(path, route, temperature=model.clamped_temperature, max_tokens=model.max_tokens)
    finally:
        await upstreams["model"].close()


@asynccontextmanager
async def upstream(serve: Serve, **settings: Any) -> AsyncIterator[RelayProvider]:
    """A provider whose upstream is `serve`, called for each request with the request's body."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
            await serve(reader, writer, json.loads(await reader.readexactly(int(fields[b"content-length"]))))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with asking(ModelSettings(base_url=f"http://127.0.0.1:{port}/v1", name="odd", **settings)) as provider:
            yield provider
    finally:
        server.close()
        await server.wait_closed()


async def ask(provider: RelayProvider) -> tuple[str, str]:
    """The text and the finish reason of one answer."""
    said: list[str] = []
    async with asyncio.timeout(10):
        request = ModelRequest([ChatMessage("user", "hello")], "demo", "conversation")
        reason = await provider.stream(request, said.append)
    return "".join(said), reason


async def until_gone(reader: asyncio.StreamReader) -> None:
    while await reader.read(1024):
        pass


def says(*blocks: bytes, then: str = "close") -> Serve:
    """Sends these bytes, then closes, resets, or waits for the client to go."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _body: dict[str, Any]) -> None:
        for block in blocks:
            writer.write(block)
            await writer.drain()
            await asyncio.sleep(0.02)
        if then == "wait":
            await until_gone(reader)
        elif then == "reset":
            writer.transport.abort()

    return serve


@pytest.mark.parametrize("then", ["close", "reset"])
async def test_a_refusal_that_breaks_off_may_be_tried_again(then: str) -> None:
    head = b"HTTP/1.1 500 Oops\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n"
    async with upstream(says(head, b'{"error":', then=then)) as provider:
        with pytest.raises(ModelError) as caught:
            await ask(provider)
    assert caught.value.failure in ("unavailable", "malformed", "truncated")


@pytest.mark.parametrize(
    "blocks",
    [
        [],
        [b"HTTP/1.1 200 OK\r\n"],
        [STREAM],
        [STREAM, *[b": still thinking\n\n"] * 100],
        [STREAM, *[event("")] * 100],
    ],
    ids=["nothing", "half a head", "a head", "comments", "events without text"],
)
async def test_the_first_token_is_not_waited_for_longer_than_allowed(blocks: list[bytes]) -> None:
    async with upstream(says(*blocks, then="wait"), first_token_seconds=0.3, token_seconds=0.2) as provider:
        began = asyncio.get_running_loop().time()
        with pytest.raises(ModelError) as caught:
            await ask(provider)
        assert asyncio.get_running_loop().time() - began < 5
    assert caught.value.failure == "timeout"


async def test_a_pause_after_the_first_token_ends_the_answer() -> None:
    async with upstream(says(STREAM, event("one"), then="wait"), token_seconds=0.1) as provider:
        with pytest.raises(ModelError) as caught:
            await ask(provider)
    assert caught.value.failure == "timeout"


@pytest.mark.parametrize("then", ["close", "reset", "wait"])
@pytest.mark.parametrize("end", [b"", b"data: [DONE]\n\n"])
async def test_a_finish_reason_makes_it_whole_however_the_stream_ends(
    then: str, end: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "END_SECONDS", 0.1)
    async with upstream(says(STREAM, event("one"), event(finish="stop") + end, then=then)) as provider:
        assert await ask(provider) == ("one", "stop")


async def test_an_answer_without_a_text_is_none() -> None:
    async with upstream(says(STREAM, event(""), event(finish="stop"), b"data: [DONE]\n\n")) as provider:
        with pytest.raises(ModelError) as caught:
            await ask(provider)
    assert caught.value.failure in ("unavailable", "malformed", "truncated")


@pytest.mark.parametrize(("header", "wait"), [("2", 2.0), ("{in_an_hour}", 3600.0), ("soon", None)])
async def test_retry_after(header: str, wait: float | None) -> None:
    header = header.format(in_an_hour=format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True))
    head = f"HTTP/1.1 429 Slow down\r\nretry-after: {header}\r\ncontent-length: 2\r\n\r\n{{}}"
    async with upstream(says(head.encode())) as provider:
        with pytest.raises(ModelError) as caught:
            await ask(provider)
    assert caught.value.failure == "rate_limited"
    assert caught.value.retry_after == (wait if wait is None else pytest.approx(wait, abs=60))


async def test_options_the_model_rejects_are_left_out_from_then_on() -> None:
    asked: list[set[str]] = []

    async def strict(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: dict[str, Any]) -> None:
        asked.append(set(body) & {"temperature", "max_tokens", "max_completion_tokens"})
        for option in ("max_tokens", "temperature"):
            if option in body:
                error = {"message": f"Unsupported parameter: '{option}'", "param": option, "code": "unsupported"}
                text = json.dumps({"error": error})
                head = f"HTTP/1.1 400 No\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n"
                writer.write((head + text).encode())
                return
        writer.write(STREAM + event("one", "stop"))

    async with upstream(strict) as provider:
        assert await ask(provider) == ("one", "stop")
        assert await ask(provider) == ("one", "stop")
    assert asked == [
        {"temperature", "max_tokens"},
        {"temperature", "max_completion_tokens"},
        {"max_completion_tokens"},
        {"max_completion_tokens"},
    ]


async def test_a_key_that_no_header_can_carry_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigError, match=r"model\.api_key: holds what no header can carry") as caught:
        async with upstream(says(), api_key="schlüssel"):
            pass
    assert "schl" not in str(caught.value)


@pytest.mark.parametrize("mode", ["text", "broken"])
async def test_a_proxy_of_the_environment_is_gone_through(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    """Another transport serves then; the rules of whole and cut answers are the same."""
    asked: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(STREAM + event("through") + (event(finish="stop") if mode == "text" else b""))
        await writer.drain()
        writer.close()

    proxy = await asyncio.start_server(handle, "127.0.0.1", 0)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
    monkeypatch.setenv("no_proxy", "")
    try:
        async with asking(ModelSettings(base_url="http://model.invalid/v1", name="far")) as provider:
            if mode == "text":
                assert await ask(provider) == ("through", "stop")
            else:
                with pytest.raises(ModelError) as caught:
                    await ask(provider)
                assert caught.value.failure == "truncated"
    finally:
        proxy.close()
        await proxy.wait_closed()
    assert asked[0].startswith(b"POST http://model.invalid/v1/chat/completions HTTP/1.1\r\n")
