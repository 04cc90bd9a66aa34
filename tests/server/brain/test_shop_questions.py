"""How good search and answers are on questions as visitors write them; the figures are printed with `-s`.

`slugs` are the articles that answer a question; none means that the shop cannot answer it.
"""

from pathlib import Path

import msgspec
import pytest

from xiaoer_server.brain import kb_eval
from xiaoer_server.brain.answerer import compose
from xiaoer_server.brain.knowledge import Knowledge, Passage
from xiaoer_server.brain.language import fold
from xiaoer_server.config import AnswerSettings
from xiaoer_server.demo import shop
from xiaoer_server.store.engine import Store

DATA = Path(__file__).parents[2] / "data" / "shop_questions.jsonl"


class Question(msgspec.Struct):
    question: str
    lang: str
    slugs: list[str]


QUESTIONS = [msgspec.json.decode(line, type=Question) for line in DATA.read_bytes().splitlines()]
IN = [question for question in QUESTIONS if question.slugs]
OUT = [question for question in QUESTIONS if not question.slugs]


def test_the_set_is_large_and_not_copied_from_the_articles() -> None:
    assert len(IN) >= 120
    assert len(OUT) >= 60
    articles = list(shop.articles())
    slugs = {article.slug for article in articles}
    copied = {fold(text) for article in articles for text in (article.title, *article.asks)}
    for question in QUESTIONS:
        assert set(question.slugs) <= slugs, question
        assert fold(question.question) not in copied, question
    for lang in ("zh", "en"):
        assert sum(question.lang == lang for question in IN) >= 50
        assert sum(question.lang == lang for question in OUT) >= 25


async def test_answers_are_right_or_honest(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    await shop.load(store, "demo")
    knowledge = Knowledge(store)
    threshold = AnswerSettings().evidence_threshold

    async def ask(question: Question) -> tuple[list[Passage], bool]:
        found = await knowledge.search("demo", question.question, limit=3)
        return found, compose(question.question, found, threshold=threshold).confident

    recalled = right = wrong = false = 0
    for question in IN:
        found, confident = await ask(question)
        recalled += any(passage.article in question.slugs for passage in found)
        if confident:
            fits = found[0].article in question.slugs
            right += fits
            wrong += not fits
    for question in OUT:
        false += (await ask(question))[1]
    print(
        f"threshold {threshold}: of {len(IN)} questions recall@3 {recalled / len(IN):.3f}, "
        f"confident and right {right / len(IN):.3f}, confident and wrong {wrong / len(IN):.3f}; "
        f"of {len(OUT)} that the shop cannot answer, answered {false / len(OUT):.3f}"
    )
    assert recalled / len(IN) >= 0.9
    assert right / len(IN) >= 0.8
    assert wrong / len(IN) <= 0.06
    assert false / len(OUT) <= 0.1


async def test_questions_that_nothing_was_tuned_on(store: Store) -> None:
    """The set that is shipped with the demo, by words alone; with the model it is measured by `xiaoer kb eval`."""
    questions = kb_eval.demo_questions()
    inside = [question for question in questions if question.slugs]
    assert len(inside) >= 120
    assert {question.question for question in QUESTIONS}.isdisjoint(question.question for question in questions)
    for lang in ("zh", "en"):
        assert sum(question.lang == lang for question in inside) >= 60
    await shop.load(store, "demo")
    slugs = {article.slug for article in shop.articles()}
    assert all(set(question.slugs) <= slugs for question in questions)
    figures = await kb_eval.measure(Knowledge(store), "demo", questions, by="words")
    assert figures.recall >= 0.95
    assert figures.mrr >= 0.85
    assert figures.wrong <= 0.1
    assert figures.false <= 0.15
