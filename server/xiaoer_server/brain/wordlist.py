"""Word lists as files: one word a line, or action, level, tags and word between tabs.

# a comment
casino
block	3	fraud,money	刷单
"""

from __future__ import annotations

from pathlib import Path

from ..store.words import WordRow

#: What the filter can do with a message: hide the word, or keep the message from being passed on.
ACTIONS = ("mask", "block")


class WordListError(Exception):
    """A word list that cannot be used. The message is one line: file, line, what is expected."""


def read(path: Path) -> list[WordRow]:
    """Read a UTF-8 file; see `parse`.

    Raises:
        WordListError: it cannot be read, or a line is not as it should be.
    """
    try:
        return parse(path.read_text("utf-8-sig"), str(path))
    except OSError as error:
        raise WordListError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise WordListError(f"{path}: is not UTF-8") from error


def parse(text: str, name: str) -> list[WordRow]:
    """The words of a list. A line of a word alone means mask, level 1; a word that comes again counts once, as last.

    Raises:
        WordListError: a line is not as it should be; `name` is named in it.
    """
    rows: dict[str, WordRow] = {}
    for number, line in enumerate(text.splitlines(), 1):
        fields = [field.strip() for field in line.split("\t")]
        word = fields[-1]
        if line.startswith("#") or not any(fields):
            continue
        action, level, tags = fields[:3] if len(fields) == 4 else ("mask", "1", "")
        if len(fields) not in (1, 4) or action not in ACTIONS or not level.isdecimal() or not 1 <= len(word) <= 255:
            raise WordListError(
                f"{name}, line {number}: expected a word, or action ({' or '.join(ACTIONS)}), level, tags and word "
                "between tabs; a word has 1 to 255 characters"
            )
        rows[word] = WordRow(word, int(level), action, [tag for tag in tags.split(",") if tag])
    return list(rows.values())
