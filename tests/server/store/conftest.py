from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from xiaoer_server.chat.conversation import Conversation
from xiaoer_server.chat.log import ConversationLog
from xiaoer_server.store.engine import Store
from xiaoer_server.store.tenants import Tenants
from xiaoer_server.store.visitors import Visitors

Start = Callable[..., Awaitable[Conversation]]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(tmp_path / "data")
    yield store
    await store.close()


@pytest.fixture
async def log(store: Store) -> ConversationLog:
    await Tenants(store).ensure("demo", name="Demo")
    return ConversationLog(store)


@pytest.fixture
def start(store: Store, log: ConversationLog) -> Start:
    """Makes a new conversation and opens it."""

    async def start(tenant: str = "demo", log: ConversationLog = log) -> Conversation:
        return await log.open(tenant, (await Visitors(store).create(tenant))[1])

    return start
