"""Disliked pairs survive a restart, tenant by tenant."""

from __future__ import annotations

from pathlib import Path

from xiaoer_server.brain.cached import Asked
from xiaoer_server.brain.semantic_cache import SemanticCache
from xiaoer_server.store.disliked import Disliked
from xiaoer_server.store.engine import Store
from xiaoer_server.store.tenants import Tenants


async def test_pairs_are_kept_by_tenant(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "data")
    for tenant in ("demo", "other"):
        await Tenants(store).ensure(tenant, name=tenant)
    repository = Disliked(store)
    await repository.add("demo", "a" * 24, "b" * 24, -1)
    await repository.add("demo", "a" * 24, "a" * 24, 3)
    await repository.add("demo", "a" * 24, "a" * 24, 4)
    await repository.add("other", "a" * 24, "b" * 24, -1)
    await store.close()
    store = await Store.open(tmp_path / "data")
    found = await Disliked(store).of("demo")
    await store.close()
    assert sorted(found) == [("demo", "a" * 24, "a" * 24, 4), ("demo", "a" * 24, "b" * 24, -1)]


async def test_a_thumbs_down_survives_a_restart_of_the_cache(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "data")
    await Tenants(store).ensure("demo", name="demo")
    repository = Disliked(store)
    cache = SemanticCache(None, max_bytes=100_000, folder=tmp_path, remember=repository.add)
    question = Asked("demo", "zh", "你们的茶叶怎么退货", 1, "m", "p")
    assert await cache.offer(question, "七天内可以退货。")
    await cache.save()
    assert await cache.dislike("demo", question.text)
    again = SemanticCache(None, max_bytes=100_000, folder=tmp_path)
    again.never(await repository.of("demo"))
    assert again.load({"demo": 1}) == 0
    assert not await again.offer(question, "七天内可以退货。")
    await store.close()
