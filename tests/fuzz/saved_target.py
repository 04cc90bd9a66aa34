"""A saved filter's bytes, damaged: reading them gives a filter or DamagedFile, and nothing else."""

import hashlib
import tempfile
from pathlib import Path

from xiaoer import DamagedFile, WordFilter

# Files that never reach a disk, where there are any.
_SHARED = Path("/dev/shm")
_FOLDER = tempfile.TemporaryDirectory(dir=_SHARED if _SHARED.is_dir() else None, prefix="xiaoer-fuzz-")
_HEADER = 20
_CHECKSUM = 32


def sealed(content: bytes) -> bytes:
    """With the length and the checksum that belong to it, so that damage gets past them. Knows the format."""
    body = content[_HEADER:-_CHECKSUM]
    content = content[: _HEADER - 8] + len(body).to_bytes(8, "little") + body
    return content + hashlib.sha256(content).digest()


def _load(content: bytes) -> WordFilter | None:
    path = Path(_FOLDER.name, "filter")
    path.write_bytes(content)
    try:
        return WordFilter.load(path)
    except DamagedFile:
        return None


def run(data: bytes) -> None:
    """Raises whatever `load` raises beside DamagedFile, and AssertionError if what it gives is no filter."""
    for content in (data, sealed(data)):
        words = _load(content)
        if words is None:
            continue
        text = "".join(word.text for word in words.words) + "".join(words.allow) + "加 微-信 bad ok"
        assert words.contains(text) == bool(words.find(text)) == bool(words.find_overlapping(text))
        path = Path(_FOLDER.name, "again")
        words.save(path)
        again = WordFilter.load(path)
        assert (again.words, again.allow, again.fold, again.skip) == (words.words, words.allow, words.fold, words.skip)
        assert again.find(text) == words.find(text)
