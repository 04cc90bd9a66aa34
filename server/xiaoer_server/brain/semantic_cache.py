"""Answers that were given before, found again by their words or by what they ask.

    exact   the same words, however they are written: a dict
    near    candidates by vector → guards → verifier; without a verifier there is no hit by meaning

Kept is only what is general (`cacheable.py`), was asked first in a conversation, unmasked, and answered whole by the
model. A hit holds for one tenant, language, model and policy, and for the knowledge that its answer rests on: an edit
takes the answers from the edited articles with it, and makes the others prove at their next use that their question
still leads to the same articles. Nothing here raises into the chat, and nothing takes longer than its deadline.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from pathlib import Path

import numpy as np

from . import cache_file
from .cache_entries import Entries
from .cacheable import personal, why_not
from .cached import Asked, Cached, Counts, Kept, Meaning, Space, Vectors, words_id
from .guards import objection
from .same_question import Ask, SameQuestion, T
from .source import Source

log = logging.getLogger(__name__)

#: Seconds that an answer is kept.
LIFETIME = 7 * 86_400.0

#: Entries that are compared by guards and verifier, and the cosine below which nothing is.
CANDIDATES, FLOOR = 5, 0.82

#: The verifier's probability that is asked for where its manifest names none for the target.
FALLBACK_THRESHOLD = 0.97

#: Vectors of questions that were looked for a moment ago: the answer that is offered then need not be embedded again.
FRESH = 512

#: Entries that are embedded at once where the service was away when they came.
MEND = 32

Disliked = Callable[[str, str, str, int], Awaitable[None]]
Standing = Callable[[str, str], Awaitable[Collection[str]]]


class SemanticCache:
    """See the module. For one thread.

    Args:
        infer: The model process; None: exact hits only.
        max_bytes: Of all that is held; 0 holds nothing.
        wrong_hit_target: The share of hits that may be wrong; the verifier's manifest has the threshold for it.
        folder: Where `save` writes.
        threshold: The verifier's probability from which two questions are one; None: the manifest's.
        remember: Stores a disliked pair: tenant, asked, entry, version.
        standing: (tenant, question) → slugs of the articles that it leads to now; None: an edit elsewhere changes
            nothing.
        deadline: Seconds for `near`, all in all.
        clock: Of lifetimes, in seconds since the epoch.
    """

    def __init__(
        self,
        infer: Meaning | None,
        *,
        max_bytes: int,
        folder: Path,
        wrong_hit_target: float = 0.005,
        threshold: float | None = None,
        lifetime: float = LIFETIME,
        remember: Disliked | None = None,
        standing: Standing | None = None,
        deadline: float = 0.25,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._infer = infer
        self._max_bytes = max_bytes
        self._folder = folder
        self._target = wrong_hit_target
        self._threshold = threshold
        self._lifetime = lifetime
        self._remember = remember
        self._standing = standing
        self._deadline = deadline
        self._clock = clock
        self._entries = Entries(max_bytes)
        self._versions: dict[str, int] = {}
        self._never: dict[str, dict[tuple[str, str], int]] = {}
        self._fresh: OrderedDict[str, tuple[str, Vectors]] = OrderedDict()
        self._mending: asyncio.Task[None] | None = None
        self._same = SameQuestion()
        self.counts = Counts()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bytes(self) -> int:
        """Of memory, as it is accounted."""
        return self._entries.bytes

    @property
    def threshold(self) -> float:
        """The probability from which the verifier is believed."""
        if self._threshold is not None:
            return self._threshold
        named = getattr(self._infer, "verify_threshold", None)
        found = named(self._target) if callable(named) else named
        return FALLBACK_THRESHOLD if found is None else float(found)

    # -- a hit ------------------------------------------------------------------------------------------------

    def exact(self, asked: Asked) -> Cached | None:
        """The answer to the same words. Some microseconds; a text too long is not even read."""
        if not asked.plain:
            return None
        words = asked.words
        entry = self._entries.find(asked.space, words)
        if entry is None or not self._holds(entry, asked) or entry.unsure or self._is_never(asked, words, entry):
            return None
        self._entries.touch(entry)
        self.counts.exact += 1
        return entry.cached()

    async def near(self, asked: Asked) -> Cached | None:
        """The answer to a question that asks for the same; None where there is none, or nobody to compare them."""
        infer = self._infer
        if not asked.plain or why_not(asked.text) is not None:
            return None
        if infer is None or not infer.ready:
            self.counts.away += 1
            return await self._unsure(asked)
        try:
            async with asyncio.timeout(self._deadline):
                found = await self._unsure(asked) or await self._by_meaning(infer, asked)
        except Exception as error:  # whatever is the matter with the service: the model answers
            self.counts.away += 1
            log.debug("no comparison by meaning: %r", error)
            return None
        if found is None:
            self.counts.missed += 1
        return found

    async def _unsure(self, asked: Asked) -> Cached | None:
        """The same words, with an answer that an edit made unsure."""
        entry = self._entries.find(asked.space, asked.words)
        if entry is None or not entry.unsure or self._is_never(asked, asked.words, entry):
            return None
        try:
            stands = self._holds(entry, asked) and await self._stands(entry)
        except Exception as error:
            log.debug("an answer could not be checked against the articles: %r", error)
            return None
        if not stands:
            return None
        self._entries.touch(entry)
        self.counts.exact += 1
        return entry.cached()

    async def _by_meaning(self, infer: Meaning, asked: Asked) -> Cached | None:
        space = asked.space
        if self._entries.without_vector(space, infer.version, 1):
            self._mend_soon(space)
        vector = await self._embed(infer, asked.text)
        rows = self._entries.rows(space, infer.version)
        if vector is None or rows is None or rows.dimensions != len(vector):
            return None
        words = asked.words
        candidates = [
            entry
            for _, entry in rows.nearest(vector, CANDIDATES, FLOOR)
            if self._holds(entry, asked) and not self._is_never(asked, words, entry) and self._agree(asked, entry)
        ]
        if not candidates:
            return None
        if not infer.can_verify:
            self.counts.away += 1
            return None
        # The nearest one is the answer to most hits, and the verifier takes as long for each.
        best, entry = await self._surest(infer, asked.text, candidates[:1])
        if not best >= self.threshold and len(candidates) > 1:  # NaN is no probability
            best, entry = await self._surest(infer, asked.text, candidates[1:])
        if not best >= self.threshold:
            self.counts.unverified += 1
            return None
        # While the verifier thought, the entry may have gone.
        if not self._entries.has(entry) or not self._holds(entry, asked) or self._is_never(asked, words, entry):
            return None
        if entry.unsure and not await self._stands(entry):
            return None
        self._entries.touch(entry)
        self.counts.near += 1
        return entry.cached(best)

    async def _surest(self, infer: Meaning, text: str, candidates: list[Kept]) -> tuple[float, Kept]:
        sure = await infer.verify([(text, entry.question) for entry in candidates], deadline=self._deadline)
        return max(zip(sure, candidates, strict=True), key=lambda pair: pair[0])

    def _holds(self, entry: Kept, asked: Asked) -> bool:
        """Whether the entry is of the asked knowledge, and not too old; else it goes."""
        if entry.version == asked.knowledge_version and entry.until > self._clock():
            return True
        if entry.version <= asked.knowledge_version:
            self._remove(entry)
        return False

    def _agree(self, asked: Asked, entry: Kept) -> bool:
        why = objection(asked.text, entry.question)
        if why is None:
            return True
        self.counts.objected[why] = self.counts.objected.get(why, 0) + 1
        return False

    async def _stands(self, entry: Kept) -> bool:
        """Whether the question still leads to the articles that it was answered from; else the entry goes."""
        if self._standing is not None:
            version = self._versions.get(entry.space.tenant)
            slugs = await self._standing(entry.space.tenant, entry.question)
            if not self._entries.has(entry) or self._versions.get(entry.space.tenant) != version:
                return False
            if frozenset(slugs) != entry.slugs:
                self._remove(entry)
                return False
        entry.unsure = False
        return True

    async def _embed(self, infer: Meaning, text: str) -> Vectors | None:
        fresh = self._fresh.get(text)
        if fresh is not None and fresh[0] == infer.version:
            self._fresh.move_to_end(text)
            return fresh[1]
        vector: Vectors = _checked(await infer.embed([text], deadline=self._deadline), 1)[0]
        self._fresh[text] = infer.version, vector
        if len(self._fresh) > FRESH:
            self._fresh.popitem(last=False)
        return vector

    # -- an answer --------------------------------------------------------------------------------------------

    async def offer(
        self, asked: Asked, text: str, sources: Sequence[Source] | None = None, slugs: Collection[str] = ()
    ) -> bool:
        """Keep a whole answer of the model, one that ended with "stop", if it is anybody's; whether it is kept.

        Args:
            slugs: The articles that it was answered from.
        """
        if not self._worth_keeping(asked, text):
            self.counts.refused += 1
            return False
        words = asked.words
        entry = Kept(
            words_id(words),
            asked.space,
            words,
            asked.text,
            text,
            list(sources) if sources else None,
            frozenset(slugs),
            asked.knowledge_version,
            self._clock() + self._lifetime,
        )
        vector, version = None, ""
        infer = self._infer
        if infer is not None and infer.ready:
            try:
                async with asyncio.timeout(self._deadline):
                    vector, version = await self._embed(infer, asked.text), infer.version
            except Exception as error:
                log.debug("an answer is kept without a vector: %r", error)
            if not self._worth_keeping(asked, text):  # an edit, or a thumbs-down, came meanwhile
                self.counts.refused += 1
                return False
        kept = self._entries.put(entry, vector, version)
        self.counts.kept += kept
        self.counts.evicted = self._entries.evicted
        return kept

    def _worth_keeping(self, asked: Asked, text: str) -> bool:
        if not self._max_bytes or not asked.plain or not asked.opening or personal(text):
            return False
        if why_not(asked.text) is not None or asked.knowledge_version < self._versions.get(asked.tenant, 0):
            return False
        identity = words_id(asked.words)
        return not self._is_never_pair(asked.tenant, identity, identity, asked.knowledge_version)

    async def share(self, asked: Asked, ask: Ask[T], text: Callable[[str], None]) -> tuple[T, bool]:
        """Ask the model, or read along where somebody is asking it the same just now; see `SameQuestion.share`.

        What is not general, or was not asked first in its conversation, is asked alone.
        """
        if not asked.opening or not asked.plain or why_not(asked.text) is not None:
            return await ask(text), True
        return await self._same.share((asked.space, asked.knowledge_version, asked.words), ask, text)

    # -- what ends an entry -----------------------------------------------------------------------------------

    async def dislike(self, tenant: str, asked_text: str, identity: str | None = None) -> bool:
        """A visitor's thumbs-down: the entry goes, and never answers this question again.

        An answer to these very words is disliked until the knowledge changes; one to other words for good.

        Args:
            identity: Of the hit; None for an answer that the model has just given to these words.

        Returns:
            Whether there is anything to forget or to remember: False for a text that no entry can have.
        """
        asked = Asked(tenant, "", asked_text, 0, "", "")
        if not asked.plain or not asked.words:
            return False
        own = words_id(asked.words)
        identity = identity or own
        version = self._versions.get(tenant, 0)
        for entry in self._entries.of(tenant):
            if entry.id == identity:
                version = max(version, entry.version)
                self._remove(entry)
        self.counts.disliked += 1
        kept = version if identity == own else -1
        self._never.setdefault(tenant, {})[own, identity] = kept
        if self._remember is not None:
            try:
                await self._remember(tenant, own, identity, kept)
            except Exception as error:
                log.error("a thumbs-down holds until the restart only: %s", error)
        return True

    def never(self, pairs: Iterable[tuple[str, str, str, int]]) -> None:
        """What was disliked before the start: tenant, asked, entry, version."""
        for tenant, asked, entry, version in pairs:
            self._never.setdefault(tenant, {})[asked, entry] = version

    def changed(self, tenant: str, slugs: Collection[str], version: int) -> None:
        """The tenant's knowledge was edited, and is of this version now.

        What was answered from one of these articles goes, and what was answered from none; the rest is unsure. The
        slug `*` stands for any article.
        """
        touched = frozenset(slugs)
        self._versions[tenant] = version
        for entry in self._entries.of(tenant):
            if not entry.slugs or entry.slugs & touched or "*" in touched:
                self._remove(entry)
                self.counts.changed += 1
            else:
                entry.version = version
                entry.unsure = True

    def clear(self, tenant: str | None = None) -> int:
        """Forget a tenant's answers, or all; how many those were. What was disliked stays so."""
        gone = [entry for entry in self._entries if tenant is None or entry.space.tenant == tenant]
        for entry in gone:
            self._remove(entry)
        self._fresh.clear()
        return len(gone)

    def _remove(self, entry: Kept) -> None:
        if self._entries.has(entry):
            self._entries.remove(entry)

    def _is_never(self, asked: Asked, words: str, entry: Kept) -> bool:
        return bool(self._never) and self._is_never_pair(
            asked.tenant, words_id(words), entry.id, asked.knowledge_version
        )

    def _is_never_pair(self, tenant: str, asked: str, entry: str, version: int) -> bool:
        found = self._never.get(tenant, {}).get((asked, entry))
        return found is not None and found in (-1, version)

    def forget_vectors(self) -> None:
        """Of questions that were looked for a moment ago; for measuring."""
        self._fresh.clear()

    # -- vectors that are missing -----------------------------------------------------------------------------

    def _mend_soon(self, space: Space) -> None:
        if self._mending is None or self._mending.done():
            self._mending = asyncio.get_running_loop().create_task(self._mend(space))

    async def _mend(self, space: Space) -> None:
        infer = self._infer
        try:
            while infer is not None and infer.ready:
                version = infer.version
                entries = self._entries.without_vector(space, version, MEND)
                if not entries:
                    return
                vectors = _checked(await infer.embed([e.question for e in entries], deadline=5.0), len(entries))
                for entry, vector in zip(entries, vectors, strict=True):
                    if self._entries.has(entry) and infer.version == version:
                        self._entries.give_vector(entry, vector, version)
        except Exception as error:
            log.debug("cached questions are without vectors: %r", error)

    # -- on disk ----------------------------------------------------------------------------------------------

    async def save(self) -> None:
        """Write the entries to the folder, beside the loop.

        Raises:
            OSError: they cannot be written; what was written before is still there.
        """
        now = self._clock()
        saved = [self._saved(entry, now) for entry in self._entries if entry.until > now]
        await asyncio.to_thread(cache_file.write, self._folder, saved)

    def _saved(self, entry: Kept, now: float) -> cache_file.Saved:
        found = self._entries.vector_of(entry)
        encoder, vector = ("", b"") if found is None else (found[0], found[1].astype("<f4").tobytes())
        return cache_file.Saved(
            *entry.space[:4],
            entry.question,
            entry.text,
            entry.sources,
            sorted(entry.slugs),
            entry.version,
            entry.until - now,
            now,
            entry.unsure,
            encoder,
            vector,
        )

    def load(self, versions: dict[str, int]) -> int:
        """Take over what was saved, before the start; how many entries.

        Args:
            versions: Of the knowledge of each tenant there is; what is of another version or tenant stays away.
        """
        self._versions.update(versions)
        for saved in cache_file.read(self._folder, 4 * self._max_bytes + 65_536):
            # A clock that was put back does not make an answer live longer.
            left = saved.seconds - max(0.0, self._clock() - saved.saved_at)
            asked = Asked(saved.tenant, saved.language, saved.question, saved.version, saved.model, saved.policy)
            if versions.get(saved.tenant) != saved.version or not 0 < left <= self._lifetime:
                continue
            if not self._worth_keeping(asked, saved.text):
                continue
            words = asked.words
            entry = Kept(
                words_id(words),
                asked.space,
                words,
                saved.question,
                saved.text,
                saved.sources,
                frozenset(saved.slugs),
                saved.version,
                self._clock() + left,
                saved.unsure,
            )
            self._entries.put(entry, _vector(saved.vector), saved.encoder)
        return len(self._entries)

    async def close(self) -> None:
        """End what runs."""
        if self._mending is not None:
            self._mending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._mending

    def statistics(self) -> dict[str, object]:
        """For the command line and the metrics."""
        return {
            "entries": len(self),
            "bytes": self.bytes,
            "max_bytes": self._max_bytes,
            "threshold": self.threshold,
            "by_meaning": bool(self._infer is not None and self._infer.ready and self._infer.can_verify),
            "joined": self._same.joined,
            "never": sum(map(len, self._never.values())),
            "tenants": {tenant: {"entries": n, "bytes": b} for tenant, (n, b) in self._entries.sizes().items()},
            "counts": self.counts.as_dict(),
        }


def _checked(vectors: Vectors, count: int) -> Vectors:
    """Vectors that may be compared: as many as asked for, finite, of length 1.

    Raises:
        ValueError: they are not.
    """
    if vectors.ndim != 2 or len(vectors) != count or not np.isfinite(vectors).all():
        raise ValueError("the encoder's answer is no vector a text")
    if not np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-2):
        raise ValueError("the encoder's vectors are not of length 1")
    return vectors


def _vector(data: bytes) -> Vectors | None:
    if not data or len(data) % 4:
        return None
    vector: Vectors = np.frombuffer(data, "<f4").astype(np.float32)
    try:
        _checked(vector[None, :], 1)
    except ValueError:
        return None
    return vector


__all__ = ["Asked", "Cached", "SemanticCache"]
