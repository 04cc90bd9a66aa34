"""Search in 100,000 chunks: how long it takes, and how long a start does.

    python -m benches.knowledge [--chunks 100000] [--model FOLDER] [--folder FOLDER]

The texts are made here: chains of words learnt from the demo shop's articles, half Chinese, half English, about a
product of a made-up name, five chunks an article. A sample of them is embedded by the model of `--model`; the other
vectors are synthesised: that of a sampled chunk of the same language, turned by noise to a cosine of about 0.93, which
is how near to each other the sampled ones are. Without a model the sample is noise too, and the report says so. So the
figures are about time; how well search finds is measured by `xiaoer kb eval` on texts that people wrote.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import resource
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xiaoer_server.app import COLLECTOR_THRESHOLDS
from xiaoer_server.brain.knowledge import Knowledge
from xiaoer_server.brain.vectors import quantised
from xiaoer_server.demo import shop
from xiaoer_server.infer.interface import Infer
from xiaoer_server.store.articles import Article
from xiaoer_server.store.engine import Store
from xiaoer_server.store.tenants import Tenants

from .machine import describe

SEED, SAMPLE, DIMENSIONS, PER_ARTICLE, QUESTIONS = 20261123, 100, 384, 5, 1_000
ENCODER = "e5-small@bench"
TENANT = "bench"


class Words:
    """A chain of words: each is followed by what followed it in the demo shop's articles."""

    def __init__(self, lang: str, chance: random.Random) -> None:
        self.lang, self._chance = lang, chance
        self._next: dict[str, list[str]] = defaultdict(list)
        for article in shop.articles():
            if article.lang == lang:
                words = list(article.body) if lang == "zh" else article.body.split()
                for first, second in pairwise(words):
                    self._next[first].append(second)
        self._starts = list(self._next)

    def text(self, size: int) -> str:
        """A text of so many words or characters, in sentences."""
        word, out = self._chance.choice(self._starts), []
        for _ in range(size):
            out.append(word)
            word = self._chance.choice(self._next.get(word) or self._starts)
        return ("" if self.lang == "zh" else " ").join(out).replace("#", "").replace("\n", " ")

    def name(self) -> str:
        """A product that no other article is about."""
        if self.lang == "zh":
            return "".join(chr(self._chance.randrange(0x4E00, 0x9FA5)) for _ in range(3))
        return "".join(self._chance.choice(("ka", "lo", "mi", "ter", "sun", "ra", "ven", "pol")) for _ in range(4))


def articles(count: int, chance: random.Random) -> Iterator[Article]:
    """Made-up articles of `PER_ARTICLE` chunks each."""
    makers = {lang: Words(lang, chance) for lang in ("zh", "en")}
    for number in range(count):
        lang = "zh" if number % 2 else "en"
        words = makers[lang]
        name = words.name()
        size = 400 if lang == "zh" else 130
        parts = [f"## {name} {part}\n\n{words.text(size)}" for part in range(PER_ARTICLE)]
        title = f"{name}的使用和售后" if lang == "zh" else f"Using and returning {name}"
        yield Article(f"{lang}-{number}", f"{number}", lang, title, [], "\n\n".join(parts))  # type: ignore[arg-type]


class Given:
    """Stands in for the model process: vectors that were made before, at once."""

    version, dimensions, ready, can_verify = ENCODER, DIMENSIONS, True, False

    def __init__(self, vectors: dict[str, NDArray[np.float32]]) -> None:
        self.vectors = vectors

    async def embed(self, texts: Sequence[str], **_: Any) -> NDArray[np.float32]:
        return np.array([self.vectors[text] for text in texts])


class Embedding:
    """The model in this process, on one thread: an upper bound of what the model process adds."""

    version, dimensions, ready, can_verify = ENCODER, DIMENSIONS, True, False

    def __init__(self, folder: str) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(f"{folder}/model.onnx", options)
        self._tokens = Tokenizer.from_file(f"{folder}/tokenizer.json")
        self._tokens.enable_truncation(512)

    def one(self, text: str) -> NDArray[np.float32]:
        ids = np.array([self._tokens.encode(text).ids], np.int64)
        names = {found.name for found in self._session.get_inputs()}
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        out = self._session.run(None, {name: value for name, value in feed.items() if name in names})[0]
        vector = out[0] if out.ndim == 2 else out[0].mean(axis=0)
        unit: NDArray[np.float32] = (vector / np.linalg.norm(vector)).astype(np.float32)
        return unit

    async def embed(self, texts: Sequence[str], *, kind: str = "query", **_: Any) -> NDArray[np.float32]:
        return np.array([await asyncio.to_thread(self.one, f"{kind}: {text}") for text in texts])


async def fill(folder: Path, chunks: int, model: Embedding | None) -> None:
    """Make the data folder: articles, chunks and vectors."""
    chance = random.Random(SEED)
    store = await Store.open(folder)
    await Tenants(store).ensure(TENANT, name="bench")
    knowledge = Knowledge(store)
    began = time.perf_counter()
    batch: list[Article] = []
    for article in articles(chunks // PER_ARTICLE, chance):
        batch.append(article)
        if len(batch) == 500:
            await knowledge.put(TENANT, *batch)
            batch = []
    if batch:
        await knowledge.put(TENANT, *batch)
    print(f"imported in {time.perf_counter() - began:.0f} s")
    await knowledge.stop()
    await store.close()
    await asyncio.to_thread(_vectors, folder, model)


def _vectors(folder: Path, model: Embedding | None) -> None:
    import sqlite3

    noise = np.random.default_rng(SEED)
    with sqlite3.connect(folder / "xiaoer.db") as connection:
        rows = connection.execute("SELECT id, slug, number, text FROM chunks ORDER BY id").fetchall()
        sample: dict[str, list[NDArray[np.float32]]] = {"zh": [], "en": []}
        for _, slug, _, text in random.Random(SEED).sample(rows, SAMPLE):
            vector = model.one(f"passage: {text}") if model else noise.normal(size=DIMENSIONS).astype(np.float32)
            sample[slug[:2]].append(vector / np.linalg.norm(vector))
        near = {lang: np.array(found) for lang, found in sample.items()}
        made = []
        for chunk, slug, number, _ in rows:
            of = near[slug[:2]]
            for part in (0, 1) if number == 0 else (0,):
                turned = of[noise.integers(len(of))] + noise.normal(size=DIMENSIONS) * (0.4 / DIMENSIONS**0.5)
                made.append((chunk, part, TENANT, ENCODER, quantised(turned.astype(np.float32))[0].tobytes()))
        connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?, ?)", made)
    connection.close()
    print(f"{len(rows)} chunks, {len(made)} vectors from a sample of {sum(map(len, near.values()))}")


async def measure(folder: Path, model: Embedding | None) -> dict[str, float]:
    """Build the index, start again from its file, and search."""
    figures: dict[str, float] = {}
    chance = random.Random(SEED + 1)
    noise = np.random.default_rng(SEED + 1)
    given = Given({})
    for run in ("rebuild", "start"):
        began = time.perf_counter()
        store = await Store.open(folder)
        knowledge = Knowledge(store, _infer(given))
        await knowledge.start([TENANT])
        figures[f"{run}, words ready, s"] = time.perf_counter() - began
        assert knowledge.meaning is not None
        await knowledge.meaning.until_done(TENANT)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECTOR_THRESHOLDS)  # as the server does
        figures[f"{run}, vectors ready, s"] = time.perf_counter() - began
        if run == "rebuild":
            await knowledge.stop()
            await store.close()
    async with store.engine.connect() as connection:
        from sqlalchemy import text

        rows = list(await connection.execute(text("SELECT text FROM chunks ORDER BY random() LIMIT 1000")))
    questions = []
    for (body,) in rows[:QUESTIONS]:
        plain = body.split("\n\n", 1)[1]
        at = chance.randrange(max(1, len(plain) - 60))
        questions.append(f"{body[3:].split(' ')[0]} {plain[at : at + (14 if chr(0x4E00) <= plain[at] else 45)]}")
        vector = noise.normal(size=DIMENSIONS)
        given.vectors[questions[-1]] = (vector / np.linalg.norm(vector)).astype(np.float32)
    sampled = await _nearby(store, noise, given, questions)
    assert sampled == len(questions)
    for name, infer, by in (
        ("words", given, "words"), ("meaning", given, "meaning"), ("both", given, "both"),
        *((("both, embedding included", model, "both"),) if model else ()),
    ):  # fmt: skip
        knowledge.meaning._infer = _infer(infer)
        took, empty = [], 0
        for question in questions if infer is given else questions[:300]:
            began = time.perf_counter()
            found = await knowledge.compare(TENANT, question, limit=5, by=by)  # type: ignore[arg-type]
            took.append(time.perf_counter() - began)
            empty += not found
        took.sort()
        assert empty < len(took) / 10
        figures[f"{name}, p50 ms"] = took[len(took) // 2] * 1000
        figures[f"{name}, p99 ms"] = took[len(took) * 99 // 100] * 1000
    figures["memory, MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures["index file, MB"] = sum(f.stat().st_size for f in (folder / "knowledge").iterdir()) / 1e6
    await knowledge.stop()
    await store.close()
    return figures


async def _nearby(store: Store, noise: np.random.Generator, given: Given, questions: list[str]) -> int:
    """Give each question a vector near to that of some chunk, as a question's is."""
    from sqlalchemy import text

    async with store.engine.connect() as connection:
        rows = list(await connection.execute(text("SELECT vector FROM vectors ORDER BY random() LIMIT 1000")))
    for question, (vector,) in zip(questions, rows, strict=False):
        base = np.frombuffer(vector, np.int8).astype(np.float32)
        turned = base / np.linalg.norm(base) + noise.normal(size=DIMENSIONS) * (0.5 / DIMENSIONS**0.5)
        given.vectors[question] = (turned / np.linalg.norm(turned)).astype(np.float32)
    return len(questions)


def _infer(stand_in: object) -> Infer:
    return stand_in  # type: ignore[return-value]


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--model", help="folder of an ONNX encoder of 384 dimensions")
    parser.add_argument("--folder", type=Path, help="kept and used again; default: a temporary one")
    options = parser.parse_args()
    sys.setswitchinterval(0.0005)  # as the server does
    model = Embedding(options.model) if options.model else None
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary) / "data"
        if not (folder / "xiaoer.db").exists():
            asyncio.run(fill(folder, options.chunks, model))
        for file in (folder / "knowledge").glob("*.vectors"):
            file.unlink()
        figures = asyncio.run(measure(folder, model))
    print(json.dumps(describe(), ensure_ascii=False))
    print("vectors:", "synthesised around a sample of the model's" if model else "noise; no model was named")
    for name, value in figures.items():
        print(f"{name:32} {value:9.1f}")


if __name__ == "__main__":
    main()
