"""The filter on texts whose hits stand at the borders of the blocks that vector code reads."""

from itertools import pairwise
from types import ModuleType

from hypothesis import given
from hypothesis import strategies as st

from support.block_texts import BLOCK_CASES, BORDERS
from support.filter_cases import Case, seen

LITTLE = 40  # characters of words that the oracle tries everywhere in a bearable time


@given(BLOCK_CASES)
def test_hits_at_the_borders_of_blocks(
    native_xiaoer: ModuleType, pure_xiaoer: ModuleType, case_and_text: tuple[Case, str]
) -> None:
    case, text = case_and_text
    native, pure = case.filter(native_xiaoer), case.filter(pure_xiaoer)
    hits = seen(pure.find(text))
    if sum(map(len, case.words + case.allow)) <= LITTLE:
        oracle = case.oracle()
        assert hits == oracle.find(text), (case, text)
        assert seen(pure.find_overlapping(text)) == oracle.find_overlapping(text), (case, text)
    assert seen(native.find(text)) == hits, (case, text)
    assert seen(native.find_overlapping(text)) == seen(pure.find_overlapping(text)), (case, text)
    assert native.contains(text) is bool(hits), (case, text)
    assert native.replace(text, "＊") == pure.replace(text, "＊"), (case, text)


@given(BLOCK_CASES, st.lists(st.sampled_from(BORDERS), max_size=4), st.integers(0, 3))
def test_streams_cut_at_the_borders_of_blocks(
    native_xiaoer: ModuleType,
    pure_xiaoer: ModuleType,
    case_and_text: tuple[Case, str],
    cuts: list[int],
    behind: int,
) -> None:
    case, text = case_and_text
    native, pure = case.filter(native_xiaoer).stream("#"), case.filter(pure_xiaoer).stream("#")
    places = sorted(min(cut + behind, len(text)) for cut in cuts)
    for start, end in pairwise([0, *places, len(text)]):
        assert native.feed(text[start:end]) == pure.feed(text[start:end]), (case, text, places)
    assert native.flush() == pure.flush(), (case, text, places)
