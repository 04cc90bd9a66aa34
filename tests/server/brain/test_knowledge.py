"""Search over a real store: what is found, whose it is, and what is forgotten."""

import asyncio
import sqlite3
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from xiaoer_server.brain.knowledge import Knowledge, Passage
from xiaoer_server.brain.language import Language
from xiaoer_server.brain.topics import PASSAGE_WIDTH, passages
from xiaoer_server.store.articles import Article, Articles
from xiaoer_server.store.chunks import match_query
from xiaoer_server.store.engine import Store


def article(slug: str, title: str, body: str = "", lang: Language = "zh", **more: object) -> Article:
    return Article(slug, str(more.get("topic", slug)), lang, title, list(more.get("asks", [])), body or title)  # type: ignore[call-overload]


SHOP = [
    article("zh-refund", "退款多久到账", "原路退回，三天到账。", topic="refund"),
    article("en-refund", "When a refund arrives", "Back the way you paid, in three days.", "en", topic="refund"),
    article("zh-fee", "运费怎么算", "满九十九元包邮。", topic="fee"),
    article("en-fee", "What delivery costs", "Free from 99 yuan.", "en", topic="fee"),
    article("zh-pot", "紫砂壶保养", "用清水冲洗，晾干。", topic="pot", asks=["新壶怎么开壶"]),
]


@pytest.fixture
async def shop(knowledge: Knowledge) -> Knowledge:
    await knowledge.replace("demo", SHOP)
    return knowledge


def slugs(found: list[Passage]) -> list[str]:
    return [passage.article for passage in found]


async def index_hits(store: Store, phrase: str) -> int:
    async with store.engine.connect() as connection:
        statement = text("SELECT count(*) FROM chunks_index WHERE chunks_index MATCH :query")
        return int((await connection.execute(statement, {"query": match_query([phrase])})).scalar_one())


async def check_index(store: Store) -> None:
    """FTS5's own comparison of the index with the table; raises where they differ."""
    statement = text("INSERT INTO chunks_index(chunks_index, rank) VALUES ('integrity-check', 1)")
    await store.writer.run(statement, {})


async def test_a_two_character_word_is_found(shop: Knowledge) -> None:
    found = await shop.search("demo", "退款")
    assert found[0].article == "zh-refund"
    assert found[0].url == "/help/demo/zh-refund"
    assert found[0].text == "原路退回，三天到账。"
    assert 0 < found[0].score <= 1


@pytest.mark.parametrize(
    ("question", "slug"),
    [
        ("refund", "en-refund"),
        ("REFUNDED？", "en-refund"),
        ("我的 refund 怎么还没到", "zh-refund"),
        ("邮费", "zh-fee"),
        ("postage", "en-fee"),
        ("壶", "zh-pot"),
        ("紫砂", "zh-pot"),
        ("how to care for a teapot", "zh-pot"),
    ],
)
async def test_questions_find_their_article_in_their_language(shop: Knowledge, question: str, slug: str) -> None:
    assert (await shop.search("demo", question))[0].article == slug


async def test_one_passage_a_topic_and_at_most_limit(shop: Knowledge) -> None:
    question = "退款 运费 紫砂 refund delivery"
    several = await shop.search("demo", question)
    topics = [passage.article.split("-", 1)[1] for passage in several]
    assert len(topics) == len(set(topics)) > 1
    assert await shop.search("demo", question, limit=1) == several[:1]


async def test_what_no_article_knows_has_no_evidence(shop: Knowledge) -> None:
    known, unknown = await shop.search("demo", "退款"), await shop.search("demo", "明天的天气退烧")
    assert not unknown or unknown[0].score < 0.3 < known[0].score


@pytest.mark.parametrize("question", ["", " ", "？！…", "的了吗", "👍", "\0", "\ud800", '"', "*", "a"])
async def test_a_question_that_says_nothing_finds_nothing(shop: Knowledge, question: str) -> None:
    assert await shop.search("demo", question) == []


@pytest.mark.parametrize(
    "question",
    [
        '退款" OR tenant:other OR "',
        "退款' OR 1=1 --",
        "title_terms : 退款",
        "NEAR(退款 运费, 2)",
        "退款 AND NOT 运费",
        "退款*",
        "^退款",
        '"退款',
        "refund) OR (",
        "{title_terms asks_terms}: refund",
        "-refund + ^",
    ],
)
async def test_a_question_is_never_syntax(shop: Knowledge, question: str) -> None:
    found = await shop.search("demo", question)
    assert {"zh-refund", "en-refund"} & set(slugs(found))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.text(max_size=60) | st.text(alphabet="\"*^:(){}-+ '退款运费refundOR", max_size=60))
def test_any_phrases_make_a_query_that_fts5_takes(question: str) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE VIRTUAL TABLE f USING fts5(a, tokenize='unicode61 remove_diacritics 0')")
        # A NUL ends the query within the quotes; no token of `language.tokens` holds one.
        query = match_query([question.replace("\0", ""), "退款"])
        connection.execute("SELECT * FROM f WHERE f MATCH ?", (query,)).fetchall()


@pytest.mark.parametrize(
    "pasted",
    [
        "退款运费" * 1_000,
        "退" * 4_000,
        '"' * 4_000,
        "a" * 4_000,
        " ".join(f"word{n}" for n in range(600)),
        "😀" * 4_000,
    ],
)
async def test_a_long_paste_is_a_question_like_any_other(shop: Knowledge, pasted: str) -> None:
    assert len(await shop.search("demo", pasted)) <= 5


async def test_tenants_do_not_see_each_other(shop: Knowledge, store: Store) -> None:
    await shop.replace("other", [article("secret", "秘密配方退款", "只有我们知道。")])
    assert "secret" not in slugs(await shop.search("demo", "秘密配方退款"))
    assert slugs(await shop.search("other", "退款")) == ["secret"]
    assert await shop.search("nobody", "退款") == []
    assert await Articles(store).get("demo", "secret") is None
    await shop.delete("demo", "secret")
    await shop.replace("demo", [])
    assert slugs(await shop.search("other", "退款")) == ["secret"]


async def test_one_slug_may_stand_in_two_tenants(shop: Knowledge, store: Store) -> None:
    await shop.put("other", article("zh-fee", "运费另算", "每单五元。"))
    assert (await shop.search("other", "运费"))[0].text == "每单五元。"
    assert (await shop.search("demo", "运费"))[0].text == "满九十九元包邮。"


async def test_a_deleted_article_is_forgotten(shop: Knowledge, store: Store) -> None:
    assert await index_hits(store, "紫砂") == 1
    await shop.delete("demo", "zh-pot")
    assert await index_hits(store, "紫砂") == 0
    assert "zh-pot" not in slugs(await shop.search("demo", "紫砂壶"))
    await check_index(store)


async def test_a_replaced_article_is_found_by_its_new_words_only(shop: Knowledge, store: Store) -> None:
    await shop.search("demo", "紫砂壶")
    await shop.put("demo", article("zh-pot", "竹茶盘", "别泡水。", topic="pot"))
    assert await index_hits(store, "紫砂") == 0
    assert (await shop.search("demo", "竹茶盘"))[0].text == "别泡水。"
    assert "zh-pot" not in slugs(await shop.search("demo", "紫砂"))
    await check_index(store)


async def test_replacing_everything_leaves_nothing_behind(shop: Knowledge, store: Store) -> None:
    await shop.replace("demo", [article("only", "运费")])
    assert [found.slug for found in await Articles(store).all("demo")] == ["only"]
    assert await index_hits(store, "退款") == await index_hits(store, "refund") == 0
    await check_index(store)


async def test_a_replacement_that_fails_changes_nothing(shop: Knowledge, store: Store) -> None:
    twice = [article("new", "全新"), article("new", "全新")]
    with pytest.raises(IntegrityError):
        await shop.replace("demo", twice)
    assert len(await Articles(store).all("demo")) == len(SHOP)
    assert (await shop.search("demo", "退款"))[0].article == "zh-refund"
    assert await index_hits(store, "全新") == 0
    await check_index(store)


async def test_articles_need_their_tenant(knowledge: Knowledge) -> None:
    with pytest.raises(IntegrityError):
        await knowledge.replace("nobody", SHOP)


async def test_a_change_is_seen_by_the_next_search_however_many_ask_meanwhile(shop: Knowledge) -> None:
    async def ask() -> None:
        for _ in range(20):
            found = await shop.search("demo", "退款")
            assert found
            assert found[0].text in ("原路退回，三天到账。", "五天到账。")

    async def change() -> None:
        for body in ("五天到账。", "原路退回，三天到账。") * 5:
            await shop.put("demo", article("zh-refund", "退款多久到账", body, topic="refund"))
            assert (await shop.search("demo", "退款"))[0].text == body

    await asyncio.gather(ask(), ask(), change())


async def test_a_visitor_who_leaves_does_not_spoil_it_for_the_others(shop: Knowledge) -> None:
    leaving = asyncio.create_task(shop.search("demo", "退款"))
    staying = asyncio.create_task(shop.search("demo", "退款"))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying)[0].article == "zh-refund"
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_search_recovers_from_a_store_that_could_not_be_read(
    shop: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: Articles, *_: object) -> list[Article]:
        raise OSError("disk")

    with monkeypatch.context() as patched:
        patched.setattr(Articles, "page", broken)
        with pytest.raises(OSError, match="disk"):
            await shop.search("demo", "退款")
    assert await shop.search("demo", "退款")


async def test_topics_beyond_what_is_kept_in_memory_are_found(
    knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xiaoer_server.brain.knowledge.KEPT_TOPICS", 3)
    await knowledge.replace("demo", [article(f"tea-{n}", f"number{n:03} 茶{chr(0x4E00 + n)}山") for n in range(40)])
    for n in (0, 17, 39, 0):
        assert (await knowledge.search("demo", f"number{n:03}"))[0].article == f"tea-{n}"


async def test_searches_do_not_push_topics_out_from_under_each_other(
    knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xiaoer_server.brain.knowledge.KEPT_TOPICS", 2)
    await knowledge.replace("demo", [article(f"tea-{n}", f"number{n:03} 茶{chr(0x4E00 + n)}山") for n in range(40)])
    found = await asyncio.gather(*(knowledge.search("demo", f"number{n:03}") for n in range(40)))
    assert [slugs(passages)[:1] for passages in found] == [[f"tea-{n}"] for n in range(40)]


async def test_of_a_long_article_the_fitting_passage_is_answered(knowledge: Knowledge) -> None:
    filler = "这里说的是别的事情，与问题没有关系。" * 30
    body = f"# 总说\n\n{filler}\n\n## 发票\n\n发票在发货后寄出。\n\n## 保修\n\n{filler}"
    await knowledge.replace("demo", [article("long", "说明书", body)])
    found = await knowledge.search("demo", "发票什么时候寄出")
    assert found[0].text == "## 发票\n\n发票在发货后寄出。"


def test_passages_lose_nothing_and_keep_to_their_width() -> None:
    blocks = [f"## {n}\n\n" + "word " * 150 for n in range(6)]
    parts = passages("\n\n".join(blocks))
    assert len(parts) > 1
    assert "".join("".join(parts).split()) == "".join("".join(blocks).split())
    assert all(len(part) <= PASSAGE_WIDTH for part in parts)
    assert all(part.startswith("## ") for part in parts)
    assert passages("") == [""]
