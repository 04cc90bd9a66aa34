"""The cache on disk: one file, whole or not at all.

Magic, BLAKE2b-256 of what follows, then MessagePack. A file that is cut short, changed or of another form is an empty
cache and a line in the log.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import tempfile
from pathlib import Path

import msgspec

from .source import Source

log = logging.getLogger(__name__)

NAME = "answers.cache"
MAGIC = b"XIAOERCACHE\x00\x00\x00\x00\x01"
_DIGEST = 32


class Saved(msgspec.Struct, array_like=True, gc=False):
    """An entry; `seconds` of life are left, `vector` is float32 little-endian, `encoder` made it."""

    tenant: str
    language: str
    model: str
    policy: str
    question: str
    text: str
    sources: list[Source] | None
    slugs: list[str]
    version: int
    seconds: float
    saved_at: float
    unsure: bool
    encoder: str
    vector: bytes


_decoder = msgspec.msgpack.Decoder(list[Saved])


def write(folder: Path, entries: list[Saved]) -> None:
    """Write them, readable for the owner alone; the file is the old or the new one, whenever the power goes.

    Raises:
        OSError: it cannot be written; the old one is still there.
    """
    body = msgspec.msgpack.encode(entries)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(prefix=".answers-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(MAGIC + hashlib.blake2b(body, digest_size=_DIGEST).digest())
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, folder / NAME)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(folder: Path, most: int) -> list[Saved]:
    """Read them, least recently used first; nothing, and a line in the log, where the file is damaged.

    Args:
        most: Bytes that the file may have; a larger one is not read.
    """
    path = folder / NAME
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > most:
                log.warning("%s is larger than the cache may be; begun anew", path)
                return []
            data = file.read()
    except FileNotFoundError:
        return []
    except OSError as error:
        log.warning("%s cannot be read (%s); the cache begins empty", path, error.strerror)
        return []
    head = len(MAGIC) + _DIGEST
    body = memoryview(data)[head:]
    if data[: len(MAGIC)] != MAGIC or hashlib.blake2b(body, digest_size=_DIGEST).digest() != data[len(MAGIC) : head]:
        log.warning("%s is damaged; the cache begins empty", path)
        return []
    try:
        return _decoder.decode(body)
    except msgspec.DecodeError as error:
        log.warning("%s is of another form (%s); the cache begins empty", path, error)
        return []


def remove(folder: Path) -> bool:
    """Remove the file; whether there was one."""
    try:
        (folder / NAME).unlink()
    except FileNotFoundError:
        return False
    return True
