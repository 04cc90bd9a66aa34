"""Word lists as files."""

from __future__ import annotations

from pathlib import Path

import pytest

from xiaoer_server.brain.wordlist import WordListError, parse, read
from xiaoer_server.store.words import WordRow


def test_both_forms_of_a_line() -> None:
    text = "# words\n\ncasino\n  spaced out  \nblock\t3\tfraud,money\t刷单\nmask\t1\t\tplain\n"
    assert parse(text, "x") == [
        WordRow("casino", 1, "mask", []),
        WordRow("spaced out", 1, "mask", []),
        WordRow("刷单", 3, "block", ["fraud", "money"]),
        WordRow("plain", 1, "mask", []),
    ]


def test_a_word_that_comes_again_counts_once_as_last() -> None:
    assert parse("casino\nblock\t2\t\tcasino\n", "x") == [WordRow("casino", 2, "block", [])]


@pytest.mark.parametrize(
    "line", ["block\t3\t刷单", "hide\t1\t\tword", "mask\thigh\t\tword", "mask\t1\t\t", "x" * 256, "a\tb\tc\td\te"]
)
def test_a_bad_line_is_named(line: str) -> None:
    with pytest.raises(WordListError, match=r"list\.txt, line 2: expected a word, or action \(mask or block\)"):
        parse(f"good\n{line}\n", "list.txt")


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(b"\xef\xbb\xbfcasino\r\n")
    assert read(path) == [WordRow("casino", 1, "mask", [])]
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(WordListError, match="is not UTF-8"):
        read(path)
    with pytest.raises(WordListError, match="cannot be read"):
        read(tmp_path / "none.txt")
