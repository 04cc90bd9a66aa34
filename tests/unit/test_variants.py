"""The other spellings of a word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xiaoer._split import HALVES
from xiaoer._variants import MOST_SPELLINGS, _halves, _readings, spellings
from xiaoer._words import Variant
from xiaoer.errors import InvalidWord

BOTH = Variant.PINYIN | Variant.SPLIT

CASES = [
    ("微信", Variant.PINYIN, ["微xin", "wei信", "weixin"]),
    ("加微信", Variant.SPLIT, ["加微亻言", "加微人言", "力口微信", "力口微亻言", "力口微人言"]),
    ("重庆", Variant.PINYIN, ["重qing", "chong庆", "chongqing", "zhong庆", "zhongqing"]),
    ("银行", Variant.PINYIN, ["银hang", "银xing", "yin行", "yinhang", "yinxing"]),
    ("银长", Variant.PINYIN, ["银chang", "银zhang", "yin长", "yinchang", "yinzhang"]),
    ("乐", Variant.PINYIN, ["yue"]),
    ("女人", Variant.PINYIN, ["女ren", "nv人", "nvren", "nu人", "nuren"]),
    ("好", Variant.SPLIT, []),
    ("很好", Variant.SPLIT, ["很女子", "彳艮好", "彳艮女子"]),
    ("加v信", BOTH, ["加vxin", "加v亻言", "加v人言", "jiav信", "jiavxin", "jiav亻言", "jiav人言"]),
    ("賭錢", Variant.PINYIN, ["賭qian", "du錢", "duqian"]),
    ("加微", Variant.NONE, []),
    ("abc", BOTH, []),
    ("", BOTH, []),
    ("一", BOTH, []),
    ("㐀\ud800😀", BOTH, []),
    ("龘微", Variant.PINYIN, ["龘wei"]),
]


@pytest.mark.parametrize(("word", "variants", "expected"), CASES)
def test_known_answers(word: str, variants: Variant, expected: list[str]) -> None:
    found = spellings(word, variants)
    assert found[: len(expected)] == expected
    assert "v" in word or found == expected


def test_too_many() -> None:
    assert len(spellings("微" * 10, Variant.PINYIN)) == 1023
    with pytest.raises(InvalidWord, match="has 2,047 other spellings, and a word may have 1,024"):
        spellings("微" * 11, Variant.PINYIN)
    with pytest.raises(InvalidWord, match="微…' has"):
        spellings("微" * 1000, BOTH)


WORDS = st.text(st.sampled_from("加微信好女绿重行乐長賭aB1 龘😀"), max_size=6)


@given(WORDS, st.sampled_from([Variant.PINYIN, Variant.SPLIT, BOTH]))
def test_every_spelling_reads_back(word: str, variants: Variant) -> None:
    try:
        found = spellings(word, variants)
    except InvalidWord:
        return
    assert len(set(found)) == len(found) <= MOST_SPELLINGS
    assert word not in found
    for spelling in found:
        assert len(spelling) >= 3
        assert reads(spelling, word, variants), (spelling, word)


def reads(spelling: str, word: str, variants: Variant) -> bool:
    """Whether the word can be read in the spelling, a character at a time."""
    if not word:
        return not spelling
    simple = {"長": "长", "賭": "赌"}.get(word[0], word[0])
    forms = [word[0]]
    if variants & Variant.PINYIN:
        forms += _readings().get(simple, [])
    if variants & Variant.SPLIT:
        forms += _halves().get(simple, [])
    return any(spelling.startswith(form) and reads(spelling[len(form) :], word[1:], variants) for form in forms)


def test_readings_cover_gb_2312() -> None:
    rows = (bytes([row, cell]) for row in range(0xB0, 0xF8) for cell in range(0xA1, 0xFF))
    characters = {char for pair in rows if (char := pair.decode("gb2312", "ignore"))}
    assert len(characters) == 6763
    assert _readings().keys() == characters
    for char, readings in _readings().items():
        assert readings, char
        for reading in readings:
            assert reading.isascii() and reading.isalpha() and reading.islower(), (char, reading)  # noqa: PT018


@pytest.mark.parametrize(
    ("char", "readings"),
    [("重", {"chong", "zhong"}), ("行", {"hang", "xing"}), ("长", {"chang", "zhang"}), ("乐", {"le", "yue"})],
)
def test_heteronyms(char: str, readings: set[str]) -> None:
    assert set(_readings()[char]) == readings


def test_halves_are_two_other_characters() -> None:
    assert len(_halves()) >= 300
    wholes = [entry[0] for line in HALVES.split("\n") if line for entry in line.split(" ")[1:]]
    assert len(wholes) == len(set(wholes))
    for whole, forms in _halves().items():
        for form in forms:
            assert len(form) == 2, whole
            assert whole not in form, whole
