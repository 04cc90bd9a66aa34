"""Which language a text is in, and what it consists of."""

import pytest

from xiaoer_server.brain.concepts import in_latin
from xiaoer_server.brain.language import fold, language_of, stem, tokens
from xiaoer_server.brain.terms import terms_of, units
from xiaoer_server.brain.vocabulary import Vocabulary


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("退款多久到账", "zh"),
        ("where is my order", "en"),
        ("这个 coupon 怎么用", "zh"),
        ("can I return the 龙井 that I bought last week", "en"),
        ("？？", "zh"),
        ("???", "en"),
        ("", "en"),
        ("12345", "en"),
        ("👍", "en"),
        ("退", "zh"),
    ],
)
def test_language_of(text: str, language: str) -> None:
    assert language_of(text) == language


def test_folding_makes_full_width_and_capitals_plain() -> None:
    assert fold("ＲＥＦＵＮＤ　ﬁne") == "refund fine"


def test_tokens_separate_chinese_from_latin_and_drop_punctuation() -> None:
    assert tokens("退款coupon123，don't…「微信」") == ["退款", "coupon123", "dont", "微信"]


@pytest.mark.parametrize(
    "forms",
    [
        ("order", "orders", "ordered", "ordering"),
        ("ship", "ships", "shipped", "shipping"),
        ("cancel", "cancelled", "cancelling"),
        ("delivery", "deliveries", "delivered", "deliver"),
        ("invoice", "invoices", "invoiced"),
        ("glass", "glasses"),
        ("status",),
    ],
)
def test_forms_of_a_word_share_a_stem(forms: tuple[str, ...]) -> None:
    assert len(set(map(stem, forms))) == 1
    assert len(stem(forms[0])) >= 3


def test_a_chinese_word_is_found_by_its_pairs_and_a_phrase_by_its_concept() -> None:
    assert {"普", "普洱"} <= terms_of(["普洱"])
    assert "#shippingfee" in terms_of(["邮费"]) & terms_of(["postage"])
    assert in_latin(list(map(stem, ["money", "back", "please"])), 0)[0] == 2


def test_fillers_say_nothing() -> None:
    assert list(units(tokens("请问你们的 what is the"))) == []


def test_a_typing_error_is_one_slip_away() -> None:
    vocabulary = Vocabulary([("oolong invoice return", "")])
    assert vocabulary.corrected(["retrun", "invoise", "oolongg", "cat", "退款"]) == [
        "return",
        "invoice",
        "oolong",
        "cat",
        "退款",
    ]
    assert vocabulary.corrected(["weather", "1234567"]) == ["weather", "1234567"]
