"""What an importer makes of a file, and the limits that a file must keep."""

from __future__ import annotations

from typing import Literal

import msgspec

#: Bytes of a file or page, and code points of the text that is made of it.
MOST_BYTES, MOST_CHARACTERS = 20 << 20, 1_000_000

#: What is unpacked from a file that is an archive inside, in bytes, and entries of one.
MOST_UNPACKED, MOST_ENTRIES = 100 << 20, 5_000

#: Pages of a PDF, rows of a table.
MOST_PAGES, MOST_ROWS = 2_000, 100_000


class Unreadable(Exception):
    """A file that nothing can be made of. The message is one line that says why."""


class Document(msgspec.Struct):
    """A text with what its source says about it.

    Args:
        title: "" where the source names none.
        body: Markdown.
        asks: Ways in which people ask for it.
        lang: None where the source does not say.
        slug: "" where the source names none.
        topic: As `slug`.
    """

    title: str
    body: str
    asks: list[str] = []
    lang: Literal["zh", "en"] | None = None
    slug: str = ""
    topic: str = ""


class Refusal(msgspec.Struct, frozen=True):
    """A file, page or row that was left out: its name, and why."""

    name: str
    reason: str


class Read(msgspec.Struct):
    """What was found in one file."""

    documents: list[Document]
    refused: list[Refusal] = []
