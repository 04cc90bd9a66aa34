"""Intents of tenants: swap, rollback, deadlines, and that nobody is answered by another tenant's head."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.words_encoder import WordsInfer, train_here, vectors
from xiaoer_server.brain.intent_commands import commands
from xiaoer_server.brain.intents import Intents
from xiaoer_server.errors import BadRequest, NotFound, Unavailable
from xiaoer_server.infer import training
from xiaoer_server.infer.interface import InferError
from xiaoer_server.store.engine import Store
from xiaoer_server.store.tenants import Tenants

SHOP = {
    "refund": ["refund my money", "money back refund", "I want a refund", "refund refund please", "refund the money"],
    "parcel": ["where is my parcel", "parcel where", "my parcel is late", "the parcel please", "track my parcel"],
    "invoice": ["invoice for tax", "need an invoice", "send the invoice", "tax invoice", "invoice please invoice"],
    "coupon": ["coupon code", "use a coupon", "coupon expired coupon", "which coupon", "coupon discount code"],
}
BANK = {
    "card": ["block my card", "card stolen card", "new card", "my card is gone", "card card please"],
    "loan": ["a loan for me", "loan rates", "what loan", "loan loan money", "get a loan"],
}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(tmp_path / "data")
    for tenant in ("shop", "bank"):
        await Tenants(store).ensure(tenant, name=tenant)
    yield store
    await store.close()


@pytest.fixture(autouse=True)
def trained_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process: that training has one of its own is tested once, below."""
    monkeypatch.setattr("xiaoer_server.infer.train_process.run", train_here)


@pytest.fixture
def infer() -> WordsInfer:
    return WordsInfer()


@pytest.fixture
def intents(store: Store, infer: WordsInfer) -> Intents:
    return Intents(store, infer, threshold=0.3, deadline=1.0, keep=3)


async def said(intents: Intents, tenant: str, text: str) -> str | None:
    found = await intents.recognise(tenant, text)
    return found.intent if found else "nobody"


async def test_from_examples_to_an_intent(intents: Intents) -> None:
    assert await said(intents, "shop", "refund") == "nobody"
    await intents.put("shop", SHOP)
    version = await intents.train("shop")
    assert (version.version, version.in_use, version.intents, version.examples) == (1, True, 4, 20)
    found = await intents.recognise("shop", "my parcel is where")
    assert found is not None
    assert (found.intent, found.version) == ("parcel", "1")
    assert found.probability >= max(chance for _, chance in found.alternatives)


async def test_what_is_out_of_scope_has_no_intent(store: Store, infer: WordsInfer, intents: Intents) -> None:
    await intents.put("shop", SHOP)
    await intents.train("shop")
    asked, other = [await intents.recognise("shop", text) for text in ("where is my parcel", "zq xj wv kkk")]
    assert asked is not None
    assert other is not None
    assert asked.inside > other.inside
    strict = Intents(store, infer, threshold=(asked.inside + other.inside) / 2)
    await strict.load(["shop"])
    assert await said(strict, "shop", "where is my parcel") == "parcel"
    found = await strict.recognise("shop", "zq xj wv kkk")
    assert found is not None
    assert found.intent is None
    assert found.probability == other.probability


async def test_one_tenant_never_sees_the_others(store: Store, infer: WordsInfer, intents: Intents) -> None:
    await intents.put("shop", SHOP)
    await intents.train("shop")
    assert await intents.recognise("bank", "where is my parcel") is None, "it has none, and gets none"
    await intents.put("bank", BANK)
    await intents.train("bank")
    for text in [*SHOP["refund"], *BANK["card"]]:
        for tenant, own in (("shop", SHOP), ("bank", BANK)):
            found = await intents.recognise(tenant, text)
            assert found is not None
            named = {found.intent, *(intent for intent, _ in found.alternatives)} - {None}
            assert named <= own.keys()
    assert (await intents.examples("bank")).keys() == BANK.keys()
    assert len(await intents.versions("bank")) == 1
    with pytest.raises(NotFound):
        await intents.rollback("bank", 2)
    await intents.put("bank", {}, only=True)
    assert (await intents.examples("shop")).keys() == SHOP.keys()
    # Another process on the same store has the same heads.
    again = Intents(store, infer)
    await again.load(["shop", "bank"])
    assert await said(again, "shop", "track my parcel") == "parcel"
    assert await said(again, "bank", "card stolen") == "card"


async def test_versions_swap_under_calls_and_roll_back(intents: Intents, infer: WordsInfer) -> None:
    await intents.put("shop", SHOP)
    await intents.train("shop")
    renamed = {f"{intent}.new": texts for intent, texts in SHOP.items()}
    stop = asyncio.Event()
    wrong: list[object] = []
    seen: set[str] = set()

    async def caller() -> None:
        while not stop.is_set():
            found = await intents.recognise("shop", "where is my parcel")
            if found is None:
                wrong.append("nobody")
                continue
            seen.add(found.version)
            wanted = "parcel" if found.version in ("1", "3") else "parcel.new"
            if found.intent != wanted:
                wrong.append(found)

    infer.delay = 0.001
    callers = [asyncio.create_task(caller()) for _ in range(8)]
    await intents.put("shop", renamed, only=True)
    await intents.train("shop")
    await asyncio.sleep(0.02)
    for version in (1, 2, 1, 2, 1):
        await intents.rollback("shop", version)
        await asyncio.sleep(0.02)
    stop.set()
    await asyncio.gather(*callers)
    assert wrong == []
    assert seen == {"1", "2"}
    assert [version.in_use for version in await intents.versions("shop")] == [True, False]
    assert len(infer.heads) <= 2


async def test_old_versions_go_and_the_one_in_use_stays(intents: Intents, store: Store) -> None:
    await intents.put("shop", SHOP)
    for _ in range(4):
        await intents.train("shop")
    assert [version.version for version in await intents.versions("shop")] == [2, 3, 4]
    await intents.rollback("shop", 2)
    await intents.train("shop")
    assert [(version.version, version.in_use) for version in await intents.versions("shop")] == [
        (3, False),
        (4, False),
        (5, True),
    ]
    with pytest.raises(NotFound):
        await intents.rollback("shop", 2)


async def test_a_head_of_another_encoder_is_not_used(intents: Intents, infer: WordsInfer) -> None:
    await intents.put("shop", SHOP)
    await intents.train("shop")
    infer.version = "words@2"
    assert await said(intents, "shop", "track my parcel") == "nobody"
    assert infer.asked == [], "it was not even tried"
    with pytest.raises(BadRequest, match=r"Version 1 cannot be used: .* words@1, and this is words@2"):
        await intents.rollback("shop", 1)
    await intents.train("shop")
    assert await said(intents, "shop", "track my parcel") == "parcel"


async def test_it_never_raises_and_never_hangs(intents: Intents, infer: WordsInfer) -> None:
    await intents.put("shop", SHOP)
    await intents.train("shop")
    for error in (InferError("unavailable", "x"), InferError("timeout", "x"), OSError("x"), ValueError("x")):
        infer.fails = error
        assert await said(intents, "shop", "parcel") == "nobody"
    infer.fails = None
    infer.poison = True
    assert await said(intents, "shop", "parcel") == "nobody", "vectors that are not finite"
    infer.poison = False
    infer.delay = 30
    began = time.monotonic()
    assert await said(intents, "shop", "parcel") == "nobody"
    assert time.monotonic() - began < 2
    infer.delay = 0
    infer.ready = False
    assert await said(intents, "shop", "parcel") == "nobody"
    infer.ready = True
    assert await said(intents, "shop", "   ") == "nobody"
    assert await said(intents, "shop", "parcel " * 200_000) == "parcel"


async def test_what_cannot_be_trained(intents: Intents, infer: WordsInfer) -> None:
    with pytest.raises(BadRequest, match="there are 0 intents"):
        await intents.train("shop")
    await intents.put("shop", {"a": ["one"], "b": SHOP["refund"]})
    with pytest.raises(BadRequest, match=r"too few have: a \(1\)"):
        await intents.train("shop")
    with pytest.raises(BadRequest, match=r"is an example of [ab] already"):
        await intents.put("shop", {"a": [SHOP["refund"][0].upper()]})
    await intents.put("shop", SHOP, only=True)
    infer.fails = InferError("unavailable", "nobody answers")
    with pytest.raises(Unavailable, match="nobody answers"):
        await intents.train("shop")
    infer.fails = None
    both = await asyncio.gather(intents.train("shop"), intents.train("shop"), return_exceptions=True)
    assert sorted(type(one).__name__ for one in both) == ["Unavailable", "Version"]


async def test_a_damaged_head_is_left_out(intents: Intents, store: Store, infer: WordsInfer) -> None:
    await intents.put("shop", SHOP)
    await intents.train("shop")
    from sqlalchemy import update

    from xiaoer_server.store.intents import intent_versions

    await store.writer.run(update(intent_versions).values(head=b"XIAOERH\x01garbage"), {})
    again = Intents(store, infer)
    await again.load(["shop"])
    assert await said(again, "shop", "parcel") == "nobody"
    with pytest.raises(BadRequest, match="damaged"):
        await again.rollback("shop", 1)


async def test_evaluation_on_a_file(intents: Intents, tmp_path: Path) -> None:
    command = commands(intents)
    file = tmp_path / "x.txt"
    file.write_text("".join(f"[{intent}]\n" + "\n".join(texts) + "\n" for intent, texts in SHOP.items()))
    with pytest.raises(NotFound, match="train first"):
        await command["intents.eval"]({"tenant": "shop", "file": str(file)})
    assert await command["intents.import"]({"tenant": "shop", "file": str(file)}) == {"intents": 4, "examples": 20}
    await command["intents.train"]({"tenant": "shop"})
    file.write_text(file.read_text() + "[oos]\nzq xj\nwv kk jj\n")
    report = await command["intents.eval"]({"tenant": "shop", "file": str(file)})
    assert report["accuracy"] == 1.0
    assert report["outside"] == 2
    assert report["auroc"] > 0.9
    with pytest.raises(BadRequest, match=r"x\.txt: line 1"):
        file.write_text("oops\n")
        await command["intents.import"]({"tenant": "shop", "file": str(file)})
    with pytest.raises(BadRequest, match="cannot be read"):
        await command["intents.import"]({"tenant": "shop", "file": str(tmp_path / "none")})


async def test_training_runs_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    from xiaoer_server.infer import train_process
    from xiaoer_server.infer.head import Head

    texts = [text for found in SHOP.values() for text in found]
    labels = [intent for intent, found in SHOP.items() for _ in found]
    lines: list[str] = []
    report, content = await train_process.run("train", vectors(texts), labels, encoder="w", progress=lines.append)
    assert report["intents"] == 4
    assert Head.load(content, encoder="w").header.labels == sorted(SHOP)
    assert any("training on 20 examples" in line for line in lines)
    with pytest.raises(training.TrainingError, match="at least 4 examples"):
        await train_process.run("train", vectors(texts[:6]), labels[:6], encoder="w")
