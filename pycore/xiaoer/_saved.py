"""The file of a saved filter: words, options and, from the compiled backend, its arrays, which are mapped.

Layout, little-endian: 8 bytes magic, u32 format, u32 length of the directory, u64 length of the file, SHA-256 of
everything but itself; then the directory (MessagePack: options, and name, offset and length of each section) and the
sections, each at a multiple of 64. The words are columns, so that of a million only those that are found become
objects. Arrays are taken only from the same version on a machine of the same byte order; otherwise, and on the pure
backend, the words are compiled again.
"""

import hashlib
import mmap
import os
import struct
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, overload

import msgspec

from xiaoer._version import __version__
from xiaoer._words import Fold, Skip, Variant, Word
from xiaoer.errors import DamagedFile

_MAGIC: Final = b"XIAOERWF"
_FORMAT: Final = 2
_HEADER: Final = struct.Struct("<8sIIQ32s")
_UNSIGNED: Final = struct.calcsize(_HEADER.format) - 32
_ALIGNMENT: Final = 64
ARRAYS: Final = f"{__version__} {sys.byteorder}"
"""Which arrays this build can read."""

Sections = dict[str, tuple[int, int]]
"""Offset and length of each section, by name."""


class Options(msgspec.Struct, frozen=True):
    """What a filter was made with."""

    fold: int
    skip: tuple[int, int, bool]
    whole_words: bool


class _Directory(msgspec.Struct):
    options: Options
    words: int
    # Texts are bytes: words may hold lone surrogates, which MessagePack's strings can't.
    allow: list[bytes]
    # Level, tags, action and variants, each combination once.
    properties: list[tuple[int, list[bytes], bytes, int]]
    arrays: str
    sections: Sections


class SavedWords(Sequence[Word]):
    """The words of a file, made when asked for."""

    def __init__(self, content: memoryview, directory: _Directory) -> None:
        for name, (offset, length) in directory.sections.items():
            if min(offset, length) < 0 or offset + length > len(content):
                raise ValueError(f"its section {name} lies outside of it")

        def column(name: str, width: int | None = None) -> memoryview:
            offset, length = directory.sections[name]
            if width is not None and length != directory.words * width:
                raise ValueError(f"its section {name} has the wrong length")
            return content[offset : offset + length]

        self._texts = column("words.texts")
        self._ends = column("words.ends", 8)
        self._kinds = column("words.properties", 4)
        self._properties = [
            (level, tuple(map(_unpack, tags)), _unpack(action), Variant(variants))
            for level, tags, action, variants in directory.properties
        ]

    def __len__(self) -> int:
        return len(self._kinds) // 4

    @overload
    def __getitem__(self, index: int) -> Word: ...
    @overload
    def __getitem__(self, index: slice) -> list[Word]: ...
    def __getitem__(self, index: int | slice) -> Word | list[Word]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        start, end = (0 if index == 0 else self._end(index - 1)), self._end(index)
        kind = int.from_bytes(self._kinds[4 * index : 4 * index + 4], "little")
        if not start <= end <= len(self._texts) or kind >= len(self._properties):
            raise DamagedFile(f"word {index} of a saved filter lies outside of its file")
        try:
            return Word(_unpack(bytes(self._texts[start:end])), *self._properties[kind])
        except UnicodeDecodeError as error:
            raise DamagedFile(f"word {index} of a saved filter is no text") from error

    def _end(self, index: int) -> int:
        return int.from_bytes(self._ends[8 * index : 8 * index + 8], "little")


class Saved(msgspec.Struct):
    """What a file holds: see `read_saved`."""

    words: SavedWords
    allow: list[str]
    options: Options
    content: mmap.mmap
    arrays: Sections | None
    """Where the compiled arrays are, if this build can read them."""


def write_saved(
    path: str | os.PathLike[str],
    words: list[Word],
    allow: list[str],
    options: Options,
    arrays: Iterable[tuple[str, bytes]] | None,
) -> None:
    """Writes the file beside its place, then moves it there. Raises OSError."""
    kinds: dict[tuple[int, tuple[str, ...], str, int], int] = {}
    texts = [_pack(word.text) for word in words]
    numbers = [kinds.setdefault((w.level, w.tags, w.action, int(w.variants)), len(kinds)) for w in words]
    ends, end = [], 0
    for text in texts:
        end += len(text)
        ends.append(end)
    columns = [
        ("words.texts", b"".join(texts)),
        ("words.ends", struct.pack(f"<{len(ends)}Q", *ends)),
        ("words.properties", struct.pack(f"<{len(numbers)}I", *numbers)),
        *(arrays or ()),
    ]
    directory = _Directory(
        options,
        len(words),
        [_pack(text) for text in allow],
        [(level, [_pack(tag) for tag in tags], _pack(action), v) for level, tags, action, v in kinds],
        ARRAYS if arrays is not None else "",
        {name: (0, 0) for name, _ in columns},
    )
    # Offsets depend on the directory's length and it on them: they get more room than they need.
    room = _aligned(_HEADER.size + len(msgspec.msgpack.encode(directory)) + 20 * len(columns))
    offset = room
    for name, column in columns:
        directory.sections[name] = (offset, len(column))
        offset = _aligned(offset + len(column))
    packed = msgspec.msgpack.encode(directory)
    parts = [packed, bytes(room - _HEADER.size - len(packed))]
    for _, column in columns:
        parts += [column, bytes(-len(column) % _ALIGNMENT)]
    head = _HEADER.pack(_MAGIC, _FORMAT, len(packed), offset, bytes(32))[:_UNSIGNED]
    checksum = hashlib.sha256(head)
    for part in parts:
        checksum.update(part)
    target = Path(path)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines([head, checksum.digest(), *parts])
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, _mode(target))
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def read_saved(path: str | os.PathLike[str]) -> Saved:
    """Maps the file. Raises DamagedFile for anything that `write_saved` did not write; OSError."""
    with open(path, "rb") as file:
        start = file.read(_HEADER.size)
        if not start.startswith(_MAGIC):
            raise DamagedFile(f"{path} is not a saved filter")
        if len(start) < _HEADER.size:
            raise DamagedFile(f"{path} is cut off")
        _, version, length, size, checksum = _HEADER.unpack(start)
        if version != _FORMAT:
            raise DamagedFile(f"{path} has format {version}; this version of xiaoer reads format {_FORMAT}")
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if len(content) != size:
        raise DamagedFile(f"{path} is cut off or has something behind its end")
    view = memoryview(content)
    actual = hashlib.sha256(view[:_UNSIGNED])
    actual.update(view[_HEADER.size :])
    if actual.digest() != checksum:
        raise DamagedFile(f"{path} was altered: its checksum does not fit")
    try:
        directory = msgspec.msgpack.decode(view[_HEADER.size : _HEADER.size + length], type=_Directory)
        options = directory.options
        Fold(options.fold)
        Skip(*options.skip)
        return Saved(
            SavedWords(view, directory),
            list(map(_unpack, directory.allow)),
            options,
            content,
            directory.sections if directory.arrays == ARRAYS else None,
        )
    except (ValueError, KeyError) as error:
        raise DamagedFile(f"{path} holds no filter: {error}") from error


def _mode(path: Path) -> int:
    """Permissions of what is there, or of a new file: a temporary one is its owner's alone."""
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def _aligned(offset: int) -> int:
    return offset + -offset % _ALIGNMENT


def _pack(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _unpack(text: bytes) -> str:
    return text.decode("utf-8", "surrogatepass")
