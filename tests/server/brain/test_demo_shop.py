"""The demo shop: what it holds, and that it is loaded once."""

import re

import pytest

from xiaoer import Word, WordFilter
from xiaoer_server.brain.language import language_of
from xiaoer_server.brain.markdown import render
from xiaoer_server.demo import shop
from xiaoer_server.store.articles import Article, Articles
from xiaoer_server.store.engine import Store
from xiaoer_server.store.words import WordRow, Words

ARTICLES = list(shop.articles())


def words_in(article: Article) -> int:
    body = article.body
    return len(body.split()) if article.lang == "en" else len(re.sub(r"\s", "", body))


def test_there_is_enough_to_ask_about() -> None:
    assert sum(article.lang == "zh" for article in ARTICLES) >= 33
    assert sum(article.lang == "en" for article in ARTICLES) >= 33
    assert len({article.slug for article in ARTICLES}) == len(ARTICLES)


@pytest.mark.parametrize("article", ARTICLES, ids=lambda article: article.slug)
def test_articles_are_short_complete_and_in_their_language(article: Article) -> None:
    shortest, longest = (80, 300) if article.lang == "en" else (150, 500)
    assert shortest <= words_in(article) <= longest
    assert 3 <= len(article.asks) <= 6
    assert language_of(article.title) == language_of(article.body) == article.lang
    assert "<p>" in render(article.body)


def numbers(article: Article) -> set[str]:
    """Amounts and times of an article, written alike in both languages; small numbers may be words."""
    found = set(re.findall(r"\d+(?:\.\d+)?", article.body.replace(",", "")))
    return {number for number in found if float(number) > 31}


@pytest.mark.parametrize("topic", sorted({article.topic for article in ARTICLES}))
def test_translations_state_the_same_facts(topic: str) -> None:
    pair = [article for article in ARTICLES if article.topic == topic]
    assert sorted(article.lang for article in pair) == ["en", "zh"]
    # A share is said in other numbers: 95 折 is 5 % off.
    shares = {"95", "90", "85", "98"}
    assert numbers(pair[0]) - shares == numbers(pair[1]) - shares


def test_the_word_list_can_be_read_and_spares_the_shops_own_words() -> None:
    rows = shop.words()
    assert {row.action for row in rows} == {"mask", "block"}
    assert any(row.text.isascii() for row in rows)
    assert any(not row.text.isascii() for row in rows)
    assert len({row.text for row in rows}) == len(rows)
    words = WordFilter([Word(row.text, row.level, tuple(row.tags), row.action) for row in rows])  # type: ignore[arg-type]
    assert words.contains("老板加微信聊")
    for article in ARTICLES:
        for text in (article.title, *article.asks, article.body):
            assert words.find(text) == []


async def test_it_is_loaded_once_with_progress_and_changes_stay(store: Store) -> None:
    lines: list[str] = []
    assert await shop.load(store, "demo", progress=lines.append)
    assert len(lines) >= 2
    assert len(await Articles(store).all("demo")) == len(ARTICLES)
    assert await Articles(store).count("other") == 0
    await Words(store).replace("demo", [WordRow("mine")])
    lines.clear()
    assert not await shop.load(store, "demo", progress=lines.append)
    assert lines == []
    assert [row.text for row in await Words(store).all("demo")] == ["mine"]


async def test_a_start_that_was_cut_short_is_made_up_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> list[Article]:
        raise RuntimeError("cut short")

    with monkeypatch.context() as patched:
        patched.setattr(shop, "articles", fail)
        with pytest.raises(RuntimeError, match="cut short"):
            await shop.load(store, "demo")
    assert await shop.load(store, "demo")
    assert len(await Articles(store).all("demo")) == len(ARTICLES)
    assert len(await Words(store).all("demo")) == len(shop.words())
