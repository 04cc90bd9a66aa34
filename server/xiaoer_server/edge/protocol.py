"""One HTTP connection: uvicorn's protocol, with the hot routes answered inside and every request held to its limits.

A hot request costs no ASGI scope and no task. Requests of one connection are kept in `_turns`, oldest first, until
they are answered; answers leave in that order, whatever order they become ready in. Hot requests that follow each
other start at once, so pipelined messages share one commit; an ASGI request waits for its turn.

Bodies are small by configuration, so every request is read whole before it is handed on: a handler never sees half
a request, and a slow sender holds no task.
"""

from __future__ import annotations

import asyncio
import itertools
import urllib.parse
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from ..errors import BadRequest, HeadersTooLarge, PayloadTooLarge, ServerError
from ..ops.metrics import REQUESTS
from .address import Proxies
from .cors import read_headers
from .exchange import Exchange as Exchange
from .exchange import Headers, HotHandler, Routes
from .exchange import HotStream as HotStream
from .problem import RequestTimeout, unexpected
from .turns import AsgiTurn, Heads, HotTurn

if TYPE_CHECKING:
    from .context import EdgeContext

MAX_HEADER_FIELDS = 100

#: Pipelined requests of one connection that wait: from the first number on it is not read any further, at the second
#: (a single read can bring that many) the rest is left unanswered and the connection closed, as HTTP allows.
PAUSE_AT, MOST_TURNS = 32, 512

#: Bytes that are worked off at once. A read may bring 256 KiB, thousands of requests, and the loop's others wait.
PORTION = 16_384

#: How long a refused sender may go on sending before the connection is cut, and how long a closed one may take to
#: read what is left, in seconds.
LINGER_SECONDS, CLOSING_SECONDS = 2.0, 10.0

_NOTED = frozenset({b"content-length", b"expect", b"host", b"upgrade"})


class _Deaf(Exception):
    """Raised in a parser callback to stop parsing: nothing of this connection is wanted any more."""


class Watch:
    """Looks after the time limits of all connections with one timer: no timer is set for a request."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._connections: set[HttpProtocol] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, connection: HttpProtocol, loop: asyncio.AbstractEventLoop) -> None:
        """Look after a connection from now on."""
        self._connections.add(connection)
        if self._timer is None:
            self._timer = loop.call_later(self._interval, self._tick, loop)

    def discard(self, connection: HttpProtocol) -> None:
        """Forget a connection. The timer ends with the last one."""
        self._connections.discard(connection)
        if not self._connections and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(self._interval, self._tick, loop)
        now = loop.time()
        for connection in list(self._connections):
            connection.check_time(now)


class _NoReadControl(FlowControl):
    """Write side of uvicorn's flow control; when to read is decided by the protocol alone."""

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class HttpProtocol(HttpToolsProtocol):
    """See the module. `make_http_protocol` binds the class attributes."""

    context: EdgeContext
    routes: Routes
    proxies: Proxies
    watch: Watch
    heads: Heads

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        limits = self.context.settings.limits
        self._header_limit = limits.header_bytes
        self._body_limit = self._usual_body = limits.body_bytes
        # Of the request that is being received.
        self._receiving = False
        self._in_head = False
        self._begun = 0
        self._raw = 0
        self._portion = 0  # bytes that are worked off now
        self._method = b""
        self._version = ""
        self._body: bytes | bytearray = b""
        self._upgrading = False
        self.may_stay_open = True
        self._owes_continue = False
        # Of the connection.
        self._turns: deque[HotTurn | AsgiTurn] = deque()
        self._settling = False
        self._deaf = False
        self._fresh = True
        self._leaving = False
        self._half_closed = False
        self._lingering = False
        self._refusal: ServerError | None = None
        self._reading_paused = False
        self._rest = b""  # was read, and waits for its turn on the loop
        self._since = 0.0
        self._closing_since = 0.0
        self._write_paused_since: float | None = None
        self._peer = ""
        self._peer_trusted = False

    # -- connection -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        self.flow = _NoReadControl(self.transport)
        self._since = self.loop.time()
        self._peer = self.client[0] if self.client is not None else ""
        self._peer_trusted = self.proxies.trusts(self._peer)
        self.watch.add(self, self.loop)

    def connection_lost(self, exc: Exception | None) -> None:
        self.watch.discard(self)
        self.connections.discard(self)
        self._deaf = True
        turns, self._turns = list(self._turns), deque()
        for turn in turns:
            turn.lose()
        self.flow.resume_writing()
        self.parser = None  # type: ignore[assignment]

    def eof_received(self) -> bool:  # type: ignore[override]
        # A client may close its sending half and wait for the answers. A stream has no end to wait for, TLS no half.
        turns = self._turns
        if self.scheme == "https" or self._lingering or not turns or any(turn.wants_peer for turn in turns):
            return False
        self._deaf = self._leaving = self._half_closed = True
        self._receiving = False
        return True

    def pause_writing(self) -> None:
        self.flow.pause_writing()
        self._write_paused_since = self.loop.time()
        self._steer_reading()

    def resume_writing(self) -> None:
        self.flow.resume_writing()
        self._write_paused_since = None
        self._steer_reading()
        if self._turns:
            self._turns[0].writable_again()

    def is_at_head(self, turn: HotTurn) -> bool:
        """Whether every earlier request is answered, so that this one's bytes go out at once."""
        return bool(self._turns) and self._turns[0] is turn

    @property
    def write_paused(self) -> bool:
        """Whether the peer does not keep up with reading."""
        return self._write_paused_since is not None

    def shutdown(self) -> None:
        """Close when idle; else once the requests under way, also one that is half received, are answered."""
        self._leaving = True
        self.may_stay_open = False
        if self._turns:
            if not self._receiving:
                self._turns[-1].keep_alive = False
            self._turns[0].end_stream()
        elif not self._receiving:
            self.transport.close()

    def check_time(self, now: float) -> None:
        """Called about once a second: enforces every time limit of the connection."""
        limits = self.context.settings.limits
        if self.transport.is_closing():
            # A peer that does not read what is left would keep a closed transport for ever.
            self._closing_since = self._closing_since or now
            if now - self._closing_since > CLOSING_SECONDS:
                self.transport.abort()
        elif self._write_paused_since is not None:
            if now - self._write_paused_since > limits.slow_reader_seconds:
                self.transport.abort()
        elif self._lingering:
            if now - self._since > LINGER_SECONDS:
                self.transport.close()
        elif self._receiving:
            waits_for_us = self._reading_paused or (self._owes_continue and self._turns)
            if not waits_for_us and now - self._since > limits.request_seconds:
                self._refuse(RequestTimeout("The request did not arrive in time."))
        elif not self._turns:
            allowed = limits.request_seconds if self._fresh else self.timeout_keep_alive
            if now - self._since > allowed:
                self.transport.close()

    # -- receiving ------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if len(data) > PORTION:
            data, self._rest = data[:PORTION], data[PORTION:]
            self._steer_reading()
            self.loop.call_soon(self._go_on)
        # The chunk belongs wholly to the request whose number this is, or several requests share it.
        number = self._begun if self._receiving else self._begun + 1
        self._portion = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._upgrading:
                rest, self._rest = self._rest, b""
                self._upgrade_to_websocket(data[upgrade.args[0] :] + rest)
            return
        except httptools.HttpParserError as error:
            if not self._deaf:
                self._refuse(self._refusal or _explain(error))
            return
        if self._receiving and self._begun == number:
            self._count(len(data))

    def _go_on(self) -> None:
        rest, self._rest = self._rest, b""
        self.data_received(rest)
        if not self._rest:
            self._steer_reading()

    def _count(self, size: int) -> None:
        """Count what is received raw: an endless header line, chunk extension or trailer never shows otherwise."""
        self._raw += size
        if self._in_head:
            if self._raw > self._header_limit:
                self._refuse(HeadersTooLarge(f"The headers have more than {self._header_limit} bytes."))
        elif self._raw > self._header_limit + 8 * self._body_limit + 65_536:
            self._refuse(self._body_too_large())

    def on_message_begin(self) -> None:
        if self._deaf:
            raise _Deaf
        self._receiving = self._in_head = True
        self._fresh = False
        self._begun += 1
        self._raw = 0
        self._method = self.url = b""
        self._body = b""
        self._owes_continue = False
        self.headers = []
        self._since = self.loop.time()

    def on_url(self, url: bytes) -> None:
        self.url = self.url + url if self.url else url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # a trailer
        if len(self.headers) >= MAX_HEADER_FIELDS:
            raise self._stop(HeadersTooLarge(f"There are more than {MAX_HEADER_FIELDS} header fields."))
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._body_limit = self._usual_body
        parser = self.parser
        self._method = parser.get_method()
        self._version = parser.get_http_version()
        hosts = 0
        expects = False
        upgrade = b""
        for name, value in self.headers:
            if name in _NOTED:
                if name == b"host":
                    hosts += 1
                elif name == b"upgrade":
                    upgrade = value.strip().lower()
                elif name == b"expect":
                    expects = value.strip().lower() == b"100-continue"
                elif int(value) > self._body_limit and int(value) > self._larger_limit():
                    raise self._stop(self._body_too_large())
        if self._raw + self._portion > self._header_limit and self._head_size() > self._header_limit:
            raise self._stop(HeadersTooLarge(f"The headers have more than {self._header_limit} bytes."))
        modern = self._version == "1.1"
        if hosts != 1 and (modern or hosts):
            raise self._stop(BadRequest("A request needs one Host header."))
        self.may_stay_open = modern and parser.should_keep_alive() and not self._leaving and not self.context.draining
        if parser.should_upgrade():
            # What is no WebSocket is answered as if no upgrade had been asked for, and the connection closed.
            self.may_stay_open = False
            self._upgrading = upgrade == b"websocket" and self._method == b"GET" and modern
        if expects and modern:
            self._owes_continue = True
            if not self._turns:
                self._continue()

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _larger_limit(self) -> int:
        """More than usual where the request may have it: only who has a key makes the server keep a large body."""
        if self.url.startswith((b"/v1/", b"/api/admin/")):
            self._body_limit = max(self._usual_body, self.context.large_body(self.headers))
        return self._body_limit

    def _continue(self) -> None:
        self._owes_continue = False
        self._since = self.loop.time()
        self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        if not self._body:
            self._body = body
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += body
        if len(self._body) > self._body_limit and len(self._body) > self._larger_limit():
            raise self._stop(self._body_too_large())

    def on_message_complete(self) -> None:
        self._receiving = self._owes_continue = False
        if self._upgrading:
            return
        turns = self._turns
        if len(turns) >= MOST_TURNS:
            self.may_stay_open = False
        path, _, query = self.url.partition(b"?")
        handler = self.routes.get((b"GET" if self._method == b"HEAD" else self._method, path))
        if handler is None:
            turns.append(self._asgi_turn())
            self._deaf = not self.may_stay_open
        else:
            self._deaf = not self.may_stay_open
            turn = HotTurn(self, self._method, path, query, self.headers, bytes(self._body), handler)
            turns.append(turn)
            if len(turns) > 1 and turns[-2].lets_next_begin:
                turn.begin()
        if len(turns) == 1:
            self.settle()
        elif len(turns) >= PAUSE_AT:
            self._steer_reading()

    def _asgi_turn(self) -> AsgiTurn:
        try:
            url = httptools.parse_url(self.url)
            path = url.path.decode("ascii")
        except (httptools.HttpParserError, UnicodeDecodeError, AttributeError):
            raise self._stop(BadRequest("The request target is not valid.")) from None
        headers = self.headers
        scheme = self.scheme
        if self._peer_trusted:
            for name, value in headers:
                if name == b"x-forwarded-proto" and value in (b"http", b"https"):
                    scheme = "https" if value == b"https" else "http"
        port = self.client[1] if self.client is not None else 0
        self.scope = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": self._version,
            "server": self.server,
            "client": (self.client_address(headers), port),
            "scheme": scheme or "http",
            "root_path": self.root_path,
            "headers": headers,
            "state": self.app_state.copy(),
            "method": self._method.decode("ascii"),
            "path": self.root_path + (urllib.parse.unquote(path) if "%" in path else path),
            "raw_path": self.root_path.encode("ascii") + url.path,
            "query_string": url.query or b"",
            "extensions": {},
        }
        return AsgiTurn(self, self.scope, bytes(self._body))

    def client_address(self, headers: Headers) -> str:
        """The client's address of a request with these headers; empty on a Unix socket without a proxy."""
        return self.proxies.client(self._peer, headers) if self._peer_trusted else self._peer

    def _upgrade_to_websocket(self, rest: bytes) -> None:
        if self._turns or self.ws_protocol_class is None:
            self._refuse(BadRequest("A WebSocket cannot be opened here."))
            return
        output = [b"GET ", self.url, b" HTTP/1.1\r\n"]
        for name, value in self.headers:
            output += [name, b": ", value, b"\r\n"]
        output.append(b"\r\n")
        self.watch.discard(self)
        self.connections.discard(self)
        self._deaf = True
        make = cast(Callable[..., asyncio.Protocol], self.ws_protocol_class)
        if self._reading_paused:
            self._reading_paused = False
            self.transport.resume_reading()
        protocol = make(config=self.config, server_state=self.server_state, app_state=self.app_state)
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        protocol.data_received(b"".join(output))
        if rest and not self.transport.is_closing():
            protocol.data_received(rest)
        # The parser holds bound methods of ours: without this the cycle would live until the collector comes.
        self.parser = None  # type: ignore[assignment]

    # -- answering ------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Send what is ready, in order, and start what has come to its turn. Called whenever a turn got on."""
        if self._settling:
            return
        self._settling = True
        turns = self._turns
        try:
            while turns:
                head = turns[0]
                head.begin()
                if head.output:
                    output, head.output = head.output, b""
                    self.transport.write(output)
                if not head.response_complete:
                    break
                turns.popleft()
                self.server_state.total_requests += 1
                REQUESTS.inc(head.route, head.status)
                if not head.keep_alive:
                    self._hang_up(linger=head.refused)
                    return
        finally:
            self._settling = False
        if turns:
            turns[0].at_head()
            self._begin_early()
        elif not self._receiving:
            self._since = self.loop.time()
            if self._leaving:
                self.transport.close()
        elif self._owes_continue:
            self._continue()
        if self._reading_paused:
            self._steer_reading()

    def _begin_early(self) -> None:
        """Start the hot requests that follow started ones; those that have started are always the first ones."""
        turns = self._turns
        if turns and not turns[-1].started:
            waiting = list(turns)
            for before, turn in itertools.pairwise(waiting):
                if not before.lets_next_begin:
                    break
                turn.begin()

    def encode_head(self, status: int, content_type: bytes) -> bytes:
        """Status line and the headers that every answer of a hot route has."""
        return self.heads.encode(self.server_state.default_headers, status, content_type)

    def log_access(self, turn: HotTurn) -> None:
        """A line for the access log, as uvicorn writes it, but without the query: that may hold a token."""
        method, path = turn.method.decode("latin-1"), turn.path.decode("latin-1")
        self.access_logger.info('%s - "%s %s HTTP/%s" %d', self._peer, method, path, "1.1", turn.status)

    def cors_headers(self, turn: HotTurn) -> tuple[tuple[bytes, bytes], ...]:
        """The headers that let a browser on an allowed site read the answer."""
        if not turn.path.startswith(b"/api/"):
            return ()
        origin = turn.header(b"origin")
        return tuple(read_headers(self.context.tenants, origin, turn.header(b"host"))) if origin is not None else ()

    def _refuse(self, error: ServerError) -> None:
        """Answer the request that is being received with a refusal, after those before it, and read no more."""
        self._deaf = True
        self._receiving = self._owes_continue = False
        path = self.url.partition(b"?")[0] if self._begun else b""
        turn = HotTurn(self, self._method or b"GET", path, b"", self.headers or [], b"", None)
        turn.keep_alive = False
        turn.refused = True
        self._turns.append(turn)
        turn.fail(error)

    def _stop(self, error: ServerError) -> ServerError:
        """Keep the refusal aside: httptools reports only that a callback raised."""
        self._refusal = error
        return error

    @property
    def modern(self) -> bool:
        """Whether the request just received is of HTTP/1.1, so that its answer may be chunked."""
        return self._version == "1.1"

    def _body_too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(f"The body has more than {self._body_limit} bytes.")

    def _hang_up(self, *, linger: bool) -> None:
        self._deaf = True
        self._turns.clear()
        if not linger:
            self.transport.close()
            return
        # Closing with unread data resets the connection, which may destroy the answer on its way. So only our half
        # is closed, and what still comes is thrown away for a while.
        self._lingering = True
        self._since = self.loop.time()
        if self.transport.can_write_eof() and not self.transport.is_closing():
            self.transport.write_eof()
        self._steer_reading()

    def _steer_reading(self) -> None:
        pause = not self._lingering and (self.write_paused or len(self._turns) >= PAUSE_AT or bool(self._rest))
        if pause == self._reading_paused or self._half_closed or self.transport.is_closing():
            return
        self._reading_paused = pause
        if pause:
            self.transport.pause_reading()
            return
        self.transport.resume_reading()
        if self._receiving:
            self._since = self.loop.time()


def _explain(error: httptools.HttpParserError) -> ServerError:
    """What to answer when parsing failed: the sender's fault, unless a callback of ours raised."""
    cause = error.__context__
    if isinstance(error, httptools.HttpParserCallbackError) and isinstance(cause, Exception):
        return unexpected(cause)
    return BadRequest("This is not valid HTTP.")


def make_http_protocol(context: EdgeContext, routes: Routes) -> type[HttpProtocol]:
    """The protocol class of one server: `routes` are answered inside, all else goes to the ASGI application.

    Raises:
        ConfigError: `security.trusted_proxies` has an entry that is no address.
    """
    interval = min(1.0, context.settings.limits.request_seconds / 4)
    attributes = {
        "context": context,
        "routes": routes,
        "proxies": Proxies(context.settings.security.trusted_proxies),
        "watch": Watch(interval),
        "heads": Heads(),
    }
    return type("BoundHttpProtocol", (HttpProtocol,), attributes)


__all__ = ["Exchange", "HotHandler", "HotStream", "HttpProtocol", "Routes", "make_http_protocol"]
