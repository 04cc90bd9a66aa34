"""A server of the edge alone, over real sockets: real store, log and tokens; only the answering is left out."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
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


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with two tenants, to be copied: migrating a new one for each test takes most of its time."""
    folder = tmp_path_factory.mktemp("template") / "data"

    async def make() -> None:
        store = await Store.open(folder)
        tenants = Tenants(store)
        await tenants.ensure("demo", name="Demo", allowed_sites=["https://shop.example", "https://*.tea.example"])
        await tenants.ensure("other", name="Other", allowed_sites=["https://other.example"])
        await store.close()

    asyncio.run(make())
    return folder


@pytest.fixture
async def start(tmp_path: Path, template: Path) -> AsyncIterator[Start]:
    """Starts servers; a keyword is a setting of the limits, `security` those of security."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(*, routes: Any = None, security: dict[str, Any] | None = None, **limits: Any) -> Edge:
            settings = Settings(
                server=ServerSettings(port=0, data=str(tmp_path), drain_seconds=5),
                security=SecuritySettings(**(security or {})),
                limits=LimitSettings(**(WIDE | limits)),
            )
            shutil.copytree(template, tmp_path / "data")
            store = await Store.open(tmp_path / "data")
            stack.push_async_callback(store.close)
            tenants = Tenants(store)
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
            await begin(server)
            stack.push_async_callback(end, server)
            return Edge(server, context, recorder, store)

        yield start


async def begin(server: Server) -> None:
    """Listen. What `serve` does besides, signals and the wait for them, takes a quarter of a second a test."""
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup()
    await server.on_tick(0)


async def end(server: Server) -> None:
    for listener in server.servers:
        listener.close()
    for connection in list(server.server_state.connections):
        connection.transport.abort()
    for task in list(server.server_state.tasks):
        task.cancel()
    await server.lifespan.shutdown()
    for listener in server.servers:
        await listener.wait_closed()


@pytest.fixture
async def edge(start: Start) -> Edge:
    """A server with wide limits."""
    return await start()
