"""The search by meaning: texts are embedded in the background, kept as rows, and found by the nearest vectors.

Nothing here is needed for a question to be answered. Without the model process, or while its texts are not embedded
yet, a search by meaning finds nothing or less, and the search by words goes on alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..infer.interface import Infer, InferError
from ..store.articles import Articles
from ..store.engine import Store
from ..store.vectors import Row, Vectors
from .vectors import PARTS, Hit, IndexRefused, VectorIndex, quantised

log = logging.getLogger(__name__)

#: Code points of a text that the encoder is given; more than its 512 tokens hold.
MOST_CHARACTERS = 2_000

#: Titles and asks of an article that have a vector of their own.
MOST_ASKS = PARTS - 1

#: Texts of one call in the background, and its deadline in seconds. A batch is short, so that questions, which go to
#: the same process, do not wait behind it for long.
BATCH, BATCH_SECONDS = 8, 30.0

#: A question's vector is not waited for longer than this, in seconds.
QUESTION_SECONDS = 0.5

#: Vectors that a search proposes. Several of an article may be among them.
NEAREST = 48

#: After a failure the background waits this many seconds at first and at most; and at most so long for news.
FIRST_PAUSE, LONGEST_PAUSE, LOOK_SECONDS = 0.5, 30.0, 1.0

#: The file is written again after so many changes, and whenever the background has nothing left to do.
SAVE_EVERY = 20_000

Progress = Callable[[str, int, int], object]


class Meaning:
    """The vectors of all tenants of one process.

    Args:
        infer: The model process.
        folder: Of the index files; made when the first one is written.
        progress: Takes (tenant, chunks embedded, chunks in all) as the background goes on.
        seconds: How long a question's vector is waited for.
    """

    def __init__(
        self,
        store: Store,
        infer: Infer,
        folder: Path,
        progress: Progress = lambda *_: None,
        *,
        seconds: float = QUESTION_SECONDS,
    ) -> None:
        self._seconds = seconds
        self._infer = infer
        self._folder = folder
        self._progress = progress
        self._articles = Articles(store)
        self._vectors = Vectors(store)
        self._indexes: dict[str, VectorIndex] = {}
        self._waiting: dict[str, None] = {}
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._refused: set[int] = set()  # chunks that the encoder will not take
        self._done: dict[str, tuple[int, int]] = {}
        self._current: str | None = None
        self._pausing = asyncio.Event()

    def start(self, tenants: Iterable[str]) -> None:
        """Begin to load and to embed."""
        self._waiting.update(dict.fromkeys(tenants))
        self._news.set()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Let the text under way go, and write what has changed."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        for tenant in list(self._indexes):
            await self._save(tenant)

    def changed(self, tenant: str) -> None:
        """There are new chunks."""
        self._waiting[tenant] = None
        self._news.set()

    def forget(self, tenant: str, chunks: Iterable[int]) -> None:
        """Chunks were deleted."""
        index = self._indexes.get(tenant)
        if index is not None:
            index.remove(chunks)

    def state(self, tenant: str) -> tuple[int, int]:
        """(embedded, in all) of the tenant's chunks, as far as the background has come; (0, 0) before it began."""
        return self._done.get(tenant, (0, 0))

    def ready(self, tenant: str) -> bool:
        """Whether a search by meaning has a prospect."""
        index = self._indexes.get(tenant)
        return index is not None and len(index) > 0 and self._infer.ready and index.encoder == self._infer.version

    @property
    def encoder(self) -> str:
        """The version of the encoder; "" while it is not known."""
        return self._infer.version

    async def search(self, tenant: str, question: str) -> list[Hit]:
        """What is nearest to the question, nearest first; nothing while that cannot be known. Never raises."""
        if not self.ready(tenant):
            return []
        index = self._indexes[tenant]
        try:
            vector = await self._infer.embed([question[:MOST_CHARACTERS]], kind="query", deadline=self._seconds)
            # The process may have come back with another encoder meanwhile.
            return index.search(vector[0], NEAREST) if index.encoder == self._infer.version else []
        except InferError as error:
            log.debug("a question has no vector (%s)", error.kind)
        except ValueError as error:
            log.warning("a question's vector cannot be used: %s", error)
        return []

    async def until_done(self, tenant: str) -> None:
        """Return when the background has nothing left to do for this tenant."""
        while tenant in self._waiting or self._current == tenant:
            self._pausing.clear()
            await self._pausing.wait()

    # -- in the background -------------------------------------------------------------------------------------

    async def _run(self) -> None:
        pause = FIRST_PAUSE
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), LOOK_SECONDS)
            self._news.clear()
            version = self._infer.version
            if not (version and self._infer.ready):
                continue
            # A process that came back with another encoder makes all vectors anew.
            self._waiting.update((tenant, None) for tenant, index in self._indexes.items() if index.encoder != version)
            for tenant in list(self._waiting):
                del self._waiting[tenant]
                self._current = tenant
                try:
                    await self._bring_up_to_date(tenant, version)
                    pause = FIRST_PAUSE
                    continue
                except InferError as error:
                    log.info("embedding waits %g s: %s", pause, error)
                except Exception:
                    log.exception("embedding the articles of %s failed", tenant)
                finally:
                    self._current = None
                    self._pausing.set()
                self._waiting[tenant] = None
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    async def _bring_up_to_date(self, tenant: str, encoder: str) -> None:
        index = self._indexes.get(tenant)
        if index is None or index.encoder != encoder:
            index = await self._load(tenant, encoder)
            self._indexes[tenant] = index
        after, done = 0, await self._vectors.count(tenant, encoder)
        total = done + await self._vectors.count_missing(tenant, encoder)
        self._done[tenant] = (done, total)
        while rows := await self._vectors.missing(tenant, encoder, after, BATCH):
            after = rows[-1][0]
            done += await self._embed(tenant, encoder, index, [row for row in rows if row[0] not in self._refused])
            self._done[tenant] = (done, max(total, done))
            self._progress(tenant, *self._done[tenant])
            if index.changes >= SAVE_EVERY:
                await self._save(tenant)
        await self._save(tenant)

    async def _embed(
        self, tenant: str, encoder: str, index: VectorIndex, rows: Sequence[tuple[int, str, int, str]]
    ) -> int:
        """Embed these chunks; returns how many of them have their vectors now."""
        articles = {found.slug: found for found in await self._articles.of_slugs(tenant, {row[1] for row in rows})}
        texts: list[tuple[int, int, str]] = []
        asks: list[tuple[int, int, str]] = []
        for chunk, slug, number, text in rows:
            article = articles.get(slug)
            if article is None:
                continue
            texts.append((chunk, 0, f"{article.title}\n{text}"))
            if number == 0:
                heads = dict.fromkeys((article.title, *article.asks))
                asks += [(chunk, part, head) for part, head in enumerate(list(heads)[:MOST_ASKS], 1) if head.strip()]
        made: list[Row] = []
        made += await self._vectors_of(asks, encoder, "query")
        # The texts last: that a chunk has its part 0 says that it has all.
        made += await self._vectors_of(texts, encoder, "passage")
        made = [row for row in made if row[0] not in self._refused]
        await self._vectors.put(tenant, encoder, made)
        # What was deleted while it was with the encoder has no row.
        stored = await self._vectors.of_chunks(tenant, encoder, sorted({row[0] for row in made}))
        if stored:
            keys = [(chunk, part) for chunk, part, _ in stored]
            await asyncio.to_thread(index.add, keys, _matrix([row[2] for row in stored], index.dimensions))
        return len({row[0] for row in stored})

    async def _vectors_of(self, texts: Sequence[tuple[int, int, str]], encoder: str, kind: str) -> list[Row]:
        made: list[Row] = []
        for start in range(0, len(texts), BATCH):
            made += await self._batch(texts[start : start + BATCH], encoder, kind)
        return made

    async def _batch(self, texts: Sequence[tuple[int, int, str]], encoder: str, kind: str) -> list[Row]:
        """Vectors of one call. A text that the encoder cannot take is left out with its chunk, alone."""
        try:
            vectors = await self._infer.embed(
                [text[:MOST_CHARACTERS] for _, _, text in texts],
                kind=kind,  # type: ignore[arg-type]
                deadline=BATCH_SECONDS,
            )
            if self._infer.version != encoder:
                raise InferError("unavailable", "the encoder has changed")
            rows = quantised(vectors)
        except (InferError, ValueError) as error:
            if isinstance(error, InferError) and error.kind != "invalid":
                raise
            if len(texts) == 1:
                log.warning("chunk %d cannot be embedded and is found by words only: %s", texts[0][0], error)
                self._refused.add(texts[0][0])
                return []
            return [row for text in texts for row in await self._batch([text], encoder, kind)]
        return [(chunk, part, row.tobytes()) for (chunk, part, _), row in zip(texts, rows, strict=True)]

    # -- the file ----------------------------------------------------------------------------------------------

    def path(self, tenant: str) -> Path:
        """The tenant's index file."""
        return self._folder / f"{tenant}.vectors"

    async def _load(self, tenant: str, encoder: str) -> VectorIndex:
        """The index from its file, brought to what the rows say; from the rows alone where the file is of no use."""
        dimensions = self._infer.dimensions
        try:
            index = await asyncio.to_thread(VectorIndex.load, self.path(tenant), encoder, dimensions)
        except FileNotFoundError:
            index = VectorIndex(encoder, dimensions)
        except (IndexRefused, OSError) as error:
            log.warning("%s: %s; it is built again from the database", self.path(tenant), error)
            index = VectorIndex(encoder, dimensions)
        there = await asyncio.to_thread(index.keys)
        stored = set(await self._vectors.keys(tenant, encoder))
        gone = {chunk for chunk, _ in there - stored}
        if gone:
            index.remove(gone)
        missing = (stored - there) | {key for key in stored if key[0] in gone}
        if len(missing) > len(stored) // 2:
            await self._build(tenant, encoder, index)
        else:
            wanted = sorted({chunk for chunk, _ in missing})
            for start in range(0, len(wanted), 500):
                await self._add(index, await self._vectors.of_chunks(tenant, encoder, wanted[start : start + 500]))
        return index

    async def _build(self, tenant: str, encoder: str, index: VectorIndex) -> None:
        last = (0, -1)
        while rows := await self._vectors.read(tenant, encoder, last, 1_000):
            last = rows[-1][:2]
            await self._add(index, rows)

    @staticmethod
    async def _add(index: VectorIndex, rows: Sequence[Row]) -> None:
        size = index.dimensions
        fitting = [row for row in rows if len(row[2]) == size]
        if fitting:
            keys = [(chunk, part) for chunk, part, _ in fitting]
            await asyncio.to_thread(index.add, keys, _matrix([row[2] for row in fitting], size))

    async def _save(self, tenant: str) -> None:
        index = self._indexes[tenant]
        if not index.changes:
            return
        try:
            await asyncio.to_thread(index.save, self.path(tenant))
        except OSError as error:
            log.error("%s cannot be written: %s; the next start reads the database instead", self.path(tenant), error)


def _matrix(rows: Sequence[bytes], dimensions: int) -> NDArray[np.int8]:
    return np.frombuffer(b"".join(rows), np.int8).reshape(len(rows), dimensions)
