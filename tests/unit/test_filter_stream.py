"""The stream of the word filter: what goes out when."""

from types import ModuleType

import pytest

STEPS = [
    # words, allowed, the pieces fed, what each gives out, what the flush gives
    (["加微信"], [], ["请加", "微", "信吧"], ["请", "", "***吧"], ""),
    (["加微信"], [], ["请加", "微", "博"], ["请", "", "加微博"], ""),
    (["加微信"], [], ["加微信"], ["***"], ""),
    (["加微信", "加微信号"], [], ["加微信", "吧"], ["", "***吧"], ""),
    (["加微信", "加微信号"], [], ["加微信"], [""], "***"),
    # Noise after the beginning of a word is held as long as it may lie inside it.
    (["微信"], [], ["微.", "..", ".", "信"], ["", "", "微....", "信"], ""),
    # A Latin word at the very end may go on; one after it can't.
    (["bad"], [], ["so bad", "ly"], ["so ", "badly"], ""),
    (["bad"], [], ["so bad", ".", " bad"], ["so ", "***.", " "], "***"),
    # The word is found, but an allowed text may still cover it.
    (["海外"], ["上海外贸"], ["上海外", "贸"], ["", "上海外贸"], ""),
    (["海外"], ["上海外贸"], ["上海外", "币"], ["", "上**币"], ""),
    # A hit goes out although its end begins another word; that one is then out of the race.
    (["甲乙", "乙丙"], [], ["甲乙", "丙"], ["**", "丙"], ""),
    (["微信"], [], ["\ud83d", "\ude00微", "信"], ["\ud83d", "\ude00", "**"], ""),
    (["微信"], [], ["", ""], ["", ""], ""),
]


@pytest.mark.parametrize(("words", "allow", "pieces", "given", "rest"), STEPS)
def test_what_goes_out_when(
    xiaoer: ModuleType, words: list[str], allow: list[str], pieces: list[str], given: list[str], rest: str
) -> None:
    stream = xiaoer.WordFilter(words, allow=allow).stream()
    for _ in range(2):  # after a flush it is as new
        assert [stream.feed(piece) for piece in pieces] == given
        assert stream.flush() == rest


def test_a_clean_text_passes_as_it_is(xiaoer: ModuleType) -> None:
    stream = xiaoer.WordFilter(["微信"]).stream()
    for text in ["latin", "é", "中文", "😀", "\ud800"]:
        assert stream.feed(text) == text


def test_the_filter_may_go(xiaoer: ModuleType) -> None:
    stream = xiaoer.WordFilter(["微信"]).stream()
    assert stream.feed("加微") + stream.feed("信") + stream.flush() == "加**"
