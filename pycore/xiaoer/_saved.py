"""The file of a saved filter: its words and options, with a checksum. It is compiled again when loaded.

Layout, little-endian: 8 bytes magic, u32 format, u64 length of the body, the body (MessagePack), SHA-256 of all that.
"""

import hashlib
import os
import struct
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from xiaoer._words import Fold, Skip, Word
from xiaoer.errors import DamagedFile

_MAGIC: Final = b"XIAOERWF"
_FORMAT: Final = 1
_HEADER: Final = struct.Struct("<8sIQ")


class _Body(msgspec.Struct, array_like=True):
    # Texts are bytes: words may hold lone surrogates, which MessagePack's strings can't.
    words: list[tuple[bytes, int, list[bytes], bytes]]
    allow: list[bytes]
    fold: int
    skip: tuple[int, int]
    whole_words: bool


def write_saved(
    path: str | os.PathLike[str], words: list[Word], allow: list[str], fold: Fold, skip: Skip, whole_words: bool
) -> None:
    """Writes the file beside its place, then moves it there. Raises OSError."""
    body = _Body(
        [(_pack(w.text), w.level, [_pack(tag) for tag in w.tags], _pack(w.action)) for w in words],
        [_pack(text) for text in allow],
        int(fold),
        (skip.gap, skip.total),
        whole_words,
    )
    packed = msgspec.msgpack.encode(body)
    content = _HEADER.pack(_MAGIC, _FORMAT, len(packed)) + packed
    target = Path(path)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content + hashlib.sha256(content).digest())
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def read_saved(path: str | os.PathLike[str]) -> tuple[list[Word], list[str], Fold, Skip, bool]:
    """Words, allowed texts and options. Raises DamagedFile for anything that `write_saved` did not write; OSError."""
    content = Path(path).read_bytes()
    if not content.startswith(_MAGIC):
        raise DamagedFile(f"{path} is not a saved filter")
    if len(content) < _HEADER.size:
        raise DamagedFile(f"{path} is cut off")
    _, version, length = _HEADER.unpack_from(content)
    if version != _FORMAT:
        raise DamagedFile(f"{path} has format {version}; this version of xiaoer reads format {_FORMAT}")
    end = _HEADER.size + length
    if len(content) != end + hashlib.sha256().digest_size:
        raise DamagedFile(f"{path} is cut off or has something behind its end")
    if hashlib.sha256(content[:end]).digest() != content[end:]:
        raise DamagedFile(f"{path} was altered: its checksum does not fit")
    try:
        body = msgspec.msgpack.decode(content[_HEADER.size : end], type=_Body)
        words = [
            Word(_unpack(text), level, tuple(map(_unpack, tags)), _unpack(action))
            for text, level, tags, action in body.words
        ]
        return words, list(map(_unpack, body.allow)), Fold(body.fold), Skip(*body.skip), body.whole_words
    except ValueError as error:
        raise DamagedFile(f"{path} holds no filter: {error}") from error


def _pack(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _unpack(text: bytes) -> str:
    return text.decode("utf-8", "surrogatepass")
