"""Search by meaning over a real store: what is found, whose it is, what an edit and a damaged file do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from server.brain.stand_in_encoder import StandInEncoder
from xiaoer_server.brain.fusion import Calibration, Nearness, reciprocal_rank
from xiaoer_server.brain.knowledge import ANY, Knowledge
from xiaoer_server.brain.vectors import IndexRefused, VectorIndex, quantised
from xiaoer_server.infer.interface import InferError
from xiaoer_server.store.articles import Article
from xiaoer_server.store.engine import Store
from xiaoer_server.store.vectors import Vectors

SHOP = [
    Article("refund", "refund", "zh", "退款多久到账", [], "原路退回，三天到账。"),
    Article("fee", "fee", "zh", "运费怎么算", ["邮费多少"], "满九十九元包邮。"),
    Article("pot", "pot", "zh", "紫砂壶保养", [], "用清水冲洗，晾干。"),
]


@pytest.fixture
def encoder() -> StandInEncoder:
    return StandInEncoder()


@pytest.fixture
async def shop(store: Store, encoder: StandInEncoder) -> AsyncIterator[Knowledge]:
    knowledge = Knowledge(store, encoder)
    await knowledge.replace("demo", SHOP)
    await knowledge.start(["demo", "other"])
    await done(knowledge)
    yield knowledge
    await knowledge.stop()


async def done(knowledge: Knowledge, tenant: str = "demo") -> None:
    assert knowledge.meaning is not None
    await asyncio.wait_for(knowledge.meaning.until_done(tenant), 10)


async def slugs(knowledge: Knowledge, question: str, tenant: str = "demo") -> list[str]:
    return [passage.article for passage in await knowledge.compare(tenant, question, by="meaning")]


async def test_what_shares_no_word_is_found_by_meaning(shop: Knowledge) -> None:
    assert (await slugs(shop, "cash vessel? no: cash back money"))[0] == "refund"
    assert await shop.compare("demo", "cash", by="words") == []
    assert (await shop.search("demo", "cash money"))[0].article == "refund"


async def test_a_deleted_article_is_gone_from_text_vectors_and_listeners(
    shop: Knowledge, store: Store, encoder: StandInEncoder
) -> None:
    heard: list[tuple[str, set[str], list[str]]] = []
    rows = Vectors(store)
    before = len(await rows.keys("demo", encoder.version))
    shop.on_change(lambda tenant, changed: heard.append((tenant, changed, [])))
    version = shop.version("demo")
    assert await shop.delete("demo", "refund", "nothing") == ["refund"]
    assert heard == [("demo", {"refund"}, [])]
    assert shop.version("demo") == version + 1
    assert "refund" not in await slugs(shop, "cash money")
    assert len(await rows.keys("demo", encoder.version)) == before - 2
    assert shop.meaning is not None
    assert {hit.chunk for hit in await shop.meaning.search("demo", "cash money")} == {
        chunk for chunk, _ in await rows.keys("demo", encoder.version)
    }


async def test_tenants_have_vectors_of_their_own(shop: Knowledge) -> None:
    await shop.put("other", Article("secret", "secret", "zh", "秘密退款", [], "只有我们知道。"))
    await done(shop, "other")
    assert await slugs(shop, "cash money", "other") == ["secret"]
    assert "secret" not in await slugs(shop, "cash money")
    await shop.delete("demo", "secret")
    assert await slugs(shop, "cash money", "other") == ["secret"]


async def test_search_goes_on_while_the_service_is_away(shop: Knowledge, encoder: StandInEncoder) -> None:
    for kind in ("unavailable", "timeout", "busy", "invalid", "no_model"):
        encoder.fails = InferError(kind, "away")  # type: ignore[arg-type]
        assert (await shop.search("demo", "退款"))[0].article == "refund"
    encoder.fails, encoder.ready = None, False
    assert (await shop.search("demo", "退款"))[0].article == "refund"


async def test_what_came_while_the_service_was_away_is_embedded_later(
    shop: Knowledge, encoder: StandInEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xiaoer_server.brain.meaning.FIRST_PAUSE", 0.01)
    encoder.fails = InferError("busy", "later")
    await shop.put("demo", Article("kettle", "kettle", "en", "The vessel", [], "A kettle."))
    await asyncio.sleep(0.05)
    encoder.fails = None
    await done(shop)
    assert (await slugs(shop, "紫砂"))[:2] == ["pot", "kettle"] or "kettle" in await slugs(shop, "紫砂")


async def test_a_vector_that_is_no_number_leaves_its_article_to_the_words(
    shop: Knowledge, encoder: StandInEncoder, store: Store
) -> None:
    encoder.poison = "毒"
    await shop.put(
        "demo", Article("bad", "bad", "zh", "毒茶退款", [], "毒"), Article("good", "good", "zh", "钱", [], "退款")
    )
    await done(shop)
    found = await slugs(shop, "cash money")
    assert "good" in found
    assert "bad" not in found
    assert (await shop.search("demo", "毒茶"))[0].article == "bad"


async def test_nothing_is_embedded_twice_and_another_encoder_embeds_all(
    shop: Knowledge, store: Store, encoder: StandInEncoder
) -> None:
    await shop.stop()
    encoder.calls.clear()
    again = Knowledge(store, encoder)
    await again.start(["demo"])
    await done(again)
    assert encoder.calls == []
    assert (await slugs(again, "cash money"))[0] == "refund"
    await again.stop()
    other = StandInEncoder("use@other", 24)
    third = Knowledge(store, other)
    await third.start(["demo"])
    await done(third)
    assert len(other.calls) == 3 + 4
    assert (await slugs(third, "cash money"))[0] == "refund"
    await third.stop()


@pytest.mark.parametrize("harm", ["cut short", "bit", "empty", "other file", "dimension"])
async def test_a_damaged_index_is_built_again(
    shop: Knowledge, store: Store, encoder: StandInEncoder, harm: str
) -> None:
    await shop.stop()
    assert shop.meaning is not None
    path = shop.meaning.path("demo")
    data = bytearray(path.read_bytes())
    assert path.stat().st_mode & 0o777 == 0o600
    if harm == "cut short":
        del data[-20:]
    elif harm == "bit":
        data[len(data) // 2] ^= 1
    elif harm == "dimension":
        index = VectorIndex(encoder.version, 24)
        index.save(path)
        data = bytearray(path.read_bytes())
    else:
        data = bytearray() if harm == "empty" else bytearray(b"XKV1" + b"\xff" * 100)
    path.write_bytes(data)
    with pytest.raises(IndexRefused):
        VectorIndex.load(path, encoder.version, encoder.dimensions)
    encoder.calls.clear()
    again = Knowledge(store, encoder)
    await again.start(["demo"])
    await done(again)
    assert encoder.calls == []
    assert (await slugs(again, "cash money"))[0] == "refund"
    await again.stop()
    assert len(VectorIndex.load(path, encoder.version, encoder.dimensions)) == 7


async def test_rows_that_the_file_does_not_know_are_added_and_others_removed(
    shop: Knowledge, store: Store, encoder: StandInEncoder
) -> None:
    """As after a crash: the file is older than the rows."""
    await shop.stop()
    alone = Knowledge(store)
    await alone.delete("demo", "fee")
    again = Knowledge(store, encoder)
    await again.start(["demo"])
    await done(again)
    assert "fee" not in await slugs(again, "postage")
    await again.stop()


def test_an_index_keeps_what_it_is_given(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).normal(size=(200, 32)).astype(np.float32)
    index = VectorIndex("e", 32)
    index.add([(at, 0) for at in range(200)], quantised(rows))
    index.save(tmp_path / "x.vectors")
    loaded = VectorIndex.load(tmp_path / "x.vectors", "e", 32)
    for at in (0, 77, 199):
        first = loaded.search(rows[at], 3)[0]
        assert (first.chunk, first.part) == (at, 0)
        assert first.cosine > 0.999
    loaded.remove([77])
    assert 77 not in {hit.chunk for hit in loaded.search(rows[77], 200)}
    assert not list(tmp_path.glob("*.new"))
    with pytest.raises(IndexRefused, match="encoder"):
        VectorIndex.load(tmp_path / "x.vectors", "f", 32)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_what_is_no_direction_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="vector"):
        quantised(np.full((1, 8), bad, np.float32))
    index = VectorIndex("e", 8)
    with pytest.raises(ValueError, match="vector"):
        index.search(np.full(8, bad, np.float32), 1)
    with pytest.raises(ValueError, match="components"):
        index.search(np.ones(9, np.float32), 1)


def test_reciprocal_rank_and_evidence() -> None:
    assert list(reciprocal_rank((["a", "b", "c"], ["b", "c", "b"]))) == ["b", "c", "a"]
    calibration = Calibration(-45.46, 10.63, 40.34, 4.02)
    far, near = Nearness(0.8, 0.8), Nearness(0.95, 0.88)
    assert calibration.evidence(0.1, far) < 0.01 < 0.5 < calibration.evidence(0.5, near) <= 1
    assert calibration.evidence(0.9, far) > calibration.evidence(0.5, far)


async def test_fixed_answers(store: Store) -> None:
    encoder = StandInEncoder()
    knowledge = Knowledge(store, encoder)
    await knowledge.replace("demo", SHOP)
    heard: list[set[str]] = []
    knowledge.on_change(lambda _, changed: heard.append(changed))
    version = knowledge.version("demo")
    made = await knowledge.curated.put("demo", ["退款要几天？", "能退 2 次吗"], "统一答复：三天。", slug="refund")
    assert heard == [{ANY}]
    assert knowledge.version("demo") == version + 1
    for question in ("退款要几天？", "退款要几天", " 退款要几天！"):
        [passage] = await knowledge.search("demo", question)
        assert (passage.fixed, passage.text, passage.url, passage.score) == (
            True,
            "统一答复：三天。",
            "/help/demo/refund",
            1,
        )
    for question in ("退款不要几天？", "能退 3 次吗", "退款", "不能退 2 次吗"):
        assert not any(passage.fixed for passage in await knowledge.search("demo", question)), question
    assert await knowledge.search("other", "退款要几天？") == []
    encoder.can_verify = True
    encoder.sure = {("几天能退款", "退款要几天？"): 0.97}
    assert (await knowledge.search("demo", "几天能退款"))[0].fixed
    encoder.sure = {}
    assert not (await knowledge.search("demo", "几天能退款"))[0].fixed
    await knowledge.curated.delete("demo", made.id)
    assert not (await knowledge.search("demo", "退款要几天？"))[0].fixed


async def test_the_book_is_saved_and_a_stale_one_serves_until_it_is_counted_anew(store: Store) -> None:
    knowledge = Knowledge(store)
    await knowledge.replace("demo", SHOP)
    await knowledge.search("demo", "退款")
    await knowledge.stop()
    file = store.folder / "knowledge" / "demo.words"
    old = file.read_bytes()
    again = Knowledge(store)
    assert (await again.search("demo", "紫砂"))[0].article == "pot"
    await again.put("demo", Article("tea", "tea", "zh", "龙井", [], "绿茶。"))
    await again.stop()
    assert file.read_bytes() != old
    file.write_bytes(old)
    stale = Knowledge(store)
    assert (await stale.search("demo", "龙井"))[0].article == "tea"
    for _ in range(200):
        if file.read_bytes() != old:
            break
        await asyncio.sleep(0.02)
    assert file.read_bytes() != old
    await stale.stop()
    file.write_bytes(b"XKW1 nonsense")
    assert (await Knowledge(store).search("demo", "龙井"))[0].article == "tea"


async def test_edits_count_the_vocabulary_like_reading_all_of_it(store: Store) -> None:
    edited = Knowledge(store)
    await edited.put("demo", *SHOP)
    await edited.put("demo", Article("tea", "tea", "en", "Longjing", ["green"], "A green tea."))
    await edited.put("demo", Article("tea", "tea", "en", "Longjing tea", [], "Nutty."))
    await edited.delete("demo", "pot")
    question = "longjing 退款 green"
    fresh = Knowledge(store)
    assert await edited.search("demo", question) == await fresh.search("demo", question) != []
