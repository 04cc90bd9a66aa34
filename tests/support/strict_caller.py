"""A caller without a library: what the gateway sends is judged byte by byte, as the strictest client would."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, NamedTuple, Protocol

from support.process import XiaoerProcess


class Gateway(Protocol):
    """A server and a caller's key."""

    @property
    def server(self) -> XiaoerProcess: ...
    @property
    def key(self) -> str: ...


class Heard(NamedTuple):
    """What came back.

    `text` is the content of the first choice; `finish` its finish reason; `done` says that [DONE] came, or the whole
    body of an answer that doesn't stream; `error` is the object in `{"error": …}`, from the body or from an event.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    text: str
    finish: str | None
    done: bool
    error: dict[str, Any] | None
    seconds: float

    @property
    def whole(self) -> bool:
        """Whether a client would take this for a whole answer."""
        return self.status == 200 and self.done and self.finish is not None and self.error is None


async def ask(
    gateway: Gateway, question: str, *, stream: bool, model: str = "sim-model", limit: float = 20.0, **body: Any
) -> Heard:
    """One chat request on a connection of its own.

    Raises:
        TimeoutError: no end after `limit` seconds.
    """
    body = {"model": model, "messages": [{"role": "user", "content": question}], "stream": stream, **body}
    return await post(gateway, "/chat/completions", json.dumps(body).encode(), limit=limit)


async def post(
    gateway: Gateway, path: str, body: bytes, *, limit: float = 20.0, headers: dict[str, str] | None = None
) -> Heard:
    """POST these bytes to a route under /v1 and read to the end of the response, however it ends."""
    sent = {"Authorization": f"Bearer {gateway.key}", "Content-Type": "application/json", **(headers or {})}
    began = time.monotonic()
    async with asyncio.timeout(limit):
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.server.port)
        try:
            lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
            head = f"POST /v1{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
            writer.write(f"{head}{lines}\r\n".encode() + body)
            response = await read_all(reader)
        finally:
            writer.close()
    return understand(response, time.monotonic() - began)


async def read_all(reader: asyncio.StreamReader) -> bytes:
    """Everything until the connection ends, in order or not."""
    parts = []
    try:
        while part := await reader.read(65_536):
            parts.append(part)
    except ConnectionError:
        pass
    return b"".join(parts)


def understand(response: bytes, seconds: float = 0.0) -> Heard:
    """Read a response that ended with its connection.

    Raises:
        AssertionError: it is no HTTP, its status or its events are not what OpenAI's clients understand.
    """
    head, separator, rest = response.partition(b"\r\n\r\n")
    assert separator, f"no response: {response!r}"
    lines = head.decode("latin-1").split("\r\n")
    status = int(lines[0].split()[1])
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    body, complete = _body(headers, rest)
    if headers.get("content-type", "").startswith("text/event-stream"):
        assert status == 200
        text, finish, done, error = _events(body)
        # A response that ends without its last chunk is an error to every client.
        return Heard(status, headers, body, text, finish, done and complete, error, seconds)
    assert complete, f"the body breaks off: {response!r}"
    assert headers.get("content-type", "").startswith("application/json"), headers
    value = json.loads(body)
    if status != 200:
        return Heard(status, headers, body, "", None, False, shaped(value), seconds)
    choice = value["choices"][0] if "choices" in value else {}
    text = (choice.get("message") or {}).get("content") or ""
    return Heard(status, headers, body, text, choice.get("finish_reason"), True, None, seconds)


def shaped(value: Any) -> dict[str, Any]:
    """The error in a body, which must have OpenAI's shape."""
    assert set(value) == {"error"}, value
    error = value["error"]
    assert {"message", "type", "param", "code"} <= set(error), error
    assert isinstance(error["message"], str), error
    assert error["message"].strip(), error
    assert isinstance(error["type"], str), error
    return dict(error)


def _body(headers: dict[str, str], rest: bytes) -> tuple[bytes, bool]:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        length = int(headers.get("content-length", len(rest)))
        assert len(rest) <= length, rest[length:]
        return rest, len(rest) == length
    return unchunked(rest)


def unchunked(rest: bytes) -> tuple[bytes, bool]:
    """What came of a chunked body, and whether that is all of it."""
    body = b""
    while rest:
        size, separator, rest = rest.partition(b"\r\n")
        if not separator:
            return body, False
        count = int(size, 16)
        body += rest[:count]
        if not count:
            return body, rest == b"\r\n"
        rest = rest[count + 2 :]
    return body, False


def _events(body: bytes) -> tuple[str, str | None, bool, dict[str, Any] | None]:
    text, finish, done = "", None, False
    blocks = body.replace(b"\r\n", b"\n").split(b"\n\n")
    for block in blocks[:-1]:  # what follows the last empty line is no event
        data = b"\n".join(line[5:].lstrip() for line in block.split(b"\n") if line.startswith(b"data:"))
        if not data:
            continue
        assert not done, f"after [DONE]: {data!r}"
        if data == b"[DONE]":
            done = True
            continue
        event = json.loads(data)
        if "error" in event:
            return text, finish, done, shaped(event)
        for choice in event["choices"]:
            if choice["index"] == 0:
                text += str(choice["delta"].get("content") or "")
                finish = choice.get("finish_reason") or finish
    return text, finish, done, None
