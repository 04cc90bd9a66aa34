"""What is folded to what, one folding at a time and all together; on the tables and on the pure twin."""

import sys
import unicodedata
from itertools import chain

import pytest

from xiaoer._words import Fold, Skip, Variant, Word
from xiaoer.pure._fold import ORDER, table
from xiaoer.pure.characters import (
    DIGIT,
    INVISIBLE,
    NOISE,
    VISIBLE,
    WORD,
    Characters,
    drops,
    fold_character,
    kinds_of_folded,
)

CASES = [
    (Fold.CASE, "A É Я Σ ς ß ẞ Ⅷ K Ⓐ", "a é я σ σ ss ss ⅷ k ⓐ"),
    (Fold.WIDTH, "Ａ　ｶﾞ！ﾡ￥", "A ガ!ㄱ¥"),
    (Fold.SIMPLIFIED, "微信轉帳 賭博 後 乾 著 薴 瞭 參", "微信转帐 赌博 后 干 着 苎 瞭 参"),
    (Fold.DIGITS, "①⑴⒈➊⓵٣²₂𝟗⓪９", "1111132290９"),
    (Fold.DIGITS, "⑩⑳⒑㉑㊿🔟", "102010215010"),
    (Fold.DIGITS, "零〇壹贰叁叄肆伍陆陸柒捌玖", "0012334566789"),
    (Fold.DIGITS, "一二三十拾参两幺½Ⅷ㊀㈠○", "一二三十拾参两幺½Ⅷ㊀㈠○"),
    (Fold.ACCENTS, "éǚñçøđłÅ ёйά ộ", "euncodlA еиα o"),
    (Fold.ACCENTS, "バ パ 각 ° º ª æ ß ı", "バ パ 각 ° º ª æ ß ı"),
    (Fold.ENCLOSED, "Ⓐⓑ⒞🄓🅔🄵🅶 ㊙㊥㈠㊀🈚㋐㈜㉮", "AbcDEFG 秘中一一無ア주가"),
    (Fold.ENCLOSED, "🇸🇧 © ® ① ⁂", "🇸🇧 © ® ① ⁂"),
    (Fold.LIGATURES, "㎏ ﬁ ﬃ Ⅷ ㏄ ㍿ 🆗 æ ㎡ № Ⅴ ㋋", "kg fi ffi VIII cc 株式会社 OK ae m2 No V 12月"),
    (Fold.LIGATURES, "℃ ½ ™ ㎧ ℅ ﷺ … ₨", "℃ ½ ™ ㎧ ℅ ﷺ … ₨"),
    (Fold.LOOKALIKES, "аеорсухіѕԁ ΑΒο χωνα", "aeopcyxisd ABo xwva"),
    (Fold.LOOKALIKES, "𝐀𝖺𝓌ℓ ᴀʙ ᵃₐ ɡ ⾦ 金", "Aawl ab aa g 金 金"),
    (Fold.LOOKALIKES, "вн ВН г д ηΗ μ σ º ª ℹ 0 1 rn", "вн ВН г д ηΗ μ σ º ª ℹ 0 1 rn"),
    (Fold.ALL, "Ⅷ ＫＧ ㎏ ⓌⒺＣＨＡＴ 𝐖𝐞𝐂𝐡𝐚𝐭", "viii kg kg wechat wechat"),
    (Fold.ALL, "ΤΕLΕGRΑМ тelegrам Ｔéłêgřām", "telegram telegram telegram"),
    (Fold.ALL, "貳拾 ⾧ ⻓ ⻑ İ Ǆ ㊙️", "2拾 长 长 长 i dz 秘\ufe0f"),
    (Fold.NONE, "Aé國①", "Aé國①"),
]


@pytest.mark.parametrize(("fold", "text", "folded"), CASES)
def test_known_answers(fold: Fold, text: str, folded: str) -> None:
    assert "".join(fold_character(char, fold) for char in text) == folded


def test_the_numbers_are_those_of_the_file_format() -> None:
    names = ["CASE", "WIDTH", "SIMPLIFIED", "DIGITS", "ACCENTS", "ENCLOSED", "LOOKALIKES", "LIGATURES"]
    assert [Fold[name].value for name in names] == [1 << bit for bit in range(8)]
    assert (Fold.NONE, Fold.ALL) == (0, 255)


SOURCES = sorted(set(chain.from_iterable(map(table, ORDER))))


@pytest.mark.parametrize("left_out", [Fold.NONE, *ORDER], ids=lambda fold: f"without {fold.name}")
def test_folding_twice_changes_nothing(left_out: Fold) -> None:
    fold = Fold.ALL & ~left_out
    for char in SOURCES:
        folded = fold_character(char, fold)
        assert 1 <= len(folded) <= 8, char
        assert "".join(fold_character(part, fold) for part in folded) == folded, char


def test_a_capital_goes_the_way_of_its_small_letter() -> None:
    for extra in (Fold.ALL, *(Fold.CASE | step for step in ORDER)):
        for char, small in table(Fold.CASE).items():
            both = (fold_character(char, extra), "".join(fold_character(part, extra) for part in small))
            assert both[0] == both[1], (char, extra)


def test_case_is_python_s_for_the_characters_of_unicode_3_2() -> None:
    for char in map(chr, range(0x110000)):
        if unicodedata.ucd_3_2_0.category(char) != "Cn":
            folded = char.casefold() if len(char.casefold()) == 1 else char.lower()
            if char != "ß":
                assert table(Fold.CASE).get(char, char) == (folded if len(folded) == 1 else char), hex(ord(char))


def test_digits_have_their_value() -> None:
    for char, target in table(Fold.DIGITS).items():
        value = unicodedata.numeric(char, None)
        # Symbols younger than this Python's Unicode have none; 🔟 has none ever.
        assert value is None or int(target) == value, hex(ord(char))


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="Python 3.14 knows digits that Unicode 15.1 did not have")
def test_digits_are_complete() -> None:
    known = table(Fold.DIGITS).keys() | table(Fold.WIDTH).keys()
    for char in map(chr, range(0x80, 0x110000)):
        if unicodedata.digit(char, None) is not None:
            assert char in known, hex(ord(char))


@pytest.mark.parametrize("step", [Fold.ENCLOSED, Fold.LIGATURES])
def test_what_unicode_decomposes_is_taken_from_there(step: Fold) -> None:
    for char, target in table(step).items():
        if unicodedata.decomposition(char):
            compatible = unicodedata.normalize("NFKC", char)
            assert target in (compatible, compatible.strip("()〔〕")), char


def test_accents_keep_the_base() -> None:
    for char, target in table(Fold.ACCENTS).items():
        if unicodedata.decomposition(char):
            assert unicodedata.normalize("NFD", char)[0] == target, char
        else:
            assert "STROKE" in unicodedata.name(char), char


def test_look_alikes_are_one_to_one() -> None:
    assert {len(target) for target in table(Fold.LOOKALIKES).values()} == {1}


def test_a_folded_character_has_the_kinds_of_what_it_becomes() -> None:
    on, off = Characters(Fold.ALL), Characters(Fold.NONE)
    assert on["Ⓐ"] == ("a", WORD)
    assert off["Ⓐ"] == ("Ⓐ", 0)
    assert on["③"] == ("3", WORD | DIGIT)
    assert on["㎏"] == ("kg", WORD)
    assert (on["🔟"], off["🔟"]) == (("10", WORD | DIGIT), ("🔟", VISIBLE))
    assert on["🇸"] == ("🇸", VISIBLE)


def test_ideographs_are_never_letters_of_spaced_scripts() -> None:
    on = Characters(Fold.ALL)
    for char in "壹貳零〇㊙㊥國":
        assert on[char][1] == 0, char
    assert on["零"][0] == "0"


def test_combining_marks_are_noise_with_the_folding_that_drops_them() -> None:
    for mark, fold in (("\u0301", Fold.ACCENTS), ("\u20e3", Fold.ENCLOSED), ("\u0489", Fold.ACCENTS)):
        assert drops(mark, fold)
        assert Characters(fold)[mark] == (mark, INVISIBLE)
        assert not drops(mark, Fold.ALL & ~fold)
        assert not Characters(Fold.ALL & ~fold)[mark][1] & NOISE
    # Voicing marks of kana make other letters.
    assert not drops("\u3099", Fold.ALL)


def test_no_noise_becomes_a_letter_but_by_these() -> None:
    noisy = {char for char in SOURCES if kinds_of_folded(char) & NOISE and char not in table(Fold.WIDTH)}
    assert noisy == {"🔟"}


def test_options_are_checked() -> None:
    assert Skip().repeats is False
    assert Word("微信").variants is Variant.NONE
    assert Word("微信", variants=Variant.PINYIN | Variant.SPLIT).variants == Variant(3)
    with pytest.raises(TypeError, match="variants of a word is a Variant, not int"):
        Word("微信", variants=1)
    with pytest.raises(ValueError, match="Variant"):
        Variant(4)
    with pytest.raises(ValueError, match="Fold"):
        Fold(256)
