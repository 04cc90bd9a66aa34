"""What the built-in answerer says, and that it says nothing that no article says."""

import pytest

from xiaoer_server.brain.answerer import FOREIGN_LEAD, GREETING, THANKS, UNKNOWN, Answer, compose
from xiaoer_server.brain.knowledge import Passage
from xiaoer_server.brain.language import Language
from xiaoer_server.chat.entries import Source


def passage(score: float, lang: Language = "zh", slug: str = "a", text: str = "三天内到账。") -> Passage:
    return Passage(slug, f"标题 {slug}", f"/help/demo/{slug}", lang, text, score)


def test_a_confident_answer_is_the_passage_with_its_source() -> None:
    answer = compose("退款多久", [passage(0.8), passage(0.3, slug="b")], threshold=0.5)
    assert answer.confident
    assert answer.text.endswith("三天内到账。")
    assert "标题 a" in answer.text
    assert answer.sources == [Source("标题 a", "/help/demo/a")]


def test_articles_that_fit_nearly_as_well_are_named_too() -> None:
    found = [passage(0.8), passage(0.75, slug="b"), passage(0.78, "en", slug="c"), passage(0.55, slug="d")]
    assert [source.url for source in compose("退款", found, threshold=0.5).sources] == ["/help/demo/a", "/help/demo/b"]


@pytest.mark.parametrize(("question", "language"), [("月亮多远", "zh"), ("how far is the moon", "en")])
@pytest.mark.parametrize("found", [[], [passage(0.49)]])
def test_without_evidence_it_says_so_and_offers_a_human(
    question: str, language: Language, found: list[Passage]
) -> None:
    assert compose(question, found, threshold=0.5) == Answer(UNKNOWN[language], [], confident=False)


def test_the_threshold_itself_is_enough() -> None:
    assert compose("退款", [passage(0.5)], threshold=0.5).confident


def test_another_language_is_announced() -> None:
    answer = compose("when is my refund", [passage(0.9)], threshold=0.5)
    assert answer.text.startswith(FOREIGN_LEAD["en"].format(title="标题 a"))


@pytest.mark.parametrize(
    ("said", "reply"),
    [
        ("你好！", GREETING["zh"]),
        ("Hi there :)", GREETING["en"]),
        ("谢谢~", THANKS["zh"]),
        ("ok, thanks!", THANKS["en"]),
    ],
)
def test_courtesies_are_returned(said: str, reply: str) -> None:
    assert compose(said, [passage(0.1)], threshold=0.5) == Answer(reply, [], confident=True)


def test_a_title_is_no_markup_and_headings_are_not_loud() -> None:
    odd = Passage("a", "[x](javascript:1) *y*", "/help/demo/a", "zh", "# 大\n\n正文", 0.9)
    text = compose("退款", [odd], threshold=0.5).text
    assert "\\[x\\](javascript:1) \\*y\\*" in text
    assert text.endswith("**大**\n\n正文")


def test_a_fixed_answer_is_given_word_for_word() -> None:
    fixed = Passage("id", "几点开门", "", "zh", "**九点**。", 1.0, fixed=True)
    answer = compose("几点开门", [fixed], threshold=0.5)
    assert (answer.text, answer.sources, answer.confident) == ("**九点**。", [], True)
    named = Passage("hours", "几点开门", "/help/demo/hours", "zh", "九点。", 1.0, fixed=True)
    assert [source.url for source in compose("几点开门", [named], threshold=0.5).sources] == ["/help/demo/hours"]
