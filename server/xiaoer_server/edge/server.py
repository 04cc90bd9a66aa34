"""uvicorn's server with our protocols, and with a shutdown that loses no answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Generator, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn

from .hot import hot_routes
from .protocol import make_http_protocol
from .websocket import websocket_protocol

if TYPE_CHECKING:
    from .context import EdgeContext

log = logging.getLogger(__name__)

#: Longer than a reverse proxy keeps its idle connections, so that it is never we who close one it is about to use.
KEEP_ALIVE_SECONDS = 75

#: What connections get after the drain to read their last answers, in seconds.
GOODBYE_SECONDS = 5

BACKLOG = 2_048

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain", "stream": "ext://sys.stderr"}},
    "loggers": {
        "uvicorn": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        "uvicorn.access": {"level": "INFO"},
        "xiaoer_server": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
    },
}


class Server(uvicorn.Server):
    """One process's server. `address` is known once `started` is true."""

    def __init__(self, config: uvicorn.Config, context: EdgeContext) -> None:
        super().__init__(config)
        self._context = context
        self.address = ""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, in this order: no new connections and /readyz 503; answers under way finish; sessions are told to
        come back; connections close once they have read what is theirs; the application ends.
        """
        context = self._context
        context.draining = True
        for listener in self.servers:
            listener.close()
        for sock in sockets or []:
            sock.close()
        log.info("shutting down: %d open sessions, waiting for answers under way", len(context.sessions))
        await self._drain()
        for session in list(context.sessions):
            session.close_for_restart()
        await super().shutdown(sockets)
        if self.force_exit:
            await self.lifespan.shutdown()

    async def _drain(self) -> None:
        """Wait for the pipeline and the gateway, but not against a second signal."""
        seconds = self._context.settings.server.drain_seconds
        under_way = [self._context.pipeline.drain(seconds)]
        if self._context.gateway is not None:
            under_way.append(self._context.gateway.drain(seconds))
        drain = asyncio.ensure_future(asyncio.gather(*under_way))
        while not drain.done() and not self.force_exit:
            await asyncio.wait({drain}, timeout=0.1)
        if not drain.done():
            drain.cancel()
        elif not drain.cancelled() and (error := drain.exception()) is not None:
            log.error("the drain failed", exc_info=error)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains, the second one ends the waiting."""
        self._captured_signals.append(sig)
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """As uvicorn's, but a signal that was obeyed is not raised again: the store is closed after us."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()

    def _log_started_message(self, listeners: Sequence[socket.SocketType]) -> None:
        host, port = self.config.host, listeners[0].getsockname()[1]
        self.address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        log.info("Xiaoer is at %s (Ctrl+C ends it)", self.address)


def build(app: Any, context: EdgeContext, *, access_log: bool = False, log_config: Any = LOGGING) -> Server:
    """The server of one process, listening where `settings.server` says.

    Args:
        app: The ASGI application for all that is not hot; see `rest.build_app`.
        access_log: Whether each request is logged.
        log_config: For logging.config; None leaves logging as it is.

    Raises:
        ConfigError: `security.trusted_proxies` has an entry that is no address.
    """
    config = uvicorn.Config(
        app,
        host=context.settings.server.host,
        port=context.settings.server.port,
        loop="uvloop",
        http=make_http_protocol(context, hot_routes(context)),
        ws=websocket_protocol(context),
        ws_max_size=context.settings.limits.body_bytes,
        ws_per_message_deflate=False,
        interface="asgi3",
        lifespan="auto",
        log_config=log_config,
        access_log=access_log,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GOODBYE_SECONDS,
    )
    return Server(config, context)
