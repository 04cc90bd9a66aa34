"""Measures the cache against labelled pairs, beside a cosine threshold alone and GPTCache, by the same embeddings.

Two protocols. `pairs`: only `first` is kept; is `second` a hit, and is it right? `store`: all first questions are kept,
and each second one is asked of all of them; a hit is right if the labels connect the two, directly or through others,
wrong if they part them, and else counted apart.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..brain.cacheable import why_not
from ..brain.cached import Asked, Vectors
from ..brain.guards import objection
from ..brain.semantic_cache import FLOOR, SemanticCache
from .labelled import LabelledPair
from .local import LocalMeaning
from .peer import Peer
from .rates import Labels, Rates, percentile, rates

COSINES = tuple(round(0.80 + 0.01 * step, 2) for step in range(20))
PROBABILITIES = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999)
PEER_THRESHOLDS = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95)

#: Askings whose time is taken.
TIMED = 400
BATCH = 32

Progress = Callable[[str], None]


class Report(msgspec.Struct):
    """What was measured. `chosen` are ours at the threshold that the server would use; latencies in milliseconds."""

    pairs: int
    same: int
    not_general: int
    threshold: float
    verified: bool
    by_pairs: list[Rates]
    by_store: list[Rates]
    chosen: list[Rates]
    objected: dict[str, list[int]]
    latency: dict[str, float]
    peer: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        found: dict[str, Any] = msgspec.structs.asdict(self)
        for name in ("by_pairs", "by_store", "chosen"):
            found[name] = [each.as_dict() for each in getattr(self, name)]
        return found


async def measure(
    pairs: Sequence[LabelledPair], meaning: LocalMeaning, *, threshold: float | None = None, progress: Progress
) -> Report:
    """Measure; some 20 ms a pair where the models run on one core."""
    texts = list(dict.fromkeys(text for pair in pairs for text in (pair.first, pair.second)))
    progress(f"{len(pairs)} pairs, {len(texts)} texts: embedding")
    vectors = await _embed(meaning, texts)
    at = {text: index for index, text in enumerate(texts)}
    right = np.array([pair.same for pair in pairs])
    cosines = np.array([float(vectors[at[pair.first]] @ vectors[at[pair.second]]) for pair in pairs])
    general = np.array([why_not(pair.first) is None and why_not(pair.second) is None for pair in pairs])
    objections = [objection(pair.first, pair.second) for pair in pairs]
    candidate = general & np.array([each is None for each in objections]) & (cosines >= FLOOR)
    progress(f"{int(candidate.sum())} pairs pass the guards: verifying")
    sure = await _verify(meaning, pairs, candidate)
    count = int(right.sum())
    by_pairs = [rates("cosine alone", t, cosines >= t, right, count) for t in COSINES]
    by_pairs += [rates("cosine and guards", t, candidate & (cosines >= t), right, count) for t in COSINES]
    if meaning.can_verify:
        by_pairs += [rates("ours", t, sure >= t, right, count) for t in PROBABILITIES]
    with tempfile.TemporaryDirectory() as folder:
        cache = SemanticCache(meaning, max_bytes=1 << 30, folder=Path(folder), threshold=threshold, deadline=30.0)
        progress("all first questions kept, each second one asked")
        ours, latency = await _store(cache, pairs)
        chosen = [rates("ours, pairs", cache.threshold, sure >= cache.threshold, right, count), ours]
    by_store = _store_cosine(pairs, vectors, at)
    peer = Peer.open(vectors.shape[1], lambda text: vectors[at[text]])
    named = peer if isinstance(peer, str) else peer.name
    if isinstance(peer, Peer):
        progress(peer.name)
        try:
            by_pairs += peer.pairs(pairs, PEER_THRESHOLDS)
            more, its = peer.store(pairs, PEER_THRESHOLDS)
            by_store += more
            latency |= its
        except Exception as error:  # it is old, and what it stands on goes on
            named = f"{peer.name} broke off: {type(error).__name__}: {error}"
    objected: dict[str, list[int]] = {}
    for why, same in zip(objections, right, strict=True):
        if why is not None:
            objected.setdefault(why, [0, 0])[int(same)] += 1
    return Report(
        len(pairs),
        count,
        int((~general).sum()),
        chosen[0].threshold or 0.0,
        meaning.can_verify,
        by_pairs,
        by_store,
        chosen,
        objected,
        latency,
        named,
    )


async def _embed(meaning: LocalMeaning, texts: Sequence[str]) -> Vectors:
    # Texts of one length together: what is short is not padded to what is long.
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    parts = [
        await meaning.embed([texts[index] for index in order[start : start + BATCH]])
        for start in range(0, len(order), BATCH)
    ]
    vectors: Vectors = np.empty((len(texts), parts[0].shape[1]), np.float32)
    vectors[order] = np.concatenate(parts)
    return vectors


async def _verify(
    meaning: LocalMeaning, pairs: Sequence[LabelledPair], candidate: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Probabilities; -1 where nobody was asked."""
    sure = np.full(len(pairs), -1.0)
    if meaning.can_verify:
        indices = [int(index) for index in np.flatnonzero(candidate)]
        wanted = sorted(indices, key=lambda index: len(pairs[index].first + pairs[index].second))
        for start in range(0, len(wanted), BATCH):
            part = wanted[start : start + BATCH]
            sure[part] = await meaning.verify([(pairs[index].second, pairs[index].first) for index in part])
    return sure


async def _store(cache: SemanticCache, pairs: Sequence[LabelledPair]) -> tuple[Rates, dict[str, float]]:
    """Keep all, ask all, by the cache itself; with the time that hits take, embedding and verifier included."""
    labels = Labels(pairs)
    for number, text in enumerate(labels.kept):
        await cache.offer(_asked(text), f"answer {number}")
    cache.forget_vectors()  # an asking pays for its own
    exact: list[float] = []
    near: list[float] = []
    missed: list[float] = []
    answers: list[str | None] = []
    for text in labels.asked:
        question = _asked(text)
        began = time.perf_counter()
        found = cache.exact(question)
        took = time.perf_counter() - began
        if found is not None:
            exact.append(took)
        else:
            found = await cache.near(question)
            (missed if found is None else near).append(time.perf_counter() - began)
        answers.append(None if found is None else found.question)
    for text in labels.kept[:TIMED]:
        began = time.perf_counter()
        cache.exact(_asked(text))
        exact.append(time.perf_counter() - began)
    latency = {
        f"ours, {name} p{int(share * 100)}": percentile(taken, share)
        for name, taken in (("exact hit", exact), ("hit by meaning", near), ("miss", missed))
        for share in (0.5, 0.99)
        if taken
    }
    return labels.rates("ours, store", cache.threshold, answers), latency


def _store_cosine(pairs: Sequence[LabelledPair], vectors: Vectors, at: dict[str, int]) -> list[Rates]:
    """The nearest kept question answers, if it is near enough."""
    labels = Labels(pairs)
    matrix = vectors[[at[text] for text in labels.kept]]
    nearest: list[tuple[float, str]] = []
    for text in labels.asked:
        cosines = matrix @ vectors[at[text]]
        best = int(cosines.argmax())
        nearest.append((float(cosines[best]), labels.kept[best]))
    return [
        labels.rates("cosine alone", t, [kept if cosine >= t else None for cosine, kept in nearest]) for t in COSINES
    ]


def _asked(text: str) -> Asked:
    return Asked("eval", "", text, 1, "", "")
