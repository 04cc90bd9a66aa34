"""The cache of answers of one process, put together: opened, kept saved, closed.

A part of the composition root; `app` opens it after the knowledge and closes it before the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from .brain.cached import Meaning
from .brain.semantic_cache import SemanticCache, Standing
from .config import CacheSettings
from .store.disliked import Disliked
from .store.engine import Store

log = logging.getLogger(__name__)

#: The cache's folder in the data folder.
FOLDER = "cache"


class CachePath:
    """See `open`. `cache` is the pipeline's and the feedback's."""

    def __init__(self, cache: SemanticCache, seconds: float) -> None:
        self.cache = cache
        self._saving = asyncio.get_running_loop().create_task(self._keep_saving(seconds))

    @classmethod
    async def open(
        cls,
        settings: CacheSettings,
        infer: Meaning | None,
        store: Store,
        data: Path,
        versions: Mapping[str, int],
        standing: Standing | None = None,
    ) -> CachePath:
        """Take over what was saved and what was disliked.

        Args:
            versions: Of the knowledge of each tenant; equal only where nothing was edited since.
            standing: See `SemanticCache`.

        Raises:
            SQLAlchemyError: the store cannot be read.
        """
        disliked = Disliked(store)
        cache = SemanticCache(
            infer,
            max_bytes=settings.max_bytes if settings.enabled else 0,
            folder=data / FOLDER,
            wrong_hit_target=settings.wrong_hit_target,
            threshold=settings.threshold or None,
            lifetime=settings.lifetime_seconds,
            remember=disliked.add,
            standing=standing,
            deadline=settings.deadline_seconds,
        )
        for tenant in versions:
            cache.never(await disliked.of(tenant))
        if settings.enabled:
            cache.load(dict(versions))
        return cls(cache, settings.save_seconds)

    async def close(self) -> None:
        """Save, and end what runs."""
        self._saving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._saving
        await self.cache.close()
        await self._save()

    def commands(self) -> dict[str, Callable[[dict[str, Any]], Awaitable[Any]]]:
        """What `xiaoer cache` asks of the running server."""

        async def stats(arguments: dict[str, Any]) -> dict[str, object]:
            del arguments
            return self.cache.statistics()

        async def clear(arguments: dict[str, Any]) -> dict[str, int]:
            forgotten = self.cache.clear(arguments.get("tenant"))
            await self._save()
            return {"forgotten": forgotten}

        return {"cache.stats": stats, "cache.clear": clear}

    async def _keep_saving(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            await self._save()

    async def _save(self) -> None:
        try:
            await self.cache.save()
        except OSError as error:
            log.error("the cache of answers could not be saved: %s", error)


__all__ = ["CachePath"]
