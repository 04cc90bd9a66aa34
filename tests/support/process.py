"""A real `xiaoer serve` as a process of its own, and a small visitor to talk to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection

ADDRESS = re.compile(rb"http://127\.0\.0\.1:(\d+)")

#: No limit stands in the way of a test that does not test limits.
WIDE_LIMITS = """
[limits]
visitor_burst = 100000
visitor_rate = 100000.0
address_burst = 100000
address_rate = 100000.0
session_burst = 100000
session_rate = 100000.0
address_sockets = 10000
"""


#: Most tests are about the log, the model or the edge: what they ask is asked of the model, each time, and no model is
#: made. Who tests understanding says so in `environ`.
PLAIN = {
    "XIAOER_INFER_ENABLED": "false",
    "XIAOER_CACHE_ENABLED": "false",
    "XIAOER_ANSWER_WITHOUT_EVIDENCE": "model",
}


class XiaoerProcess:
    """`xiaoer serve` on a free port of 127.0.0.1. `start()` returns once /readyz says yes."""

    def __init__(self, data: Path, *, toml: str = "", environ: dict[str, str] | None = None) -> None:
        self.data = data
        self.config = data.parent / f"{data.name}.toml"
        self.config.write_text(toml, "utf-8")
        self.log = data.parent / f"{data.name}.log"
        self._environ = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("XIAOER_", "OPENAI_"))},
            **({"XIAOER_BACKEND": os.environ["XIAOER_BACKEND"]} if "XIAOER_BACKEND" in os.environ else {}),
            **PLAIN,
            **(environ or {}),
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, port: int = 0, limit: float = 30.0) -> float:
        """Start; returns the seconds until ready."""
        began = time.monotonic()
        output = self.log.open("ab")
        mark = output.tell()
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "xiaoer_server.cli", "serve"),
                *("--port", str(port), "--data", str(self.data), "--config", str(self.config)),
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=self._environ,
        )
        output.close()
        while time.monotonic() - began < limit:
            if self.process.poll() is not None:
                raise RuntimeError(f"xiaoer serve ended with {self.process.returncode}:\n{self.log.read_text()}")
            found = ADDRESS.search(self.log.read_bytes()[mark:])
            if found:
                self.port = int(found[1])
                with contextlib.suppress(OSError):
                    if self.get("/readyz")[0] == 200:
                        return time.monotonic() - began
            time.sleep(0.01)
        self.kill()
        raise RuntimeError(f"xiaoer serve was not ready after {limit} s:\n{self.log.read_text()}")

    def kill(self) -> None:
        """Pull the plug."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self, limit: float = 30.0) -> int:
        """Ask it to end (SIGTERM); returns the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(limit)
        finally:
            self.kill()

    def get(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        """GET, any status; for tests that have no loop."""
        request = urllib.request.Request(self.url + path, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def session(self, **body: Any) -> dict[str, str]:
        """Open a visitor's session."""
        request = urllib.request.Request(
            f"{self.url}/api/visitor/sessions",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)


@contextlib.contextmanager
def running(data: Path, **options: Any) -> Iterator[XiaoerProcess]:
    """A server for the length of a block; stopped by SIGTERM, and killed if that does not help."""
    server = XiaoerProcess(data, **options)
    server.start()
    try:
        yield server
        if server.process is not None:
            server.stop()
    finally:
        server.kill()


class Visitor:
    """A visitor on a WebSocket who keeps every frame that came."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames: list[dict[str, Any]] = []

    async def send(self, **frame: Any) -> None:
        await self.socket.send(json.dumps(frame))

    async def say(self, text: str, client_id: str) -> int:
        """Send a message; returns the seq of its ack."""
        await self.send(type="message", client_id=client_id, text=text)
        return (await self.until("ack", client_id=client_id))["seq"]

    async def next(self, limit: float = 10.0) -> dict[str, Any]:
        frame = json.loads(await asyncio.wait_for(self.socket.recv(), limit))
        self.frames.append(frame)
        return frame

    async def until(self, kind: str, limit: float = 10.0, **fields: Any) -> dict[str, Any]:
        """Read on to the first frame of that type with these fields."""
        async with asyncio.timeout(limit):
            while True:
                frame = await self.next(limit)
                if frame["type"] == kind and all(frame.get(key) == value for key, value in fields.items()):
                    return frame

    async def answer(self, limit: float = 15.0) -> tuple[str, dict[str, Any]]:
        """Read the next answer to its end; returns its text and the `done` frame."""
        text, seq = "", None
        while True:
            frame = await self.next(limit)
            if frame["type"] == "delta":
                seq = seq or frame["seq"]
                assert frame["seq"] == seq, "two answers at once"
                assert frame["offset"] == len(text), f"gap or repeat at {len(text)}: {frame}"
                text += frame["text"]
            elif frame["type"] == "done":
                return text, frame


@contextlib.asynccontextmanager
async def visit(
    server: XiaoerProcess, token: str, *, resume: dict[str, int] | None = None, query: str = ""
) -> AsyncIterator[Visitor]:
    """Connect a visitor; `resume` is sent first if given."""
    uri = f"ws://127.0.0.1:{server.port}/api/chat/ws?token={token}{query}"
    async with websockets.connect(uri, compression=None, max_size=None) as socket:
        visitor = Visitor(socket)
        if resume is not None:
            await visitor.send(type="resume", **resume)
        yield visitor
