"""GPTCache on the same embeddings: its own cache, its own evaluation of similarity, an exact vector search.

Its vector stores want servers or libraries of their own, so it is given one by its own interface: a matrix, searched
as a whole. That is the best that any of them could find.
"""

from __future__ import annotations

import importlib
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..brain.cached import Vectors
from .labelled import LabelledPair
from .rates import Labels, Rates, percentile, rates


class Peer:
    """See the module; `open` makes one."""

    def __init__(self, name: str, dimensions: int, embed: Callable[[str], Vectors]) -> None:
        self.name = name
        self._dimensions = dimensions
        self._embed = embed

    @classmethod
    def open(cls, dimensions: int, embed: Callable[[str], Vectors]) -> Peer | str:
        """GPTCache, or why there is none."""
        try:
            from importlib.metadata import version

            importlib.import_module("gptcache")
            importlib.import_module("gptcache.manager.data_manager")
            return cls(f"GPTCache {version('gptcache')}", dimensions, embed)
        except Exception as error:
            return f"GPTCache was not measured: {type(error).__name__}: {error}"

    def pairs(self, pairs: Sequence[LabelledPair], thresholds: Sequence[float]) -> list[Rates]:
        """Its evaluation of each pair, over its thresholds (shares of the evaluation's range)."""
        evaluation = self._evaluation()
        low, high = evaluation.range()
        scores = np.array([evaluation.evaluation(self._said(p.second), self._said(p.first)) for p in pairs])
        right = np.array([pair.same for pair in pairs])
        shares = (scores - low) / (high - low)
        return [rates(self.name, t, shares >= t, right, int(right.sum())) for t in thresholds]

    def store(self, pairs: Sequence[LabelledPair], thresholds: Sequence[float]) -> tuple[list[Rates], dict[str, float]]:
        """All first questions put into it, each second one got, at each threshold."""
        labels = Labels(pairs)
        found: list[Rates] = []
        taken: list[float] = []
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its calls of SQLAlchemy are those of an older one
            cache, api = self._cache(folder)
            for text in labels.kept:
                api.put(text, text, cache_obj=cache)
            for threshold in thresholds:
                cache.config.similarity_threshold = threshold
                answers: list[str | None] = []
                for text in labels.asked:
                    began = time.perf_counter()
                    answers.append(api.get(text, cache_obj=cache))
                    taken.append(time.perf_counter() - began)
                found.append(labels.rates(self.name, threshold, answers))
            cache.data_manager.close()
        latency = {f"{self.name}, without embedding p{int(s * 100)}": percentile(taken, s) for s in (0.5, 0.99)}
        return found, latency

    def _said(self, text: str) -> dict[str, Any]:
        return {"question": text, "embedding": self._embed(text)}

    def _evaluation(self) -> Any:
        module = importlib.import_module("gptcache.similarity_evaluation.np")
        return module.NumpyNormEvaluation(enable_normal=True, question_embedding_function=self._embed)

    def _cache(self, folder: str) -> tuple[Any, Any]:
        gptcache = importlib.import_module("gptcache")
        api = importlib.import_module("gptcache.adapter.api")
        managers = importlib.import_module("gptcache.manager")
        get_prompt = importlib.import_module("gptcache.processor.pre").get_prompt
        data = managers.get_data_manager(
            managers.CacheBase("sqlite", sql_url=f"sqlite:///{folder}/gptcache.db"),
            _vector_base(importlib.import_module("gptcache.manager.vector_data.base"), self._dimensions),
            max_size=1_000_000,
        )
        cache = gptcache.Cache()
        cache.init(
            pre_embedding_func=get_prompt,
            embedding_func=lambda text, **_: self._embed(text),
            data_manager=data,
            similarity_evaluation=self._evaluation(),
        )
        return cache, api


def _vector_base(base: Any, dimensions: int) -> Any:
    class Matrix(base.VectorBase):  # type: ignore[misc]
        """Its vector store, searched as a whole."""

        def __init__(self) -> None:
            self._rows: list[Vectors] = []
            self._ids: list[int] = []
            self._matrix = np.empty((0, dimensions), np.float32)

        def mul_add(self, datas: list[Any]) -> None:
            self._rows += [np.asarray(data.data, np.float32) for data in datas]
            self._ids += [data.id for data in datas]

        def search(self, data: Vectors, top_k: int = 1) -> list[tuple[float, int]]:
            if len(self._matrix) != len(self._rows):
                self._matrix = np.stack(self._rows)
            distances = 1.0 - self._matrix @ np.asarray(data, np.float32)
            best = np.argsort(distances)[: max(1, top_k)]
            return [(float(distances[row]), self._ids[row]) for row in best]

        def rebuild(self, ids: list[int] | None = None) -> bool:
            return True

        def delete(self, ids: list[int]) -> None:
            raise NotImplementedError

        def get_embeddings(self, data_id: int) -> Vectors:
            return self._rows[self._ids.index(data_id)]

        def update_embeddings(self, data_id: int, emb: Vectors) -> None:
            self._rows[self._ids.index(data_id)] = emb

        def flush(self) -> None: ...

        def close(self) -> None: ...

    return Matrix()
