"""How good search is on questions whose articles are known: recall@5, mean reciprocal rank, and false answers.

A line of a file is `{"question": …, "slugs": [the articles that answer it]}`; no slugs: the shop cannot answer it.
Recall@5 is the share of questions with a right article among the first five; the reciprocal rank is 1 for a right
article in front, 1/2 at the second place and so on, 0 beyond the tenth.
"""

from __future__ import annotations

import time
from importlib.resources import files
from pathlib import Path

import msgspec

from .knowledge import By, Knowledge

#: Passages that are looked at for the reciprocal rank, and those that count as found.
DEEPEST, FIRST = 10, 5


class EvalError(Exception):
    """A file of questions that cannot be used. One line."""


class Question(msgspec.Struct):
    """A question and the slugs of the articles that answer it."""

    question: str
    slugs: list[str]
    lang: str = ""


class Missed(msgspec.Struct):
    """A question whose article was not in front: its rank (0: not among the first ten) and what was in front."""

    question: str
    rank: int
    found: str


class Figures(msgspec.Struct):
    """What was measured one way.

    Args:
        recall: Recall@5 over the questions that have an article.
        mrr: Their mean reciprocal rank.
        right: Share of them that is answered, by a right article.
        wrong: Share of them that is answered by another.
        false: Share of the questions without an article that is answered all the same.
        p50_ms: Half of the searches took at most so long, in milliseconds.
        p99_ms: So did 99 of 100.
    """

    by: str
    recall: float
    mrr: float
    right: float
    wrong: float
    false: float
    p50_ms: float
    p99_ms: float
    missed: list[Missed]


def demo_questions() -> list[Question]:
    """The demo shop's own questions, on which nothing was tuned."""
    return parse((files("xiaoer_server.demo") / "questions.jsonl").read_bytes(), "questions.jsonl")


def read(path: Path) -> list[Question]:
    """Read a file of questions.

    Raises:
        EvalError: it cannot be read, or a line is not as it should be.
    """
    try:
        return parse(path.read_bytes(), str(path))
    except OSError as error:
        raise EvalError(f"{path}: cannot be read: {error.strerror}") from None


def parse(data: bytes, name: str) -> list[Question]:
    """The questions of a file's bytes.

    Raises:
        EvalError: a line is not as it should be; `name` is named in it.
    """
    found = []
    for number, line in enumerate(data.splitlines(), 1):
        if line.strip():
            try:
                found.append(msgspec.json.decode(line, type=Question))
            except msgspec.DecodeError as error:
                raise EvalError(f"{name}, line {number}: {error}") from None
    if not any(question.slugs for question in found):
        raise EvalError(f"{name}: has no question with slugs")
    return found


async def measure(
    knowledge: Knowledge, tenant: str, questions: list[Question], *, by: By = "both", threshold: float = 0.5
) -> Figures:
    """Ask all questions.

    Raises:
        SQLAlchemyError: the store cannot be read.
    """
    inside = [question for question in questions if question.slugs]
    outside = len(questions) - len(inside)
    recalled = right = wrong = false = 0
    reciprocal = 0.0
    missed: list[Missed] = []
    took: list[float] = []
    for question in questions:
        began = time.perf_counter()
        found = await knowledge.compare(tenant, question.question, limit=DEEPEST, by=by)
        took.append(time.perf_counter() - began)
        answered = bool(found) and found[0].score >= threshold
        if not question.slugs:
            false += answered
            continue
        rank = next((at for at, passage in enumerate(found, 1) if passage.article in question.slugs), 0)
        recalled += 1 <= rank <= FIRST
        reciprocal += 1 / rank if rank else 0.0
        right += answered and rank == 1
        wrong += answered and rank != 1
        if rank != 1:
            missed.append(Missed(question.question, rank, found[0].article if found else ""))
    took.sort()
    return Figures(
        by, recalled / len(inside), reciprocal / len(inside), right / len(inside), wrong / len(inside),
        false / max(1, outside), took[len(took) // 2] * 1000, took[min(len(took) - 1, len(took) * 99 // 100)] * 1000,
        missed,
    )  # fmt: skip
