"""The least that a relay in Python can be: uvloop, httptools, connections kept alive on both sides.

    python -m benches.load.bare_relay --upstream-port 9999

It checks no key, filters nothing, counts nothing, has no time-outs and no breaker; the caller's key is replaced by the
upstream's. What a gateway does beyond this is what it costs beyond this.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import deque
from typing import cast

import httptools
import uvloop

_HIGH = 1 << 18


class Relay:
    """Where answers come from, and the connections to there that nobody uses now."""

    def __init__(self, host: str, port: int, key: str) -> None:
        self.host, self.port = host, port
        self.head = f"Host: {host}:{port}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n".encode()
        self.idle: deque[Upstream] = deque()


class Upstream(asyncio.Protocol):
    """One connection to the model; the bytes of a response are passed on as they come."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.transport: asyncio.Transport
        self.client: Client | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def ask(self, client: Client, request: bytes) -> None:
        """Send a request for a client."""
        self.client = client
        self._parser = httptools.HttpResponseParser(self)
        self._over = False
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)
        client = self.client
        if client is None:
            self.transport.abort()
            return
        client.transport.write(data)
        if self._over:
            self.client = None
            self.relay.idle.append(self)
            client.answered()

    def on_message_complete(self) -> None:
        self._over = True

    def connection_lost(self, error: Exception | None) -> None:
        if self.client is not None:
            self.client.transport.abort()
        elif self in self.relay.idle:
            self.relay.idle.remove(self)


class Client(asyncio.Protocol):
    """One caller."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.transport: asyncio.Transport
        self.upstream: Upstream | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body: list[bytes] = []
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(_HIGH)

    def connection_lost(self, error: Exception | None) -> None:
        if self.upstream is not None:
            self.upstream.client = None
            self.upstream.transport.abort()

    # A slow caller makes the model wait.
    def pause_writing(self) -> None:
        if self.upstream is not None:
            self._paused = True
            self.upstream.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.upstream is not None and self._paused:
            self._paused = False
            self.upstream.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        body = b"".join(self._body)
        request = b"%b %b HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n%b" % (
            *(self._parser.get_method(), self._url),
            *(self.relay.head, len(body), body),
        )
        self._url, self._body = b"", []
        if self.relay.idle:
            self._ask(self.relay.idle.pop(), request)
        else:
            task = asyncio.get_running_loop().create_task(self._connect(request))
            task.add_done_callback(lambda done: done.cancelled() or (done.exception() and self.transport.abort()))

    async def _connect(self, request: bytes) -> None:
        loop = asyncio.get_running_loop()
        relay = self.relay
        _, upstream = await loop.create_connection(lambda: Upstream(relay), relay.host, relay.port)
        self._ask(upstream, request)

    def _ask(self, upstream: Upstream, request: bytes) -> None:
        if self.transport.is_closing():
            self.relay.idle.append(upstream)
            return
        self.upstream = upstream
        upstream.ask(self, request)

    def answered(self) -> None:
        """The answer is whole; the next one on that connection may be another caller's."""
        self.resume_writing()
        self.upstream = None


async def serve(port: int, relay: Relay) -> None:
    """Run until cancelled."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Client(relay), "127.0.0.1", port, backlog=4096)
    print(f"ready on http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benches.load.bare_relay")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--upstream-port", type=int, required=True)
    parser.add_argument("--key", default="upstream-secret")
    options = parser.parse_args()
    uvloop.run(serve(options.port, Relay("127.0.0.1", options.upstream_port, options.key)))


if __name__ == "__main__":
    main()
