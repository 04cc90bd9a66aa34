"""What callers send that they shouldn't, byte by byte: a clear refusal in OpenAI's shape, and the server goes on."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator

import pytest

from support.own_gateway import OwnGateway, model, own_gateway, provider
from support.recording import Upstream
from support.strict_caller import ask, post, read_all, understand

BODY_BYTES = 200_000
GOOD = b'{"model":"sim-model","messages":[{"role":"user","content":"hello"}]%b}'


@pytest.fixture(scope="module")
def recording() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, recording: Upstream) -> Iterator[OwnGateway]:
    with own_gateway(
        tmp_path_factory.mktemp("bad") / "data",
        f"[gateway]\nbody_bytes = {BODY_BYTES}\n",
        provider("sim", recording.base_url),
        model("sim-model", "sim"),
    ) as gateway:
        yield gateway


@pytest.fixture
def upstream(recording: Upstream) -> Upstream:
    recording.clear()
    return recording


BODIES = {
    "nothing": b"",
    "space": b"  \n",
    "truncated": (GOOD % b"")[:-3],
    "two values": (GOOD % b"") + b"{}",
    "array": b"[" + (GOOD % b"") + b"]",
    "string": b'"hello"',
    "null": b"null",
    "single quotes": b"{'model':'sim-model','messages':[]}",
    "comment": b"/* hello */" + (GOOD % b""),
    "trailing comma": GOOD % b",",
    "bom": b"\xef\xbb\xbf" + (GOOD % b""),
    "utf-16": (GOOD % b"").decode().encode("utf-16"),
    "invalid utf-8": GOOD % b',"user":"\xc3\x28"',
    "overlong utf-8": GOOD % b',"user":"\xc0\xaf"',
    "utf-8 surrogate": GOOD % b',"user":"\xed\xa0\x80"',
    "lone surrogate": GOOD % b',"user":"\\udc00"',
    "control character": GOOD % b',"user":"a\x00b"',
    "duplicate": GOOD % b',"model":"sim-model"',
    "duplicate by escape": GOOD % b',"\\u006dodel":"other"',
    "duplicate deep inside": GOOD % b',"metadata":{"a":{"b":1,"b":2}}',
    "NaN": GOOD % b',"temperature":NaN',
    "Infinity": GOOD % b',"temperature":-Infinity',
    "NaN in what we do not know": GOOD % b',"metadata":{"x":[NaN]}',
    "deep arrays": GOOD % (b',"metadata":' + b"[" * 20_000 + b"]" * 20_000),
    "deep objects": GOOD % (b',"metadata":' + b'{"a":' * 20_000 + b"1" + b"}" * 20_000),
    "deep and open": GOOD[:-3] + b',"metadata":' + b"[" * 100_000,
    "hexadecimal": GOOD % b',"n":0x1',
    "leading zero": GOOD % b',"n":01',
    "plus": GOOD % b',"n":+1',
    "no model": b'{"messages":[{"role":"user","content":"hello"}]}',
    "no messages": b'{"model":"sim-model"}',
    "messages null": b'{"model":"sim-model","messages":null}',
    "messages of strings": b'{"model":"sim-model","messages":["hello"]}',
    "model null": b'{"model":null,"messages":[]}',
    "stream of 1": GOOD % b',"stream":1',
    "stream_options": GOOD % b',"stream":true,"stream_options":"usage"',
    "temperature of text": GOOD % b',"temperature":"0.5"',
    "max_tokens of true": GOOD % b',"max_tokens":true',
    "n of 1.5": GOOD % b',"n":1.5',
}

CONTROLS = {
    "api_key": "sk-mine",
    "api_base": "http://169.254.169.254/v1",
    "base_url": "http://127.0.0.1:1/v1",
    "extra_headers": {"authorization": "Bearer mine"},
    "extra_body": {"model": "other"},
    "headers": {"x": "y"},
    "organization": "org-mine",
    "api_version": "2024-01-01",
    "timeout": 1,
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_that_is_no_request(gateway: OwnGateway, upstream: Upstream, name: str) -> None:
    heard = await post(gateway, "/chat/completions", BODIES[name])
    assert heard.status == 400, heard
    assert heard.error is not None
    assert heard.error["type"] == "invalid_request_error"
    assert heard.seconds < 2
    assert not upstream.requests
    assert (await ask(gateway, "[[reply:still here]]", stream=False)).text == "still here"


@pytest.mark.parametrize("path", ["/embeddings", "/moderations"])
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"model":"sim-model"}', b'{"input":7}', b'{"input":"a","input":"b"}', b'{"input":"\xff"}'],
    ids=["nothing", "open", "array", "no input", "number", "twice", "utf-8"],
)
async def test_other_routes(gateway: OwnGateway, upstream: Upstream, path: str, body: bytes) -> None:
    heard = await post(gateway, path, body)
    assert heard.status == 400, heard
    assert not upstream.requests


@pytest.mark.parametrize("name", CONTROLS)
async def test_what_steers_another_gateway_steers_nothing_here(
    gateway: OwnGateway, upstream: Upstream, name: str
) -> None:
    heard = await ask(gateway, "hello", stream=False, **{name: CONTROLS[name]})
    assert heard.error is not None
    assert (heard.status, heard.error["code"], heard.error["param"]) == (400, "unsupported_parameter", name)
    assert not upstream.requests


async def test_nothing_of_the_callers_head_goes_on(gateway: OwnGateway, upstream: Upstream) -> None:
    theirs = {
        "X-Api-Key": "theirs-1",
        "Api-Key": "theirs-2",
        "Cookie": "session=theirs-3",
        "OpenAI-Organization": "theirs-4",
        "OpenAI-Project": "theirs-5",
        "Proxy-Authorization": "Basic theirs-6",
        "X-Forwarded-For": "203.0.113.77",
        "Forwarded": "for=203.0.113.77",
        "User-Agent": "theirs-7",
        "X-Stainless-Lang": "theirs-8",
        "Accept-Encoding": "gzip, theirs-9",
        "Referer": "https://theirs-10.example/",
        "Via": "1.1 theirs-11",
        "Te": "trailers",
    }
    body = json.dumps({"model": "sim-model", "messages": [{"role": "user", "content": "hello"}]}).encode()
    for path, sent in (("/chat/completions", body), ("/embeddings", b'{"model":"sim-model","input":"x"}')):
        assert (await post(gateway, path, sent, headers=theirs)).status == 200
        request = upstream.requests[-1]
        text = repr(request.headers) + request.path + request.body.decode()
        assert "theirs" not in text
        assert "203.0.113.77" not in text
        assert gateway.key not in text
        assert {name for name, _ in request.headers} <= {
            *("host", "user-agent", "content-type", "accept", "accept-encoding", "authorization", "content-length"),
            "connection",
        }


@pytest.mark.parametrize("extra", [1, 1_000_000])
async def test_too_large(gateway: OwnGateway, upstream: Upstream, extra: int) -> None:
    """Said before it is read; what does not fit is not kept either."""
    body = GOOD % b',"user":"%b"' % (b"x" * (BODY_BYTES + extra))
    answer = await say(gateway, head(gateway, f"Content-Length: {len(body)}") + body)
    # Nothing: it stopped listening before all was sent, and the answer went with the reset.
    assert not answer or understand(answer).status == 413
    assert not upstream.requests
    assert (await ask(gateway, "[[reply:still here]]", stream=False)).text == "still here"


async def say(gateway: OwnGateway, data: bytes, *, end: bool = False, limit: float = 20.0) -> bytes:
    """Send these bytes, perhaps the end of them too, and read until the server hangs up."""
    async with asyncio.timeout(limit):
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.server.port)
        try:
            writer.write(data)
            if end:
                writer.write_eof()
            return await read_all(reader)
        finally:
            writer.close()


def head(gateway: OwnGateway, *lines: str) -> bytes:
    fixed = ["POST /v1/chat/completions HTTP/1.1", "Host: x", f"Authorization: Bearer {gateway.key}"]
    return ("\r\n".join([*fixed, "Content-Type: application/json", "Connection: close", *lines]) + "\r\n\r\n").encode()


async def test_lengths_that_lie(gateway: OwnGateway, upstream: Upstream) -> None:
    body = GOOD % b""
    short = await say(gateway, head(gateway, f"Content-Length: {len(body) - 5}") + body)
    assert understand(short).status == 400
    # Longer than what comes: nothing is made of half a request, and the connection is not kept for ever.
    began = time.monotonic()
    long = await say(gateway, head(gateway, f"Content-Length: {len(body) + 5}") + body, end=True)
    assert not long or understand(long).status in {400, 408}
    assert time.monotonic() - began < 15
    for line in ("Content-Length: -1", "Content-Length: 1e3", "Content-Length: 99999999999999999999999"):
        refused = await say(gateway, head(gateway, line) + body, end=True)
        assert refused.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 413 ")), refused
    two = await say(gateway, head(gateway, f"Content-Length: {len(body)}", "Content-Length: 3") + body, end=True)
    assert two.startswith(b"HTTP/1.1 400 "), two
    both = await say(
        gateway, head(gateway, f"Content-Length: {len(body)}", "Transfer-Encoding: chunked") + body, end=True
    )
    assert both.startswith(b"HTTP/1.1 400 "), both
    assert not upstream.requests, [request.body for request in upstream.requests]


async def test_chunks(gateway: OwnGateway, upstream: Upstream) -> None:
    body = GOOD % b""
    lines = "Transfer-Encoding: chunked"
    data = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    heard = understand(await say(gateway, head(gateway, lines) + data))
    assert (heard.status, heard.text) == (200, "You said: hello")
    assert upstream.requests[-1].json == {**json.loads(body), "model": "sim-model"}
    upstream.clear()
    bad = await say(gateway, head(gateway, lines) + b"zz\r\n" + body, end=True)
    assert bad.startswith(b"HTTP/1.1 400 "), bad
    assert not upstream.requests


@pytest.mark.parametrize("line", ["Authorization: Basic eGs6eA==", "Authorization: Bearer", "Authorization: ", "X: y"])
async def test_no_key(gateway: OwnGateway, upstream: Upstream, line: str) -> None:
    body = GOOD % b""
    lines = ["POST /v1/chat/completions HTTP/1.1", "Host: x", "Connection: close", line, f"Content-Length: {len(body)}"]
    heard = understand(await say(gateway, "\r\n".join([*lines, "", ""]).encode() + body))
    assert heard.error is not None
    assert (heard.status, heard.error["code"]) == (401, "invalid_api_key")
    assert not upstream.requests


@pytest.mark.parametrize(
    "line",
    ["GET /v1/chat/completions", "PUT /v1/embeddings", "DELETE /v1/models/sim-model", "POST /v1/files", "GET /v1/"],
)
async def test_routes_that_there_are_not(gateway: OwnGateway, line: str) -> None:
    text = f"{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {gateway.key}\r\n\r\n"
    heard = understand(await say(gateway, text.encode()))
    assert heard.status in {404, 405}
    assert heard.error is not None
