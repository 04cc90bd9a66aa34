"""The cache of answers: what is kept, what is found, what ends it, and what never comes out of it."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

import numpy as np
import pytest

from support.meaning import DIMENSIONS, FakeMeaning, ask
from xiaoer_server.brain import cache_file
from xiaoer_server.brain.cached import words_id
from xiaoer_server.brain.semantic_cache import FALLBACK_THRESHOLD, SemanticCache
from xiaoer_server.brain.source import Source

ANSWER = "七天内可以退货。"
#: Near to each other, and no guard objects.
KEPT, ALIKE = "茶叶怎么退货呢你们", "你们茶叶怎么退货"
KEPT = "你们的茶叶怎么退货"


@pytest.fixture
def meaning() -> FakeMeaning:
    return FakeMeaning()


def make(folder: Path, meaning: FakeMeaning | None, **options: object) -> SemanticCache:
    values: dict[str, object] = {"max_bytes": 1_000_000, "deadline": 1.0} | options
    return SemanticCache(meaning, folder=folder, **values)  # type: ignore[arg-type]


@pytest.fixture
def cache(tmp_path: Path, meaning: FakeMeaning) -> SemanticCache:
    return make(tmp_path, meaning)


async def keep(cache: SemanticCache, text: str = KEPT, answer: str = ANSWER, **fields: object) -> None:
    assert await cache.offer(ask(text, **fields), answer, [Source("退货", "/help/demo/returns")], {"returns"})


# -- hits -----------------------------------------------------------------------------------------------------


async def test_exact_hit_whatever_the_writing(cache: SemanticCache, meaning: FakeMeaning) -> None:
    await keep(cache)
    meaning.ready = False
    for text in (KEPT, f" {KEPT}？ ", f"{KEPT}!!"):
        found = cache.exact(ask(text))
        assert found is not None
        assert (found.text, found.sources) == (ANSWER, [Source("退货", "/help/demo/returns")])
    assert cache.exact(ask("你们的茶叶怎么换货")) is None
    assert cache.counts.exact == 3


async def test_exact_hit_takes_microseconds(cache: SemanticCache) -> None:
    for number in range(300):
        await cache.offer(ask(f"茶叶编号{number}怎么保存"), ANSWER)
    await keep(cache)
    asked = ask(KEPT)
    best = 1.0
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(200):
            assert cache.exact(asked) is not None
        best = min(best, (time.perf_counter() - began) / 200)
    assert best < 0.0005


async def test_hit_by_meaning(cache: SemanticCache, meaning: FakeMeaning) -> None:
    await keep(cache)
    assert cache.exact(ask(ALIKE)) is None
    found = await cache.near(ask(ALIKE))
    assert found is not None
    assert (found.text, found.question, found.probability) == (ANSWER, KEPT, 0.99)
    assert meaning.verified == [(ALIKE, KEPT)]


async def test_a_guard_says_no_before_the_verifier_is_asked(cache: SemanticCache, meaning: FakeMeaning) -> None:
    await keep(cache)
    for text in ("你们的茶叶怎么换货", "你们的茶叶7天怎么退货", "你们的茶叶怎么退不了货", "为什么你们的茶叶怎么退货"):
        assert await cache.near(ask(text)) is None
    assert not meaning.verified
    assert set(cache.counts.objected) == {"action", "number", "negation", "aspect"}


async def test_the_verifier_decides(cache: SemanticCache, meaning: FakeMeaning) -> None:
    await keep(cache)
    for sure, hit in ((FALLBACK_THRESHOLD, True), (FALLBACK_THRESHOLD - 0.001, False), (float("nan"), False)):
        meaning.pairs[ALIKE, KEPT] = sure
        assert (await cache.near(ask(ALIKE)) is not None) is hit


async def test_the_second_nearest_may_be_the_one(cache: SemanticCache, meaning: FakeMeaning) -> None:
    await keep(cache)
    await keep(cache, "你们茶叶要怎么退货", "the other")
    meaning.pairs[ALIKE, KEPT] = 0.1
    found = await cache.near(ask(ALIKE))
    assert found is not None
    assert (found.text, len(meaning.verified)) == ("the other", 2)


async def test_the_threshold_is_the_settings_or_the_verifiers(tmp_path: Path, meaning: FakeMeaning) -> None:
    assert make(tmp_path, meaning).threshold == FALLBACK_THRESHOLD
    meaning.verify_threshold = lambda target: 1 - target  # type: ignore[attr-defined]
    assert make(tmp_path, meaning, wrong_hit_target=0.01).threshold == 0.99
    assert make(tmp_path, meaning, threshold=0.7).threshold == 0.7


async def test_without_a_verifier_nothing_is_near(cache: SemanticCache, meaning: FakeMeaning) -> None:
    await keep(cache)
    meaning.can_verify = False
    assert await cache.near(ask(ALIKE)) is None
    assert cache.exact(ask(KEPT)) is not None


@pytest.mark.parametrize(
    ("field", "value"),
    [("tenant", "other"), ("language", "en"), ("model", "m2"), ("policy", "p2")],
)
async def test_nothing_comes_from_another_space(
    cache: SemanticCache, meaning: FakeMeaning, field: str, value: str
) -> None:
    meaning.sure = 1.0
    await keep(cache)
    asked = ask(KEPT, **{field: value})
    assert cache.exact(asked) is None
    assert await cache.near(asked) is None
    assert not meaning.verified
    await cache.offer(asked, "theirs")
    assert [found.text for found in (cache.exact(asked), cache.exact(ask(KEPT))) if found] == ["theirs", ANSWER]


# -- what is kept ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", [{"flow": True}, {"opening": False}, {"masked": True}, {"attachments": True}])
async def test_only_a_general_opening_question_is_kept(cache: SemanticCache, fields: dict[str, bool]) -> None:
    assert not await cache.offer(ask(KEPT, **fields), ANSWER)
    assert len(cache) == 0


async def test_a_standalone_question_later_in_a_conversation_is_answered(cache: SemanticCache) -> None:
    await keep(cache)
    assert cache.exact(ask(KEPT, opening=False)) is not None
    for fields in ({"flow": True}, {"masked": True}, {"attachments": True}):
        assert cache.exact(ask(KEPT, **fields)) is None
        assert await cache.near(ask(ALIKE, **fields)) is None


@pytest.mark.parametrize("text", ["那个呢", "我的订单12345678到哪了", "今天几点关门", "多少钱", "what about that one"])
async def test_a_question_that_is_not_general_is_neither_kept_nor_looked_for(
    cache: SemanticCache, meaning: FakeMeaning, text: str
) -> None:
    assert not await cache.offer(ask(text), ANSWER)
    assert await cache.near(ask(text)) is None
    assert not meaning.embedded


@pytest.mark.parametrize("answer", ["", "x" * 5000, "请致电 13800138000", "您的订单已发货", "写信到 a@b.com"])
async def test_an_answer_with_personal_data_is_not_kept(cache: SemanticCache, answer: str) -> None:
    assert not await cache.offer(ask(KEPT), answer)


async def test_a_megabyte_costs_nothing(cache: SemanticCache, meaning: FakeMeaning) -> None:
    paste = ask("怎么退货" * 250_000)
    began = time.perf_counter()
    assert cache.exact(paste) is None
    assert await cache.near(paste) is None
    assert not await cache.offer(paste, ANSWER)
    assert not await cache.dislike("demo", paste.text)
    assert time.perf_counter() - began < 0.02
    assert not meaning.embedded


# -- bounds ---------------------------------------------------------------------------------------------------


async def test_memory_is_bounded_and_the_least_used_goes(tmp_path: Path, meaning: FakeMeaning) -> None:
    cache = make(tmp_path, meaning, max_bytes=40_000)
    await keep(cache)
    for number in range(200):
        await cache.offer(ask(f"第{number}号茶叶怎么保存才好"), ANSWER * 5)
        assert cache.exact(ask(KEPT)) is not None
        assert cache.bytes <= 40_000
    assert 5 < len(cache) < 40
    assert cache.exact(ask("第3号茶叶怎么保存才好")) is None
    assert cache.exact(ask("第199号茶叶怎么保存才好")) is not None
    cache.clear()
    assert (len(cache), cache.bytes) == (0, 0)


async def test_a_busy_tenant_does_not_push_out_another(tmp_path: Path, meaning: FakeMeaning) -> None:
    cache = make(tmp_path, meaning, max_bytes=40_000)
    await cache.offer(ask(KEPT, tenant="quiet"), ANSWER)
    for number in range(200):
        await cache.offer(ask(f"第{number}号茶叶怎么保存才好", tenant="busy"), ANSWER)
    assert cache.exact(ask(KEPT, tenant="quiet")) is not None


async def test_no_memory_keeps_nothing(tmp_path: Path, meaning: FakeMeaning) -> None:
    cache = make(tmp_path, meaning, max_bytes=0)
    assert not await cache.offer(ask(KEPT), ANSWER)
    assert cache.exact(ask(KEPT)) is None
    assert await cache.near(ask(ALIKE)) is None


async def test_the_accounted_memory_is_the_memory(tmp_path: Path) -> None:
    import tracemalloc

    cache = make(tmp_path, FakeMeaning(), max_bytes=1 << 30)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(400):
        await cache.offer(
            ask(f"编号{number}的茶叶怎么保存才好", tenant=f"t{number % 3}"),
            f"放在阴凉处，第{number}种。" * 10,
            [Source(f"保存 {number}", f"/help/demo/{number}")],
            {f"slug-{number}"},
        )
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert 0.8 * used < cache.bytes < 2.0 * used


async def test_an_answer_grows_old(tmp_path: Path, meaning: FakeMeaning) -> None:
    now = [1000.0]
    cache = make(tmp_path, meaning, lifetime=60.0, clock=lambda: now[0])
    await keep(cache)
    now[0] += 59
    assert cache.exact(ask(KEPT)) is not None
    now[0] += 2
    assert await cache.near(ask(ALIKE)) is None
    assert cache.exact(ask(KEPT)) is None
    assert len(cache) == 0


# -- knowledge ------------------------------------------------------------------------------------------------


async def test_an_edit_takes_its_answers_with_it(cache: SemanticCache) -> None:
    await keep(cache)
    await cache.offer(ask("绿茶怎么冲泡"), "八十度水。", None, {"brewing"})
    await cache.offer(ask("你们有几家门店"), "三家。", None, ())
    await cache.offer(ask(KEPT, tenant="other"), "other", None, {"returns"})
    cache.changed("demo", {"returns"}, 2)
    assert cache.exact(ask(KEPT, knowledge_version=2)) is None
    assert await cache.near(ask(ALIKE, knowledge_version=2)) is None
    assert await cache.near(ask("你们有几家门店", knowledge_version=2)) is None
    # What the edit did not touch is given again once it has been looked at.
    assert cache.exact(ask("绿茶怎么冲泡", knowledge_version=2)) is None
    assert await cache.near(ask("绿茶怎么冲泡", knowledge_version=2)) is not None
    assert cache.exact(ask("绿茶怎么冲泡", knowledge_version=2)) is not None
    assert cache.exact(ask(KEPT, tenant="other")) is not None
    cache.changed("demo", {"*"}, 3)
    assert await cache.near(ask("绿茶怎么冲泡", knowledge_version=3)) is None


async def test_a_new_article_that_answers_better_ends_an_answer(tmp_path: Path, meaning: FakeMeaning) -> None:
    leads_to = {"returns"}

    async def standing(tenant: str, question: str) -> set[str]:
        assert (tenant, question) == ("demo", KEPT)
        return leads_to

    cache = make(tmp_path, meaning, standing=standing)
    await keep(cache)
    cache.changed("demo", {"tea-care"}, 2)
    found = await cache.near(ask(ALIKE, knowledge_version=2))
    assert found is not None
    cache.changed("demo", {"returns-of-tea"}, 3)
    leads_to = {"returns-of-tea", "returns"}
    assert await cache.near(ask(ALIKE, knowledge_version=3)) is None
    assert len(cache) == 0


async def test_another_version_is_no_hit_even_without_word_of_the_edit(cache: SemanticCache) -> None:
    await keep(cache)
    assert cache.exact(ask(KEPT, knowledge_version=2)) is None
    assert len(cache) == 0


async def test_an_answer_that_an_edit_overtook_is_not_kept(cache: SemanticCache, meaning: FakeMeaning) -> None:
    cache.changed("demo", {"returns"}, 2)
    assert not await cache.offer(ask(KEPT), ANSWER, None, {"returns"})
    meaning.slow = 0.05
    offered = asyncio.create_task(cache.offer(ask(KEPT, knowledge_version=2), ANSWER, None, {"returns"}))
    await asyncio.sleep(0.01)
    cache.changed("demo", {"returns"}, 3)
    assert not await offered


# -- thumbs ---------------------------------------------------------------------------------------------------


async def test_a_thumbs_down_evicts_and_is_remembered(tmp_path: Path, meaning: FakeMeaning) -> None:
    stored: list[tuple[str, str, str, int]] = []

    async def remember(tenant: str, asked: str, entry: str, version: int) -> None:
        stored.append((tenant, asked, entry, version))

    cache = make(tmp_path, meaning, remember=remember)
    await keep(cache)
    found = await cache.near(ask(ALIKE))
    assert found is not None
    assert await cache.dislike("demo", ALIKE, found.id)
    assert len(cache) == 0
    await keep(cache)
    assert await cache.near(ask(ALIKE)) is None
    assert cache.exact(ask(KEPT)) is not None
    # After a restart, too; and for this tenant alone.
    again = make(tmp_path, meaning)
    again.never(stored)
    await keep(again)
    await keep(again, tenant="other")
    assert await again.near(ask(ALIKE)) is None
    assert await again.near(ask(ALIKE, tenant="other")) is not None


async def test_a_disliked_answer_of_the_model_is_not_kept_until_the_knowledge_changes(cache: SemanticCache) -> None:
    await keep(cache)
    assert await cache.dislike("demo", KEPT)
    assert cache.exact(ask(KEPT)) is None
    cache.changed("demo", set(), 1)
    assert not await cache.offer(ask(KEPT), ANSWER)
    cache.changed("demo", {"returns"}, 2)
    assert await cache.offer(ask(KEPT, knowledge_version=2), ANSWER)


async def test_a_store_that_fails_does_not_reach_the_chat(
    tmp_path: Path, meaning: FakeMeaning, caplog: pytest.LogCaptureFixture
) -> None:
    async def remember(*_: object) -> None:
        raise OSError("full")

    cache = make(tmp_path, meaning, remember=remember)
    await keep(cache)
    assert await cache.dislike("demo", ALIKE, words_id(KEPT))
    assert "thumbs-down" in caplog.text
    await keep(cache)
    assert await cache.near(ask(ALIKE)) is None


# -- the service ----------------------------------------------------------------------------------------------


async def test_the_service_away_or_slow_or_mad(cache: SemanticCache, meaning: FakeMeaning) -> None:
    await keep(cache)
    meaning.ready = False
    assert await cache.near(ask(ALIKE)) is None
    meaning.ready = True
    meaning.broken = RuntimeError("gone")
    assert await cache.near(ask(ALIKE)) is None
    meaning.broken = None
    for poison in (np.full(DIMENSIONS, np.nan, np.float32), np.zeros(DIMENSIONS, np.float32), np.ones(8, np.float32)):
        meaning.poison = poison
        assert await cache.near(ask(ALIKE)) is None
    meaning.poison = None
    assert await cache.near(ask(ALIKE)) is not None


async def test_the_deadline_holds(tmp_path: Path, meaning: FakeMeaning) -> None:
    cache = make(tmp_path, meaning, deadline=0.05)
    await keep(cache)
    meaning.slow = 5.0
    began = time.perf_counter()
    assert await cache.near(ask(ALIKE)) is None
    assert await cache.offer(ask("绿茶怎么冲泡"), ANSWER)  # kept, by its words alone
    assert time.perf_counter() - began < 1.0
    assert cache.exact(ask("绿茶怎么冲泡")) is not None


async def test_what_came_while_the_service_was_away_is_embedded_later(
    cache: SemanticCache, meaning: FakeMeaning
) -> None:
    meaning.ready = False
    await keep(cache)
    meaning.ready = True
    assert await cache.near(ask(ALIKE)) is None
    await asyncio.sleep(0.01)
    assert await cache.near(ask(ALIKE)) is not None
    await cache.close()


async def test_another_encoder_embeds_anew(cache: SemanticCache, meaning: FakeMeaning) -> None:
    await keep(cache)
    meaning.version = "fake@2"
    assert await cache.near(ask(ALIKE)) is None
    await asyncio.sleep(0.01)
    found = await cache.near(ask(ALIKE))
    assert found is not None
    assert meaning.embedded.count(KEPT) == 2
    await cache.close()


async def test_an_entry_that_goes_while_the_verifier_thinks_is_no_hit(cache: SemanticCache) -> None:
    class Thinking(FakeMeaning):
        async def verify(self, pairs: object, *, deadline: float | None = None) -> list[float]:
            cache.changed("demo", {"returns"}, 2)
            return [1.0]

    cache._infer = Thinking()
    await keep(cache)
    assert await cache.near(ask(ALIKE)) is None


# -- on disk --------------------------------------------------------------------------------------------------


async def test_saved_and_restored(tmp_path: Path, meaning: FakeMeaning) -> None:
    cache = make(tmp_path, meaning)
    await keep(cache)
    await keep(cache, tenant="gone")
    await cache.offer(ask(KEPT, tenant="edited"), "old")
    await cache.save()
    again = make(tmp_path, meaning)
    assert again.load({"demo": 1, "edited": 2}) == 1
    meaning.embedded.clear()
    found = await again.near(ask(ALIKE))
    assert found is not None
    assert (found.text, found.sources) == (ANSWER, [Source("退货", "/help/demo/returns")])
    assert meaning.embedded == [ALIKE]
    again.changed("demo", {"returns"}, 2)
    assert len(again) == 0
    assert (tmp_path / cache_file.NAME).stat().st_mode & 0o077 == 0


async def test_a_clock_put_back_does_not_lengthen_a_life(tmp_path: Path, meaning: FakeMeaning) -> None:
    now = [1000.0]
    cache = make(tmp_path, meaning, lifetime=60.0, clock=lambda: now[0])
    await keep(cache)
    await cache.save()
    now[0] += 61
    assert make(tmp_path, meaning, lifetime=60.0, clock=lambda: now[0]).load({"demo": 1}) == 0
    now[0] = 10.0
    again = make(tmp_path, meaning, lifetime=60.0, clock=lambda: now[0])
    assert again.load({"demo": 1}) == 1
    now[0] += 61
    assert again.exact(ask(KEPT)) is None


@pytest.mark.parametrize("damage", ["cut", "flip", "magic", "empty", "form", "huge"])
async def test_a_damaged_file_is_an_empty_cache_and_a_line_in_the_log(
    tmp_path: Path, meaning: FakeMeaning, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    cache = make(tmp_path, meaning)
    await keep(cache)
    await cache.save()
    path = tmp_path / cache_file.NAME
    data = bytearray(path.read_bytes())
    if damage == "cut":
        data = data[:-10]
    elif damage == "flip":
        data[-20] ^= 1
    elif damage == "magic":
        data[0] ^= 1
    elif damage == "empty":
        data = bytearray()
    elif damage == "huge":
        data += bytes(5_000_000)
    else:
        import hashlib

        body = b"\x81\x01\x02"
        data = bytearray(cache_file.MAGIC + hashlib.blake2b(body, digest_size=32).digest() + body)
    path.write_bytes(data)
    with caplog.at_level(logging.WARNING):
        assert make(tmp_path, meaning).load({"demo": 1}) == 0
    assert cache_file.NAME in caplog.text


async def test_a_save_that_fails_leaves_the_old_file(
    tmp_path: Path, meaning: FakeMeaning, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = make(tmp_path, meaning)
    await keep(cache)
    await cache.save()
    await keep(cache, "绿茶怎么冲泡")

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("xiaoer_server.brain.cache_file.os.replace", full)
    with pytest.raises(OSError, match="no space"):
        await cache.save()
    monkeypatch.undo()
    assert make(tmp_path, meaning).load({"demo": 1}) == 1
    assert [path.name for path in tmp_path.iterdir()] == [cache_file.NAME]


async def test_statistics_and_clear(cache: SemanticCache) -> None:
    await keep(cache)
    await keep(cache, tenant="other")
    found = cache.statistics()
    assert found["entries"] == 2
    assert found["by_meaning"] is True
    assert set(found["tenants"]) == {"demo", "other"}  # type: ignore[call-overload]
    assert cache.clear("other") == 1
    assert cache.exact(ask(KEPT, tenant="other")) is None
    assert cache.exact(ask(KEPT)) is not None
    assert cache.clear() == 1
