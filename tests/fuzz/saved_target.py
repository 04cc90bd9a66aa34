"""A saved filter's bytes, damaged: reading them gives a filter or DamagedFile, and nothing else.

An input that starts as a file does is one, without arrays, so that it is short; any other is what happens to the
arrays of a whole one, which then must not lead a scan astray, whatever it finds.
"""

import hashlib
import tempfile
from pathlib import Path

from fuzz.reader import Reader
from xiaoer import DamagedFile, Word, WordFilter
from xiaoer._saved import read_saved

# Files that never reach a disk, where there are any.
_SHARED = Path("/dev/shm")
_FOLDER = tempfile.TemporaryDirectory(dir=_SHARED if _SHARED.is_dir() else None, prefix="xiaoer-fuzz-")
_MAGIC = b"XIAOERWF"
_LENGTH = 16
_HEADER = 56
WORDS = [Word("bad", 3, ("x",), "block"), "C++", "加微信", "\ud800", "kg", "b"]
ALLOWED = ["加微信公众号", "a.b"]
TEXT = "加 微-信公众号 b.a.d bad c++ ㎏ \ud800\ud800 \U00020000 a.b B信加微"
MOST_CHANGES = 8


def sealed(content: bytes) -> bytes:
    """With the length and the checksum that belong to it, so that damage gets past them. Knows the format."""
    body = content[_HEADER:]
    start = content[:_LENGTH] + (_HEADER + len(body)).to_bytes(8, "little")
    return start + hashlib.sha256(start + body).digest() + body


def _load(content: bytes) -> WordFilter | None:
    path = Path(_FOLDER.name, "filter")
    # Scans under way keep the file that they have mapped: it is never written into.
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    try:
        return WordFilter.load(path)
    except DamagedFile:
        return None


def _check_file(content: bytes) -> None:
    words = _load(content)
    if words is None:
        return
    text = "".join(word.text for word in words.words) + "".join(words.allow) + "加 微-信 bad ok"
    assert words.contains(text) == bool(words.find(text)) == bool(words.find_overlapping(text))
    path = Path(_FOLDER.name, "again")
    words.save(path)
    again = WordFilter.load(path)
    assert (again.words, again.allow, again.fold, again.skip) == (words.words, words.allow, words.fold, words.skip)
    assert again.find(text) == words.find(text)


def _whole() -> tuple[bytes, dict[str, tuple[int, int]]]:
    """A file with arrays, and where each of them is."""
    path = Path(_FOLDER.name, "whole")
    WordFilter(WORDS, allow=ALLOWED).save(path)
    return path.read_bytes(), read_saved(path).arrays or {}


WHOLE, ARRAYS = _whole()


def altered(reader: Reader) -> bytes:
    """The whole file with some numbers in its arrays changed: each any array, any place, a byte or two."""
    content = bytearray(WHOLE)
    for _ in range(MOST_CHANGES):
        if not reader:
            break
        offset, length = reader.choice(list(ARRAYS.values()))
        # Small arrays, and the beginnings of large ones, more often.
        place = reader.byte() | (reader.byte() << 8 | reader.byte() << 16 if reader.below(4) == 0 else 0)
        at = offset + place % max(length, 1)
        changed = reader.take(reader.below(2) + 1)[: offset + length - at]
        content[at : at + len(changed)] = changed
    return bytes(content)


def _check_arrays(content: bytes) -> None:
    words = _load(content)
    if words is None:
        return
    for text in (TEXT, TEXT * 20, TEXT[:7]):
        try:
            hits = words.find(text)
            assert words.contains(text) == bool(hits)
            assert all(0 <= hit.start < hit.end <= len(text) for hit in [*hits, *words.find_overlapping(text)])
            [hit.word.text for hit in hits]
        except DamagedFile:
            # Words are made when they are asked for.
            pass
        assert len(words.replace(text)) == len(text)


def run(data: bytes) -> None:
    """Raises whatever `load` raises beside DamagedFile, and AssertionError if what it gives is no filter."""
    if data[:4] == _MAGIC[:4]:
        _check_file(data)
        _check_file(sealed(data))
    else:
        _check_arrays(sealed(altered(Reader(data))))
