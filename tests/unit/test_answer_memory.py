"""What is kept of the model's answers, for whom, and for how long."""

from __future__ import annotations

import pytest

from xiaoer_server.brain.answer_memory import LONGEST_ANSWER, LONGEST_QUESTION, AnswerMemory
from xiaoer_server.brain.source import Source


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def said(memory: AnswerMemory, question: str, tenant: str = "a", grounds: str = "rules") -> str | None:
    found = memory.find(tenant, question, grounds)
    return None if found is None else found.text


def test_the_same_words_find_the_answer_however_they_are_written() -> None:
    memory = AnswerMemory()
    source = Source("Returns", "/help/returns")
    assert memory.remember("a", "How do I return tea?", "rules", "In its box.", [source])
    for question in ("how do i  return TEA", " How do I return tea?!\n", "Ｈｏｗ do I return tea？"):
        found = memory.find("a", question, "rules")
        assert found is not None, question
        assert (found.text, found.sources) == ("In its box.", [source])
    for question in ("How do I return teas?", "Do I return how tea?", "return tea", ""):
        assert said(memory, question) is None


def test_nobody_hears_another_tenants_answer_nor_one_on_other_grounds() -> None:
    memory = AnswerMemory()
    memory.remember("a", "怎么退货？", "rules", "装回盒子里。")
    assert said(memory, "怎么退货", tenant="b") is None
    assert said(memory, "怎么退货") == "装回盒子里。"
    assert said(memory, "怎么退货", grounds="rules and a new article") is None
    assert said(memory, "怎么退货") is None, "an answer on grounds that are gone was kept"


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Where is order 1234?", "On its way."),
        ("订单１２３４在哪", "在路上。"),
        ("我的电话是一三八零零", "好的。"),
        ("Write to ann@example.org please", "Gladly."),
        ("My name is Ann, how do I return tea?", "Dear Ann, in its box."),
        ("我叫王小明，怎么退货", "王先生您好。"),
        ("see https://example.org/me", "I see."),
        ("How much is it?", "It is 20 yuan."),
        ("What does it look like?", "![so](/cup.png)"),
        ("Who are you?", "Write to shop@example.org."),
        ("???", "What?"),
        ("", "What?"),
        ("a" * (LONGEST_QUESTION + 1), "Yes."),
        ("Tell me all", "a" * (LONGEST_ANSWER + 1)),
        ("Say nothing", ""),
    ],
)
def test_what_may_be_somebodys_own_is_not_kept(question: str, answer: str) -> None:
    memory = AnswerMemory()
    assert not memory.remember("a", question, "rules", answer)
    assert said(memory, question) is None


def test_it_is_bounded_for_each_tenant_and_forgets_what_was_not_asked_for_longest() -> None:
    memory = AnswerMemory(most=2)
    memory.remember("other", "old", "rules", "kept")
    for question in ("one", "two"):
        memory.remember("a", question, "rules", question)
    assert said(memory, "one") == "one"
    memory.remember("a", "three", "rules", "three")
    assert [said(memory, question) for question in ("one", "two", "three")] == ["one", None, "three"]
    assert said(memory, "old", tenant="other") == "kept"


def test_an_answer_grows_old_and_a_newer_one_takes_its_place() -> None:
    clock = Clock()
    memory = AnswerMemory(lifetime=10, clock=clock)
    memory.remember("a", "one", "rules", "first")
    clock.now += 9
    memory.remember("a", "one", "rules", "second")
    clock.now += 9
    assert said(memory, "one") == "second"
    clock.now += 1
    assert said(memory, "one") is None
