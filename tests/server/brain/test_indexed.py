"""What the full-text index holds, and that a phrase finds it."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from xiaoer_server.brain.indexed import asked, indexed
from xiaoer_server.store.chunks import match_query


def test_characters_come_before_their_pairs_and_latin_words_are_stems() -> None:
    assert indexed("退款吗？Refunded!") == "退 款 吗 退款 款吗 refund"
    assert indexed("，！") == ""


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        ("退款进度", "查询退款进度的方法", True),
        ("退款进度", "退款的进度", False),
        ("款", "退款", True),
        ("placed an order", "After you have placed an order, wait.", True),
        ("placed an order", "An order was placed.", False),
        ("ORDERS", "ordering", True),
        ("café", "Café", True),
        ("cafe", "Café", False),
        ("①②", "12", True),
    ],
)
def test_a_phrase_finds_the_text_that_says_it(phrase: str, text: str, found: bool) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE VIRTUAL TABLE f USING fts5(a, tokenize='unicode61 remove_diacritics 0')")
        connection.execute("INSERT INTO f VALUES (?)", (indexed(text),))
        rows = connection.execute("SELECT * FROM f WHERE f MATCH ?", (match_query([asked(phrase)]),)).fetchall()
    assert bool(rows) is found
