"""What is kept of questions that nobody could answer: groups, and nothing that is somebody's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from xiaoer_server.brain import unanswered as module
from xiaoer_server.brain.unanswered import Unanswered, mask
from xiaoer_server.store.engine import Store
from xiaoer_server.store.tenants import Tenants


@pytest.mark.parametrize(
    ("question", "kept"),
    [
        ("你们有实体店吗", "你们有实体店吗"),
        ("订单 20261123998 到哪了", "订单 # 到哪了"),
        ("Is order AB12-34567 on its way?", "Is order AB#-# on its way?"),
        ("mail a.b@c.example please", "mail # please"),
        ("see https://x.example/u?id=9 ok", "see # ok"),
        ("电话一三八零零一三八零零零打不通", "电话#打不通"),
        ("我叫王小明，能送货吗", None),
        ("我的电话是13800138000", None),
        ("我住在上海", None),
        ("My name is Ann, can I return it?", None),
        ("my address is 5 Elm Street", None),
        ("x" * 121, None),
        ("12345", None),
        ("", None),
    ],
)
def test_nothing_personal_is_kept(question: str, kept: str | None) -> None:
    assert mask(question) == kept


async def test_the_same_question_is_one_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await Store.open(tmp_path)
    for tenant in ("demo", "other"):
        await Tenants(store).ensure(tenant, name=tenant)
    found = Unanswered(store)
    for question in (
        "你们有实体店吗",
        "你们有实体店吗？",
        "你们有没有实体店",
        "Do you sell coffee?",
        "do you sell coffee",
    ):
        assert await found.note("demo", question)
    assert not await found.note("demo", "我叫王小明")
    assert [(group.question, group.count) for group in await Unanswered(store).all("demo")] == [
        ("你们有实体店吗", 3),
        ("Do you sell coffee?", 2),
    ]
    assert await found.all("other") == []
    assert not await found.note("nobody", "Do you sell coffee?"), "there is no such tenant"
    monkeypatch.setattr(module, "MOST", 2)
    assert await found.note("demo", "Where is the moon?")
    assert [group.question for group in await found.all("demo")] == ["你们有实体店吗", "Where is the moon?"]
    [first, _] = await found.all("demo")
    await found.delete("other", first.id)
    assert len(await found.all("demo")) == 2
    await found.delete("demo", first.id)
    assert len(await found.all("demo")) == 1
    await store.close()
