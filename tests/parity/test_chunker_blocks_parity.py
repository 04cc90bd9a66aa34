"""The chunker on texts whose marks stand at the borders of the blocks that vector code reads, up to the limit."""

from random import Random
from types import ModuleType

from hypothesis import given
from hypothesis import strategies as st

from support.block_texts import BORDERS, RANDOMS, text_with_marks
from support.chunker_texts import FRAGMENTS


def make_text(random: Random) -> str:
    return "".join(text_with_marks(random, FRAGMENTS) for _ in range(random.randint(1, 3)))


@given(
    RANDOMS.map(make_text),
    st.sampled_from([*BORDERS, 5, 40, 100]),
    st.sampled_from([0, 0, 1, 4, 20]),
)
def test_same_spans_at_the_borders_of_blocks(
    native_xiaoer: ModuleType, pure_xiaoer: ModuleType, text: str, limit: int, overlap: int
) -> None:
    overlap = min(overlap, limit - 1)
    spans = native_xiaoer.Chunker(limit, overlap=overlap).spans(text)
    assert spans == pure_xiaoer.Chunker(limit, overlap=overlap).spans(text), (text, limit, overlap)
