"""What the chunker promises, on both backends."""

import doctest
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given

from support.chunker_texts import TEXTS, limits
from xiaoer.pure._graphemes import clusters
from xiaoer.pure._marks import NEWLINES
from xiaoer.pure._ranks import SENTENCE
from xiaoer.pure.chunker import ranks

BREAK_TESTS = Path(__file__).parents[1] / "data" / "grapheme_break_test.txt"

FENCE = "```python\nprint(1). \n\nprint(2)\n```\n"
TABLE = "| a | b |\n|---|---|\n| 1。2 | 3 |\n"
FAMILY = "👨‍👩‍👧"

CUTS: list[tuple[str, int, list[str]]] = [
    ("", 5, []),
    (" ", 5, [" "]),
    ("short", 5, ["short"]),
    # unpunctuated
    ("x" * 7, 3, ["xxx", "xxx", "x"]),
    ("好" * 7, 3, ["好好好", "好好好", "好"]),
    # the better kind of place wins over the later place
    ("A one.\n\nB two. Three", 15, ["A one.\n\n", "B two. Three"]),
    ("A one.\u2029B two. Three", 15, ["A one.\u2029", "B two. Three"]),
    ("Text here\n# Head\nBody. Body", 20, ["Text here\n", "# Head\nBody. Body"]),
    ("Text. Here:\n- one\n- two. too", 24, ["Text. Here:\n- one\n", "- two. too"]),
    ("说明。如下\n一、退货。\n二、换货。好", 14, ["说明。如下\n一、退货。\n", "二、换货。好"]),
    ("One two. Two\nThree, four", 17, ["One two. ", "Two\nThree, four"]),
    ("One two\nThree, four", 15, ["One two\n", "Three, four"]),
    ("One two, three four", 15, ["One two, ", "three four"]),
    ("One two three", 9, ["One two ", "three"]),
    ("我的iPhone手机", 8, ["我的iPhone", "手机"]),
    ("我们的iPhone手机", 7, ["我们的", "iPhone手", "机"]),
    # a good place leaves no chunk nearly empty: the later half first, an eighth at the least
    ("Ab. Cd efg, hi jkl mno", 16, ["Ab. ", "Cd efg, ", "hi jkl mno"]),
    ("I! Cd efgh ijklm, hi jklm mno pqrst", 32, ["I! Cd efgh ijklm, ", "hi jklm mno pqrst"]),
    ("A b\n\nC defgh ijkl mn. Opq", 20, ["A b\n\n", "C defgh ijkl mn. Opq"]),
    ("A b\n\nC defgh. Ijkl mn opqr", 20, ["A b\n\nC defgh. ", "Ijkl mn opqr"]),
    ("Ab, cd efgh ijkl", 12, ["Ab, cd efgh ", "ijkl"]),
    ("Abcd efghijklmnopq", 16, ["Abcd ", "efghijklmnopq"]),
    ("A bcdefghijklmnopqrstuvwx", 24, ["A bcdefghijklmnopqrstuvw", "x"]),
    # sentences, Chinese and Japanese
    ("你好。在吗？在的", 7, ["你好。在吗？", "在的"]),
    ("他说：“好。”然后走", 8, ["他说：“好。”", "然后走"]),
    ("等等……好吧！！真的", 7, ["等等……", "好吧！！真的"]),
    ("甲；乙，丙丁", 4, ["甲；", "乙，丙丁"]),
    ("你说“好。”，我走", 7, ["你说“好。”，", "我走"]),
    ("好的!谢谢，再见", 6, ["好的!", "谢谢，再见"]),
    ("はい。いいえ、ちがう", 8, ["はい。", "いいえ、ちがう"]),
    # sentences, Western
    ("Is it? Yes! Good", 14, ["Is it? Yes! ", "Good"]),
    ('He said "go." Then left', 20, ['He said "go." ', "Then left"]),
    ("A bc d. E, f g", 12, ["A bc d. ", "E, f g"]),
    ("Well... no. Really so", 16, ["Well... no. ", "Really so"]),
    # not the end of a sentence: a comma or a blank is the better place
    ("Ask, Mr. Smith", 11, ["Ask, ", "Mr. Smith"]),
    ("Ask, J. Smith", 10, ["Ask, ", "J. Smith"]),
    ("Ask us, e.g. Smith", 13, ["Ask us, ", "e.g. Smith"]),
    ("Ask him there, in the U.S. Army", 27, ["Ask him there, ", "in the U.S. Army"]),
    ("Ask them, see No. 5 there", 18, ["Ask them, ", "see No. 5 there"]),
    ("Ask them, see no. five there", 22, ["Ask them, see no. ", "five there"]),
    ("Ask, no. There", 12, ["Ask, no. ", "There"]),
    # before a lower-case letter a dot ends a clause, no sentence
    ("So it... goes on", 14, ["So it... ", "goes on"]),
    ("hi. my order. late again", 20, ["hi. my order. ", "late again"]),
    ("Yes! So it... goes on, but", 20, ["Yes! ", "So it... goes on, ", "but"]),
    # decimals, times and names with dots stay whole
    ("It is 3.14 or so", 9, ["It is ", "3.14 or ", "so"]),
    ("At 12:30 we", 7, ["At ", "12:30 ", "we"]),
    ("费用3.5元", 4, ["费用", "3.5元"]),
    ("See https://a.example/b,c;d?e=1:2 for", 31, ["See ", "https://a.example/b,c;d?e=1:2 ", "for"]),
    ("看https://a.example/b?c=d。好", 25, ["看https://a.example/b?c=d。", "好"]),
    # headings stay with what follows, list marks with their text
    ("Intro\n\n# Head\n\nBody text", 18, ["Intro\n\n", "# Head\n\nBody text"]),
    ("# What?\nBody, text here", 14, ["# What?\nBody, ", "text here"]),
    ("Intro text\nHead here\n====\nBody", 28, ["Intro text\n", "Head here\n====\nBody"]),
    ("Intro text\nHead. One\n---\nBody", 26, ["Intro text\n", "Head. One\n---\nBody"]),
    ("Intro text\n---\nBody here", 20, ["Intro text\n---\n", "Body here"]),
    ("> Quoted text\n> # Head\n> Body", 28, ["> Quoted text\n", "> # Head\n> Body"]),
    ("> Quoted text\n> - One\n> - Two", 28, ["> Quoted text\n> - One\n", "> - Two"]),
    ("> One text\n> more.\n>\n> Two", 24, ["> One text\n> more.\n>\n", "> Two"]),
    ("1. One two", 8, ["1. One ", "two"]),
    ("- abcdef", 5, ["- abc", "def"]),
    # whitespace that does not fit leads the next chunk, and is no chunk while there is anything else
    ("甲。乙。\n丙", 5, ["甲。乙。\n", "丙"]),
    ("你好。在吗i.e. ", 9, ["你好。", "在吗i.e. "]),  # blanks at the end are no line
    ("甲乙丙丁戊\n1. \n ", 8, ["甲乙丙丁戊\n1.", " \n "]),  # but a blank line is
    ("abcde\n\nfgh ij", 5, ["abcde", "\n\nfgh", " ij"]),
    ("          ", 4, ["    ", "    ", "  "]),
    # clusters
    ("ab\r\ncd", 3, ["ab", "\r\nc", "d"]),
    (f"ab{FAMILY}", 6, ["ab", FAMILY]),
    ("aae\u0301\u0323", 4, ["aa", "e\u0301\u0323"]),
    ("🇨🇳🇩🇪", 3, ["🇨🇳", "🇩🇪"]),
    ("ab\ud83d\ude00c", 3, ["ab", "\ud83d\ude00c"]),
    ("\ud83d\ud83d\ude00", 2, ["\ud83d", "\ud83d\ude00"]),
    (FAMILY, 2, [FAMILY[:2], FAMILY[2:4], FAMILY[4:]]),
    # code fences and tables
    (f"Look:\n{FENCE}Done", len(FENCE), ["Look:\n", FENCE, "Done"]),
    (f"Look:\n{TABLE}Done", len(TABLE), ["Look:\n", TABLE, "Done"]),
    (f"# Head\n\n{FENCE}", len(FENCE), ["# Head\n\n", FENCE]),
    (FENCE, 24, ["```python\nprint(1). \n\n", "print(2)\n```\n"]),
    (TABLE, 22, ["| a | b |\n|---|---|\n", "| 1。2 | 3 |\n"]),
    ("```\na. b\n", 6, ["```\n", "a. b\n"]),  # never closed
]


@pytest.mark.parametrize(("text", "limit", "chunks"), CUTS)
def test_cuts_at_the_best_place(xiaoer: ModuleType, text: str, limit: int, chunks: list[str]) -> None:
    assert xiaoer.Chunker(limit).split(text) == chunks


OVERLAPS: list[tuple[str, int, int, list[str]]] = [
    ("A一。B二。C三。D四。", 6, 3, ["A一。B二。", "B二。C三。", "C三。D四。"]),
    ("A一。B二。C三。D四。", 9, 6, ["A一。B二。C三。", "B二。C三。D四。"]),
    ("A一。B二。C三。D四。", 6, 2, ["A一。B二。", "C三。D四。"]),  # no whole sentence fits
    ("One a. Two b. Three c.", 14, 7, ["One a. Two b. ", "Three c."]),  # would not fit
    ("One a. Two b. Six c.", 14, 7, ["One a. Two b. ", "Two b. Six c."]),
    ("aaaa bbbb cccc", 10, 5, ["aaaa bbbb ", "cccc"]),  # no sentence ends
    ("甲。\n  乙。\n丙。丁。", 8, 6, ["甲。\n  乙。\n", "  乙。\n丙。", "丙。丁。"]),  # indentation is repeated too
    ("甲。乙。" + "x" * 9, 5, 3, ["甲。乙。", "乙。xxx", "xxxxx", "x"]),
]


@pytest.mark.parametrize(("text", "limit", "overlap", "chunks"), OVERLAPS)
def test_overlap_is_whole_sentences(xiaoer: ModuleType, text: str, limit: int, overlap: int, chunks: list[str]) -> None:
    assert xiaoer.Chunker(limit, overlap=overlap).split(text) == chunks


@given(TEXTS, limits())
def test_promises(xiaoer: ModuleType, text: str, limit_and_overlap: tuple[int, int]) -> None:
    limit, overlap = limit_and_overlap
    chunker = xiaoer.Chunker(limit, overlap=overlap)
    spans = chunker.spans(text)
    assert chunker.split(text) == [text[start:end] for start, end in spans]
    assert all(0 < end - start <= limit for start, end in spans)
    assert [*spans[:1], *spans[-1:]] == ([] if not text else [(0, spans[0][1]), (spans[-1][0], len(text))])
    for (start, end), (next_start, next_end) in pairwise(spans):
        assert start < next_start <= end < next_end
        assert end - next_start <= overlap
    cuts = {end for _, end in spans[:-1]}
    for start, end in clusters(text):
        assert end - start > limit or cuts.isdisjoint(range(start + 1, end))


@given(TEXTS, limits())
def test_joined_chunks_are_the_text(xiaoer: ModuleType, text: str, limit: tuple[int, int]) -> None:
    assert "".join(xiaoer.Chunker(limit[0]).split(text)) == text


@given(TEXTS, limits())
def test_repeats_start_and_end_with_sentences(xiaoer: ModuleType, text: str, limit: tuple[int, int]) -> None:
    places = ranks(text, limit[0])
    for (_, end), (start, _) in pairwise(xiaoer.Chunker(limit[0], overlap=limit[1]).spans(text)):
        if start < end:
            assert places[start] >= SENTENCE
            assert places[end] >= SENTENCE
            assert text[start] not in NEWLINES


def _break_tests() -> list[list[str]]:
    lines = BREAK_TESTS.read_text(encoding="utf-8").splitlines()
    cases = [line.split("÷") for line in lines if line and not line.startswith("#")]
    return [["".join(chr(int(point, 16)) for point in part.split()) for part in case] for case in cases]


def test_unicode_break_tests(xiaoer: ModuleType) -> None:
    cases = _break_tests()
    assert len(cases) == 766
    for parts in cases:
        text = "".join(parts)
        borders = {len("".join(parts[:count])) for count in range(len(parts) + 1)}
        longest = max(map(len, parts))
        for limit in range(longest, len(text)):
            assert {end for _, end in xiaoer.Chunker(limit).spans(text)} <= borders, (text, limit)
        for first, second in pairwise(parts):
            # With an accent on the second, a border that we did not know of would be cut one later, at the limit.
            pair = f"{first}{second}\u0308"
            if len(second) > 1 or second not in "\r\n\x00":
                assert xiaoer.Chunker(len(first) + 1).spans(pair)[0] == (0, len(first)), (first, second)


def test_wrong_arguments(xiaoer: ModuleType) -> None:
    for limit in (0, -1, 2**31):
        with pytest.raises(ValueError, match="limit is"):
            xiaoer.Chunker(limit)
    for overlap in (-1, 10, 11):
        with pytest.raises(ValueError, match="overlap is"):
            xiaoer.Chunker(10, overlap=overlap)
    with pytest.raises(ValueError, match="unit is 'words'"):
        xiaoer.Chunker(10, unit="words")
    with pytest.raises(ValueError, match="encoding is 'gpt2'"):
        xiaoer.Chunker(10, encoding="gpt2")
    for limit in (1.5, "10", None):
        with pytest.raises(TypeError):
            xiaoer.Chunker(limit)
    chunker = xiaoer.Chunker(10)
    for text in (None, b"bytes", ["a"]):
        with pytest.raises(TypeError):
            chunker.split(text)
        with pytest.raises(TypeError):
            chunker.spans(text)


def test_str_subclass_gives_plain_strings(xiaoer: ModuleType) -> None:
    class Special(str):
        __slots__ = ()

    for text in ("one two", "one"):
        assert [type(chunk) for chunk in xiaoer.Chunker(4).split(Special(text))] in ([str, str], [str])


def test_docstring_example(native_xiaoer: ModuleType) -> None:
    import xiaoer.chunker

    assert doctest.testmod(xiaoer.chunker) == (0, 2)


def test_a_fence_that_ends_within_a_cluster_is_not_kept_by_cutting_it(xiaoer: ModuleType) -> None:
    # U+0600 joins what follows, here the blank behind a fence that nothing closes.
    assert xiaoer.Chunker(5).spans("~~~\n\u0600  ") == [(0, 4), (4, 7)]
