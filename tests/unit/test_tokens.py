"""Counting tokens and cutting by them."""

import sys
from itertools import pairwise
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.chunker_texts import FRAGMENTS, TEXTS
from xiaoer.pure._graphemes import clusters

# Answers of `encode_ordinary` of bpe-openai 0.1.4 (MIT), an implementation that shares no code with ours: tokens of
# o200k_base and of cl100k_base.
KNOWN: list[tuple[str, int, int]] = [
    ("", 0, 0),
    ("hello world", 2, 2),
    ("tiktoken is great!", 6, 6),
    ("您好，我的订单已经三天没有更新物流信息了。", 13, 16),
    ("こんにちは、元気ですか？", 7, 7),
    ("안녕하세요", 2, 5),
    ("Привет, как дела?", 6, 8),
    ("<|endoftext|>", 7, 7),
    ("a<|im_start|>user", 8, 8),
    ("I'll we're DON'T it's", 4, 8),
    ("1234567890 12 3.14", 10, 10),
    ("   leading\n\n  \n x\t\ty  ", 7, 8),
    ("e\u0301 n\u0303", 4, 5),
    ("👨‍👩‍👧 👍🏽 🇨🇳", 15, 24),
    ("def f(x):\n    return x ** 2\n", 11, 11),
    ("https://example.com/a?b=c&d=e#f", 13, 13),
    ("\r\n\r\n", 1, 1),
    ("a" * 100, 13, 13),
    (" " * 100, 2, 2),
    ("antidisestablishmentarianism", 6, 6),
    ("मैं ठीक हूँ", 3, 13),
    ("สวัสดีครับ", 5, 9),
    ("\u00a0\u200b\ufeff", 3, 3),
    ("CamelCaseWords HTTPServer iPhone15", 8, 8),
]
ENCODINGS = ["o200k_base", "cl100k_base"]
LONG = st.lists(st.sampled_from(FRAGMENTS), max_size=150).map("".join) | TEXTS


@pytest.fixture(scope="module")
def tokens(native_xiaoer: ModuleType) -> ModuleType:
    module: ModuleType = sys.modules[native_xiaoer.Chunker.__module__]
    return module


def test_known_counts(tokens: ModuleType) -> None:
    for text, o200k, cl100k in KNOWN:
        assert tokens.count_tokens(text) == o200k, text
        assert tokens.count_tokens(text, "o200k_base") == o200k, text
        assert tokens.count_tokens(text, "cl100k_base") == cl100k, text


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(text=LONG)
def test_counts_as_an_independent_implementation(tokens: ModuleType, encoding: str, text: str) -> None:
    peer = pytest.importorskip("bpe_openai").get_encoding(encoding)
    valid = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert tokens.count_tokens(text, encoding) == len(peer.encode_ordinary(valid))


def test_surrogates_are_what_they_stand_for(tokens: ModuleType) -> None:
    for encoding in ENCODINGS:
        assert tokens.count_tokens("a\ud83d\ude00b", encoding) == tokens.count_tokens("a😀b", encoding)
        assert tokens.count_tokens("a\ud83db", encoding) == tokens.count_tokens("a\ufffdb", encoding)
        assert tokens.count_tokens("\ude00\ud83d", encoding) == tokens.count_tokens("\ufffd\ufffd", encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(text=LONG, limit=st.integers(1, 40), overlap=st.integers(0, 39))
def test_promises(tokens: ModuleType, encoding: str, text: str, limit: int, overlap: int) -> None:
    overlap = min(overlap, limit - 1)
    chunker = tokens.Chunker(limit, unit="tokens", overlap=overlap, encoding=encoding)
    spans = chunker.spans(text)
    chunks = chunker.split(text)
    assert chunks == [text[start:end] for start, end in spans]
    assert [*spans[:1], *spans[-1:]] == ([] if not text else [(0, spans[0][1]), (spans[-1][0], len(text))])
    for chunk in chunks:
        assert tokens.count_tokens(chunk, encoding) <= limit or len(chunk) == 1
    for (start, end), (next_start, next_end) in pairwise(spans):
        assert start < next_start <= end < next_end
        assert tokens.count_tokens(text[next_start:end], encoding) <= overlap
    cuts = {end for _, end in spans[:-1]}
    for start, end in clusters(text):
        if tokens.count_tokens(text[start:end], encoding) <= limit // 2:
            assert cuts.isdisjoint(range(start + 1, end))
    if not overlap:
        assert "".join(chunks) == text


CUTS: list[tuple[str, int, int, list[str]]] = [
    ("One two three.", 4, 0, ["One two three."]),
    ("One two. Three four. Five six", 7, 0, ["One two. Three four. ", "Five six"]),
    ("A one.\n\nB two. Three", 6, 0, ["A one.\n\n", "B two. Three"]),
    (
        "Look. Here:\n```\nx. y. z.\n```\nNow it is done",
        12,
        0,
        ["Look. Here:\n", "```\nx. y. z.\n```\n", "Now it is done"],
    ),
    ("One two. Three four. Five six.", 7, 4, ["One two. Three four. ", "Three four. Five six."]),
    ("word" * 20, 5, 0, ["wordwordwordwordword"] * 4),
]


@pytest.mark.parametrize(("text", "limit", "overlap", "chunks"), CUTS)
def test_cuts_at_the_best_place(tokens: ModuleType, text: str, limit: int, overlap: int, chunks: list[str]) -> None:
    assert tokens.Chunker(limit, unit="tokens", overlap=overlap).split(text) == chunks


def test_encodings_differ(tokens: ModuleType) -> None:
    text = "您好，我的订单已经三天没有更新物流信息了。" * 20
    new, old = (tokens.Chunker(60, unit="tokens", encoding=encoding).split(text) for encoding in ENCODINGS)
    assert len(new) < len(old)


def test_long_runs_need_no_more_chunks_than_tokens(tokens: ModuleType) -> None:
    for text in ("a" * 300_000, " " * 300_000, "\n" * 300_000, "é" * 100_000):
        spans = tokens.Chunker(1000, unit="tokens").spans(text)
        assert len(spans) <= tokens.count_tokens(text) // 400 + 1
        assert spans[-1][1] == len(text)


def test_wrong_arguments(tokens: ModuleType) -> None:
    for encoding in ("gpt2", "", "O200K_BASE"):
        with pytest.raises(ValueError, match="must be one of o200k_base, cl100k_base"):
            tokens.count_tokens("text", encoding)
        with pytest.raises(ValueError, match="must be one of o200k_base, cl100k_base"):
            tokens.Chunker(10, unit="tokens", encoding=encoding)
    for text in (None, b"bytes", 1):
        with pytest.raises(TypeError):
            tokens.count_tokens(text)


def test_pure_backend_has_no_tables(pure_xiaoer: ModuleType) -> None:
    with pytest.raises(ImportError, match="the pure backend cannot count tokens"):
        pure_xiaoer.Chunker(10, unit="tokens")
    with pytest.raises(ValueError, match="must be one of"):
        pure_xiaoer.Chunker(10, unit="tokens", encoding="gpt2")


def test_half_a_pair_of_surrogates_counts_as_what_it_is_by_itself(tokens: ModuleType) -> None:
    # The pair is 4 tokens: more than the limit, so it is cut; its second half and the next character are 4 too.
    pair, character = "\ud800\udc00", "\u7479"
    chunks = tokens.Chunker(3, unit="tokens", encoding="cl100k_base").split(pair + character)
    assert "".join(chunks) == pair + character
    assert all(tokens.count_tokens(chunk, "cl100k_base") <= 3 or len(chunk) == 1 for chunk in chunks)
