"""The compiled chunker against its specification: the same spans for every text."""

import random
import re
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given

from support.chunker_texts import FRAGMENTS, TEXTS, limits
from xiaoer.pure._grapheme_table import RANGES
from xiaoer.pure._phrases import ABBREVIATIONS, NUMBERED

RUST_TABLE = Path(__file__).parents[2] / "native/kernels/src/chunker/grapheme_table.rs"


def same(native: ModuleType, pure: ModuleType, text: str, limit: int, overlap: int = 0) -> None:
    ours = native.Chunker(limit, overlap=overlap).spans(text)
    assert ours == pure.Chunker(limit, overlap=overlap).spans(text), (text, limit, overlap)


@given(TEXTS, limits())
def test_same_spans(native_xiaoer: ModuleType, pure_xiaoer: ModuleType, text: str, limit: tuple[int, int]) -> None:
    same(native_xiaoer, pure_xiaoer, text, limit[0])
    same(native_xiaoer, pure_xiaoer, text, *limit)


def test_same_spans_of_long_texts(native_xiaoer: ModuleType, pure_xiaoer: ModuleType) -> None:
    for limit, overlap in ((1000, 0), (1000, 200), (100, 99)):
        text = "".join(random.choices(FRAGMENTS, k=5_000))
        same(native_xiaoer, pure_xiaoer, text, limit, overlap)


# What a character does behind and before others: one text a context, so that one missed class shifts all cuts.
@pytest.mark.parametrize("context", ["x{}", "क\u094d{}", "😀\u200d{}", "🇨{}", "ᄀ{}", "{}ᆨ", "{}x\u0308"])
def test_same_grapheme_class_of_every_character(
    native_xiaoer: ModuleType, pure_xiaoer: ModuleType, context: str
) -> None:
    edges = {point + step for low, high, _ in RANGES for point in (low, high) for step in (-1, 0, 1)}
    points = sorted(edges & set(range(0x110000)) | set(range(0x1100, 0x1200)) | set(range(0xABFF, 0xD7A5, 13)))
    text = "".join(context.format(chr(point)) for point in points)
    for limit in (2, 3):
        same(native_xiaoer, pure_xiaoer, text, limit)


def test_same_meaning_of_every_character(native_xiaoer: ModuleType, pure_xiaoer: ModuleType) -> None:
    points = [*range(0x3400), *range(0x4DB0, 0x4E10), *range(0x9FF0, 0xAC00), *range(0xD790, 0x11000)]
    points += [*range(0x1FFF0, 0x20010), *range(0x3FFF0, 0x40010)]
    for context in ("ab{}ab ", "ab. {}ab", "ab.{}ab", "中{}", "\n{} ab"):
        text = "".join(context.format(chr(point)) for point in points)
        same(native_xiaoer, pure_xiaoer, text, 5)


def test_same_abbreviations(native_xiaoer: ModuleType, pure_xiaoer: ModuleType) -> None:
    for word in (*ABBREVIATIONS, *NUMBERED, "abcdefghijkl", "xabcdefghijklj", "a.b", "ab.c"):
        for text in (f"Ask, {word}. Ab", f"Ask, {word.title()}. 5", f"Ask, {word}. ab"):
            for limit in range(len(text) - 3, len(text)):
                same(native_xiaoer, pure_xiaoer, text, limit)


def test_tables_are_of_one_making() -> None:
    rows = re.findall(r"\(0x([0-9a-f]+), 0x([0-9a-f]+), (\w+)\)", RUST_TABLE.read_text(encoding="utf-8"))
    letters: dict[str, str] = {}
    for (low, high, name), (pure_low, pure_high, letter) in zip(rows, RANGES, strict=True):
        assert (int(low, 16), int(high, 16), letters.setdefault(name, letter)) == (pure_low, pure_high, letter)
    assert len(set(letters.values())) == len(letters) > 10
