"""HTTP as bytes: nothing between a test and the socket."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Reply:
    """One response. `headers` have lower-case names; of several of one name the last is kept."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    order: list[str] = field(default_factory=list)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def problem(self) -> dict[str, Any]:
        """The problem details, after checking that they are some."""
        assert self.headers["content-type"] == "application/problem+json", self
        problem: dict[str, Any] = self.json
        assert set(problem) >= {"type", "title", "status", "detail", "code"}
        assert problem["status"] == self.status
        return problem


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def get(self, target: str, *headers: str) -> Reply:
        await self.send(request("GET", target, *headers))
        return await self.reply()

    async def post(self, target: str, body: bytes, *headers: str) -> Reply:
        await self.send(request("POST", target, *headers, body=body))
        return await self.reply()

    async def reply(self, *, head_only: bool = False, limit: float = 5.0) -> Reply:
        """Read one response; 100 Continue counts as one."""
        async with asyncio.timeout(limit):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            fields = [line.split(": ", 1) for line in head[1:] if line]
            reply = Reply(int(head[0].split(" ")[1]), {name.lower(): value for name, value in fields})
            reply.order = [name for name, _ in fields]
            if head_only or reply.status in (100, 204, 304):
                return reply
            if reply.headers.get("transfer-encoding") == "chunked":
                while (chunk := await self.chunk()) is not None:
                    reply.body += chunk
            elif "content-length" in reply.headers:
                reply.body = await self.reader.readexactly(int(reply.headers["content-length"]))
            else:
                reply.body = await self.reader.read()
            return reply

    async def chunk(self) -> bytes | None:
        """Read one chunk of a chunked body; None at its end."""
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        data = (await self.reader.readexactly(size + 2))[:-2]
        return data if size else None

    async def closed(self, limit: float = 5.0) -> bool:
        """Whether the server closes the connection, with nothing more said."""
        async with asyncio.timeout(limit):
            try:
                return await self.reader.read(1) == b""
            except ConnectionResetError:
                return True


def request(method: str, target: str, *headers: str, body: bytes | None = None) -> bytes:
    """A request as bytes."""
    lines = [f"{method} {target} HTTP/1.1"]
    if not any(header.lower().startswith("host:") for header in headers):
        lines.append("Host: localhost")
    lines += headers
    if body is not None:
        lines += [f"Content-Length: {len(body)}", "Content-Type: application/json"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def bearer(token: str) -> str:
    return f"Authorization: Bearer {token}"
