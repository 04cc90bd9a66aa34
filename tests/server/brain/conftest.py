from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from xiaoer_server.brain.knowledge import Knowledge
from xiaoer_server.store.engine import Store
from xiaoer_server.store.tenants import Tenants


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store with two empty tenants."""
    store = await Store.open(tmp_path / "data")
    for tenant in ("demo", "other"):
        await Tenants(store).ensure(tenant, name=tenant.title())
    yield store
    await store.close()


@pytest.fixture
def knowledge(store: Store) -> Knowledge:
    return Knowledge(store)
