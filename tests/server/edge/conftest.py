"""A server of the edge alone, over real sockets: real store, log and tokens; only the answering is left out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from edge_server import Edge, Recorder, Start

from xiaoer_server.chat.log import ConversationLog
from xiaoer_server.config import LimitSettings, SecuritySettings, ServerSettings, Settings
from xiaoer_server.edge.auth import Signer
from xiaoer_server.edge.context import EdgeContext
from xiaoer_server.edge.limits import Limits
from xiaoer_server.edge.rest import build_app
from xiaoer_server.edge.server import Server, build
from xiaoer_server.store.engine import Store
from xiaoer_server.store.tenants import Tenants
from xiaoer_server.store.visitors import Visitors

SECRET = b"0123456789abcdef0123456789abcdef"

WIDE: dict[str, Any] = {
    "visitor_burst": 100_000,
    "address_burst": 100_000,
    "session_burst": 100_000,
}


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Callable[[], Any]]:
    """The loop that the server runs on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts servers; a keyword is a setting of the limits, `security` those of security."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(*, routes: Any = None, security: dict[str, Any] | None = None, **limits: Any) -> Edge:
            settings = Settings(
                server=ServerSettings(port=0, data=str(tmp_path), drain_seconds=5),
                security=SecuritySettings(**(security or {})),
                limits=LimitSettings(**(WIDE | limits)),
            )
            store = await Store.open(tmp_path / "data")
            stack.push_async_callback(store.close)
            tenants = Tenants(store)
            await tenants.ensure("demo", name="Demo", allowed_sites=["https://shop.example", "https://*.tea.example"])
            await tenants.ensure("other", name="Other", allowed_sites=["https://other.example"])
            log = ConversationLog(store)
            recorder = Recorder(log)
            context = EdgeContext(
                settings=settings,
                log=log,
                pipeline=recorder,
                visitors=Visitors(store),
                tenants={tenant.id: tenant for tenant in await tenants.all()},
                signer=Signer(SECRET, 3_600),
                limits=Limits(settings.limits),
                render=str,
            )
            server = build(build_app(context), context, log_config=None)
            if routes:
                server.config.http.routes.update(routes)  # type: ignore[union-attr]
            task = asyncio.ensure_future(server.serve())
            stack.push_async_callback(stop, server, task)
            while not server.started:
                assert not task.done(), task
                await asyncio.sleep(0.005)
            return Edge(server, context, recorder, store)

        yield start


async def stop(server: Server, task: asyncio.Future[None]) -> None:
    server.should_exit = server.force_exit = True
    await task


@pytest.fixture
async def edge(start: Start) -> Edge:
    """A server with wide limits."""
    return await start()
