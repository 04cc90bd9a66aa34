"""The filter on both backends against an oracle that tries every word everywhere, and against each other."""

import unicodedata
from itertools import pairwise
from random import Random, getrandbits
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.filter_cases import CASES, LETTERS, NOISES, Case, make_case, seen
from xiaoer.pure.characters import Characters, fold_character


def check_hits(library: ModuleType, case: Case, text: str) -> None:
    words, oracle = case.filter(library), case.oracle()
    assert seen(words.find_overlapping(text)) == oracle.find_overlapping(text), (case, text)
    assert seen(words.find(text)) == oracle.find(text), (case, text)
    assert words.contains(text) is bool(oracle.find(text)), (case, text)
    assert words.replace(text) == oracle.replace(text, "*"), (case, text)
    assert words.replace(text, "[x]") == oracle.replace(text, "[x]"), (case, text)


def check_stream(library: ModuleType, case: Case, text: str, cuts: list[int]) -> None:
    words, oracle = case.filter(library), case.oracle()
    stream = words.stream()
    borders = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    given_out = ""
    for start, end in pairwise(borders):
        given_out += stream.feed(text[start:end])
        # What is held back is the longest beginning of a word that may still grow, not one character more.
        so_far = text[:end]
        if case.repeats:
            continue
        growing = oracle.partial_start(so_far)
        settled = [hit.end for hit in oracle.find(so_far) if hit.start < growing]
        assert len(given_out) == max([growing, *settled]), (case, so_far, cuts)
    assert given_out + stream.flush() == oracle.replace(text, "*"), (case, text, cuts)


@given(CASES)
def test_finds_what_the_oracle_finds(xiaoer: ModuleType, case_and_text: tuple[Case, str]) -> None:
    check_hits(xiaoer, *case_and_text)


@given(CASES, st.lists(st.integers(0, 32), max_size=5))
def test_any_cutting_of_a_stream_gives_the_same(
    xiaoer: ModuleType, case_and_text: tuple[Case, str], cuts: list[int]
) -> None:
    check_stream(xiaoer, *case_and_text, cuts)


def test_many_random_filters(xiaoer: ModuleType) -> None:
    """The same checks without Hypothesis, which spends most of its time on drawing."""
    random = Random(getrandbits(64))  # of the run's seed
    for _ in range(max(800, settings.default.max_examples)):
        case, text = make_case(random)
        check_hits(xiaoer, case, text)
        check_stream(xiaoer, case, text, random.choices(range(20), k=3))


@given(CASES)
def test_every_split_of_a_stream_in_two(native_xiaoer: ModuleType, case_and_text: tuple[Case, str]) -> None:
    case, text = case_and_text
    words = case.filter(native_xiaoer)
    stream = words.stream("#")
    whole = words.replace(text, "#")
    for cut in range(len(text) + 1):
        assert stream.feed(text[:cut]) + stream.feed(text[cut:]) + stream.flush() == whole


LONG_TEXTS = st.lists(st.sampled_from([*LETTERS, *NOISES, "加微信", "a1", "bab", "x" * 40]), max_size=120).map("".join)
MANY_WORDS = st.lists(st.text(st.sampled_from(LETTERS + NOISES[:2]), min_size=1, max_size=12), max_size=60)


@given(LONG_TEXTS, MANY_WORDS, st.integers(1, 9))
def test_native_is_pure_on_long_texts(
    native_xiaoer: ModuleType, pure_xiaoer: ModuleType, text: str, words: list[str], step: int
) -> None:
    native, pure = native_xiaoer.WordFilter(words), pure_xiaoer.WordFilter(words)
    assert seen(native.find(text)) == seen(pure.find(text))
    assert seen(native.find_overlapping(text)) == seen(pure.find_overlapping(text))
    ours, theirs = native.stream(), pure.stream()
    for start in range(0, len(text), step):
        assert ours.feed(text[start : start + step]) == theirs.feed(text[start : start + step])
    assert ours.flush() == theirs.flush()


# All that is assigned but ideographs, tags included, and a sample of the rest.
CHARACTERS = "".join(map(chr, [*range(0x20000), *range(0x20000, 0x110000, 251), *range(0xE0000, 0xE1010)]))


@pytest.mark.parametrize("fold", range(4))
def test_characters_are_the_same_for_all_of_unicode(
    native_xiaoer: ModuleType, pure_xiaoer: ModuleType, fold: int
) -> None:
    import xiaoer_native

    pure = Characters(fold)
    folded, kinds = zip(*(pure[char] for char in CHARACTERS), strict=True)
    assert xiaoer_native.fold_text(CHARACTERS, fold) == "".join(folded)
    assert xiaoer_native.kinds_of(CHARACTERS, fold) == bytes(kinds)


def test_folding_twice_changes_nothing() -> None:
    for char in CHARACTERS:
        folded = fold_character(char, 3)
        assert fold_character(folded, 3) == folded, hex(ord(char))


def test_noise_is_no_letter_and_no_number() -> None:
    pure = Characters(3)
    # Hangul's invisible fillers count as letters in Unicode; they are what people hide words with.
    fillers = {"\u115f", "\u1160", "\u3164", "\uffa0"}
    for char in CHARACTERS:
        if pure[char][1] & 7 and char not in fillers:
            assert unicodedata.category(char)[0] not in "LN", hex(ord(char))
