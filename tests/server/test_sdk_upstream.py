"""Upstreams through the `openai` package: what goes out, what is handed on, and how it ends."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from benches.load.simulator import Simulator
from xiaoer import SSEDecoder, chat_delta
from xiaoer_server.config import ProviderSettings
from xiaoer_server.llm import sdk_upstream
from xiaoer_server.llm.receiver import UpstreamError
from xiaoer_server.llm.sdk_upstream import SdkUpstream

BODY = b'{"model": "sim-model", "top_p": 1.0, "messages": [{"role": "user", "content": "[[reply:Exactly this.]]"}]}'
STREAMED = BODY[:-1] + b', "stream": true}'

Serve = Callable[[bytes, bytes, asyncio.StreamWriter], Awaitable[None]]


class Heard:
    """A receiver that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.blocks: list[bytes] = []
        self.error: UpstreamError | None = None
        self.over = asyncio.Event()
        self.begun = asyncio.Event()

    @property
    def body(self) -> bytes:
        return b"".join(self.blocks)

    def on_head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.told.append("head")
        self.status, self.headers = status, dict(headers)

    def on_body(self, data: bytes) -> None:
        if self.told[-1] != "body":
            self.told.append("body")
        self.blocks.append(data)
        self.begun.set()

    def on_end(self) -> None:
        self.told.append("end")
        self.over.set()

    def on_error(self, error: UpstreamError) -> None:
        self.told.append("error")
        self.error = error
        self.over.set()

    async def wait(self) -> None:
        async with asyncio.timeout(10):
            await self.over.wait()


@asynccontextmanager
async def upstream(base_url: str, **settings: Any) -> AsyncIterator[SdkUpstream]:
    options: dict[str, Any] = {"allow_private": True, "api_key": "upstream-secret"} | settings
    provider = SdkUpstream(ProviderSettings(base_url=base_url, adapter="sdk", **options))
    await provider.start()
    try:
        yield provider
    finally:
        await provider.close()


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[str]:
    """A server that answers each request by `serve(head, body, writer)` and then closes; yields its address."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
            await serve(head, await reader.readexactly(int(fields[b"content-length"])), writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


def answer(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body


async def exchange(provider: SdkUpstream, body: bytes = BODY, path: str = "/chat/completions") -> Heard:
    heard = Heard()
    provider.send(path, body, heard)
    await heard.wait()
    return heard


async def test_a_whole_answer_a_stream_and_embeddings() -> None:
    async with Simulator(rate=0, first_token=0) as simulator, upstream(simulator.base_url) as provider:
        heard = await exchange(provider)
        assert heard.told == ["head", "body", "end"]
        assert json.loads(heard.body)["choices"][0]["message"]["content"] == "Exactly this."
        heard = await exchange(provider, STREAMED)
        assert heard.headers[b"content-type"].startswith(b"text/event-stream")
        texts = [chat_delta(event.data) for event in SSEDecoder().feed(heard.body) if event.data != b"[DONE]"]
        assert "".join(filter(None, texts)) == "Exactly this."
        assert heard.body.rstrip().endswith(b"data: [DONE]")
        heard = await exchange(provider, b'{"model": "e", "input": ["one", "two"]}', "/embeddings")
        assert len(json.loads(heard.body)["data"]) == 2


async def test_the_bytes_go_out_as_they_are_under_our_key_alone() -> None:
    asked: list[tuple[bytes, bytes]] = []

    async def serve(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append((head.lower(), body))
        writer.write(answer(b"{}", set_cookie="canary=1; Path=/"))

    async with serving(serve) as url, upstream(url + "/v1") as provider:
        await exchange(provider)
        await exchange(provider)
    head, body = asked[1]
    assert body == BODY
    assert head.startswith(b"post /v1/chat/completions http/1.1\r\n")
    assert b"authorization: bearer upstream-secret\r\n" in head
    assert b"accept-encoding: identity\r\n" in head
    assert b"content-type: application/json\r\n" in head
    assert b"canary" not in head, "one caller's cookie was sent for the next one"


@pytest.mark.parametrize("base", ["", "/", "/openai"])
async def test_azure_has_deployments_a_version_and_a_header_of_its_own(base: str) -> None:
    asked: list[bytes] = []

    async def serve(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(head)
        assert body == named
        writer.write(answer(b'{"id": 1}'))

    named = BODY.replace(b"sim-model", "gpt 4/ü".encode())
    async with serving(serve) as url, upstream(url + base, api_version="2024-10-21") as provider:
        heard = await exchange(provider, named)
        assert heard.body == b'{"id": 1}'
        await exchange(provider, named, "/embeddings")
    host = url.removeprefix("http://").encode()
    for head, path in zip(asked, (b"chat/completions", b"embeddings"), strict=True):
        line, *lines = head.lower().split(b"\r\n")
        target = b"/openai/deployments/gpt%204%2f%c3%bc/" + path + b"?api-version=2024-10-21"
        assert line == b"post " + target + b" http/1.1"
        assert b"api-key: upstream-secret" in lines
        assert b"host: " + host in lines
        assert not any(line.startswith(b"authorization:") for line in lines)


async def test_a_deployment_in_the_address_stays() -> None:
    asked: list[bytes] = []

    async def serve(head: bytes, _body: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(head)
        writer.write(answer(b"{}"))

    async with (
        serving(serve) as url,
        upstream(url + "/openai/deployments/mine", api_version="2024-10-21") as provider,
    ):
        await exchange(provider)
    assert asked[0].startswith(b"POST /openai/deployments/mine/chat/completions?api-version=2024-10-21 ")


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
async def test_a_refusal_is_handed_on_as_it_came_and_not_tried_again(status: int) -> None:
    asked = 0

    async def serve(_head: bytes, _body: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.write(answer(b'{"error": {"message": "no"}}', f"{status} No", retry_after="7", x_extra="1"))

    async with serving(serve) as url, upstream(url) as provider:
        heard = await exchange(provider)
    assert (heard.status, heard.body) == (status, b'{"error": {"message": "no"}}')
    assert (heard.headers[b"retry-after"], heard.headers[b"x-extra"]) == (b"7", b"1")
    assert heard.told == ["head", "body", "end"]
    assert asked == 1


async def test_a_redirect_is_not_followed() -> None:
    asked: list[bytes] = []

    async def serve(head: bytes, _body: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(head)
        writer.write(answer(b"", "307 Elsewhere", location="/v2/chat/completions"))

    async with serving(serve) as url, upstream(url) as provider:
        heard = await exchange(provider)
    assert heard.status == 307
    assert len(asked) == 1


async def test_a_refusal_without_end_is_not_read_to_it() -> None:
    async def serve(_head: bytes, _body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            await writer.drain()

    async with serving(serve) as url, upstream(url) as provider:
        heard = await exchange(provider)
    assert (heard.status, len(heard.body)) == (500, sdk_upstream.MOST_REFUSAL_BYTES)


async def test_what_is_compressed_nevertheless_stays_so_and_says_so() -> None:
    async def serve(_head: bytes, _body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(gzip.compress(b'{"id": 1}'), content_encoding="gzip"))

    async with serving(serve) as url, upstream(url) as provider:
        heard = await exchange(provider)
    assert heard.headers[b"content-encoding"] == b"gzip"
    assert gzip.decompress(heard.body) == b'{"id": 1}'


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"])
async def test_an_answer_that_breaks_off_is_an_error(part: bytes) -> None:
    async def serve(_head: bytes, _body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(part)

    async with serving(serve) as url, upstream(url) as provider:
        heard = await exchange(provider)
    assert heard.error is not None
    assert heard.told[-1] == "error"
    assert heard.told.count("error") == 1
    if part.endswith(b"half"):
        assert (heard.error.kind, heard.error.answered) == ("truncated", True)
    else:
        assert (heard.error.kind, heard.error.answered) == ("connect", False)


async def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with upstream(f"http://127.0.0.1:{taken.getsockname()[1]}") as provider:
            heard = await exchange(provider)
    assert heard.error is not None
    assert (heard.error.kind, heard.error.answered) == ("connect", False)
    assert "upstream-secret" not in str(heard.error)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_an_address_inside_is_refused_unless_allowed(host: str) -> None:
    asked = 0

    async def serve(_head: bytes, _body: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.write(answer(b"{}"))

    async with serving(serve) as url:
        url = url.replace("127.0.0.1", host)
        async with upstream(url, allow_private=False) as provider:
            heard = await exchange(provider)
        assert heard.error is not None
        assert "allow_private" in str(heard.error)
        assert asked == 0
        async with upstream(url, allow_private=True) as provider:
            heard = await exchange(provider)
        assert (heard.error, asked) == (None, 1)


async def test_the_name_is_looked_up_once_so_that_no_second_answer_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    async def serve(head: bytes, _body: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(head)
        writer.write(answer(b"{}"))

    async def first_look(host: str, port: int, *, allow_private: bool) -> list[str]:
        assert host == "model.invalid"
        return ["127.0.0.1"]

    monkeypatch.setattr(sdk_upstream, "resolve", first_look)
    async with serving(serve) as url:
        port = url.rpartition(":")[2]
        async with upstream(f"http://model.invalid:{port}/v1", allow_private=False) as provider:
            heard = await exchange(provider)
    assert heard.status == 200
    assert f"host: model.invalid:{port}\r\n".encode() in asked[0].lower()


async def test_a_cancelled_call_says_nothing_more_and_closes_its_connection() -> None:
    gone = asyncio.Event()

    async def serve(_head: bytes, _body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
        try:
            while True:
                writer.write(b"1\r\nb\r\n")
                await writer.drain()
                await asyncio.sleep(0.005)
        finally:
            gone.set()

    async with serving(serve) as url, upstream(url) as provider:
        heard = Heard()
        call = provider.send("/chat/completions", STREAMED, heard)
        async with asyncio.timeout(10):
            await heard.begun.wait()
            call.cancel()
            told = list(heard.told), len(heard.blocks)
            await gone.wait()
        assert (heard.told, len(heard.blocks)) == told
        early = Heard()
        provider.send("/chat/completions", STREAMED, early).cancel()
        await asyncio.sleep(0.05)
        assert early.told == []
        assert not provider._calls


async def test_a_paused_call_leaves_the_rest_in_the_socket() -> None:
    sent = 0

    async def serve(_head: bytes, _body: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 64000000\r\n\r\n")
        for _ in range(1000):
            writer.write(b"x" * 64_000)
            await writer.drain()
            sent += 64_000

    async with serving(serve) as url, upstream(url) as provider:
        heard = Heard()
        call = provider.send("/chat/completions", STREAMED, heard)
        await heard.begun.wait()
        call.pause()
        await asyncio.sleep(0.3)
        held, at = sent, len(heard.body)
        await asyncio.sleep(0.2)
        assert (sent, len(heard.body)) == (held, at)
        assert sent < 32_000_000
        call.resume()
        await heard.wait()
        assert len(heard.body) == 64_000_000


@pytest.mark.parametrize("past", [False, True])
async def test_a_proxy_of_the_environment_is_gone_through_unless_it_is_not_to_be(
    monkeypatch: pytest.MonkeyPatch, past: bool
) -> None:
    asked: list[bytes] = []

    async def serve(head: bytes, _body: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(head)
        writer.write(answer(b"{}"))

    async with serving(serve) as url:
        monkeypatch.setenv("http_proxy", url if not past else "http://127.0.0.1:9")
        monkeypatch.setenv("no_proxy", "127.0.0.1" if past else "")
        async with upstream(url if past else "http://model.invalid/v1", allow_private=past) as provider:
            heard = await exchange(provider)
        if past:
            async with upstream(url, allow_private=False) as provider:
                refused = await exchange(provider)
            assert refused.error is not None, "past the proxy, an address inside went unseen"
    assert heard.status == 200
    assert asked[0].startswith(b"POST /chat" if past else b"POST http://model.invalid/v1/chat/completions ")


async def test_a_key_that_no_header_takes_is_a_failure_without_the_key(caplog: pytest.LogCaptureFixture) -> None:
    async with upstream("http://127.0.0.1:9", api_key="schlüssel-☂") as provider:
        heard = await exchange(provider)
    assert heard.error is not None
    assert heard.error.kind in ("unavailable", "connect")
    assert "schlüssel" not in caplog.text + str(heard.error)
