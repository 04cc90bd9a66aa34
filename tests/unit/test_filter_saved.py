"""Saved filters: the same on both backends, and an error if anything is wrong with the file."""

import hashlib
import os
import struct
import threading
from pathlib import Path
from random import Random, getrandbits
from types import ModuleType

import msgspec
import pytest

from support.filter_cases import seen


def make(library: ModuleType) -> object:
    words = [
        library.Word("赌博", level=3, tags=("illegal", "游戏"), action="block"),
        "VX",
        "\ud800",
        "C++",
    ]
    skip = library.Skip(1, 2)
    return library.WordFilter(words, allow=["上海外贸"], fold=library.Fold.WIDTH, skip=skip, whole_words=False)


def test_what_is_saved_comes_back(xiaoer: ModuleType, tmp_path: Path) -> None:
    saved = make(xiaoer)
    saved.save(tmp_path / "words")
    loaded = xiaoer.WordFilter.load(str(tmp_path / "words"))
    assert type(loaded) is xiaoer.WordFilter
    for name in ("words", "allow", "fold", "skip", "whole_words"):
        assert getattr(loaded, name) == getattr(saved, name)
    text = "赌.博 ＶＸ c++ \ud800"
    assert loaded.find(text) == saved.find(text) != []


def test_the_other_backend_reads_it(native_xiaoer: ModuleType, pure_xiaoer: ModuleType, tmp_path: Path) -> None:
    for writer, reader in ((native_xiaoer, pure_xiaoer), (pure_xiaoer, native_xiaoer)):
        make(writer).save(tmp_path / writer.build_info()["backend"])
        loaded = reader.WordFilter.load(tmp_path / writer.build_info()["backend"])
        assert seen(loaded.find("VX赌 博")) == [(0, 2, "VX"), (2, 5, "赌博")]


def test_every_truncation_and_every_changed_byte_is_noticed(xiaoer: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "words"
    make(xiaoer).save(path)
    whole = path.read_bytes()
    places = [*range(min(len(whole), 700)), *range(700, len(whole), 2_039)]
    damaged = [whole[:end] for end in places]
    damaged += [whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :] for at in places]
    damaged.append(whole + b"\0")
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(xiaoer.DamagedFile):
            xiaoer.WordFilter.load(path)


def sealed(directory: bytes, rest: bytes = b"") -> bytes:
    """A file whose envelope is sound, whatever is in it."""
    head = b"XIAOERWF" + struct.pack("<IIQ", 2, len(directory), 56 + len(directory) + len(rest))
    return head + hashlib.sha256(head + directory + rest).digest() + directory + rest


COLUMNS = {"words.texts": [0, 1], "words.ends": [8, 8], "words.properties": [16, 4]}


def directory(**changes: object) -> bytes:
    """Of a file with one word, but for the changes."""
    entries: dict[str, object] = {
        "options": {"fold": 3, "skip": [3, 8, False], "whole_words": True},
        "words": 1,
        "allow": [],
        "properties": [[1, [], b"mask", 0]],
        "arrays": "",
        "sections": COLUMNS,
    }
    return msgspec.msgpack.encode(entries | changes)


NONSENSE = {
    "empty": b"",
    "null": b"\xc0",
    "cut": b"\x95",
    "nested": b"\x95" * 40,
    "unknown fold": directory(options={"fold": 1 << 20, "skip": [3, 8, False], "whole_words": True}),
    "negative skip": directory(options={"fold": 3, "skip": [-1, 8, False], "whole_words": True}),
    "no words": directory(sections={}),
    "too many words": directory(words=1 << 60),
    "words beyond the end": directory(
        sections={"words.texts": [0, 1], "words.ends": [1 << 40, 8], "words.properties": [0, 4]}
    ),
    "not UTF-8": directory(properties=[[1, [], b"\xff", 0]]),
    "unknown variant": directory(properties=[[1, [], b"mask", 99]]),
    "fewer than no words": directory(words=-1),
    "no properties": directory(properties=[]),
    "an empty word": directory(sections={"words.texts": [0, 0], "words.ends": [8, 8], "words.properties": [16, 4]}),
}


@pytest.mark.parametrize("content", NONSENSE.values(), ids=NONSENSE)
def test_a_sound_envelope_around_nonsense(xiaoer: ModuleType, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "words"
    path.write_bytes(sealed(content, bytes(64)))
    with pytest.raises(xiaoer.DamagedFile):
        xiaoer.WordFilter.load(path)


def test_no_array_is_believed(native_xiaoer: ModuleType, tmp_path: Path) -> None:
    """Whatever numbers the arrays hold: an error when loaded, or a filter that can be used."""
    path = tmp_path / "words"
    make(native_xiaoer).save(path)
    whole = path.read_bytes()
    length = int.from_bytes(whole[12:16], "little")
    arrays = msgspec.msgpack.decode(whole[56 : 56 + length])["sections"]
    random = Random(getrandbits(64))
    refused = 0
    for _ in range(400):
        changed = bytearray(whole)
        offset, size = arrays[random.choice([name for name in arrays if arrays[name][1]])]
        for _ in range(random.choice([1, 1, 4])):
            changed[offset + random.randrange(size)] = random.choice([0, 1, 2, 0x7F, 0x80, 0xFF, random.randrange(256)])
        body = bytes(changed[56:])
        head = whole[:24]
        path.write_bytes(head + hashlib.sha256(head + body).digest() + body)
        try:
            loaded = native_xiaoer.WordFilter.load(path)
            for text in ("赌.博 ＶＸ c++ \ud800 上海外贸 C++😀", "a赌" * 40):
                loaded.find(text)
                loaded.find_overlapping(text)
                loaded.replace(text)
                loaded.stream().feed(text)
            loaded.add(["new"])
        except (native_xiaoer.DamagedFile, ValueError, IndexError):
            refused += 1
    assert refused > 40


def test_a_saved_filter_is_that_of_one_moment(xiaoer: ModuleType, tmp_path: Path) -> None:
    words = xiaoer.WordFilter([f"mm{number}" for number in range(60)], whole_words=False)
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            words.add(["aa"])
            words.remove(["aa"])

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(60):
            words.save(tmp_path / "words")
            loaded = xiaoer.WordFilter.load(tmp_path / "words")
            assert [match.word.text for match in loaded.find("mm7 mm59")] == ["mm7", "mm59"]
    finally:
        stop.set()
        thread.join()


def test_a_file_is_for_whoever_may_read_what_was_there(xiaoer: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "words"
    mask = os.umask(0o027)
    try:
        make(xiaoer).save(path)
    finally:
        os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o640
    path.chmod(0o604)
    make(xiaoer).save(path)
    assert path.stat().st_mode & 0o777 == 0o604


def test_a_filter_of_a_file_can_be_changed_and_saved_over_it(xiaoer: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "words"
    make(xiaoer).save(path)
    loaded = xiaoer.WordFilter.load(path)
    loaded.add(["new"])
    loaded.save(path)
    assert [word.text for word in xiaoer.WordFilter.load(path).words] == ["C++", "VX", "new", "赌博", "\ud800"]
    assert xiaoer.WordFilter.load(path).find("赌博")[0].word.tags == ("illegal", "游戏")
    assert loaded.contains("赌博")


def test_repeats_and_variants_are_saved(xiaoer: ModuleType, tmp_path: Path) -> None:
    word = xiaoer.Word("微信", variants=xiaoer.Variant.PINYIN)
    xiaoer.WordFilter([word], skip=xiaoer.Skip(repeats=True)).save(tmp_path / "words")
    loaded = xiaoer.WordFilter.load(tmp_path / "words")
    assert loaded.replace("微微xin") == "*****"
    assert loaded.words == [word]


def test_other_formats_are_named(xiaoer: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "words"
    path.write_bytes(b"XIAOERWF" + (9).to_bytes(4, "little") + bytes(90))
    with pytest.raises(xiaoer.DamagedFile, match="format 9"):
        xiaoer.WordFilter.load(path)
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(xiaoer.DamagedFile, match="not a saved filter"):
        xiaoer.WordFilter.load(path)


def test_files_that_cannot_be_read_or_written(xiaoer: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        xiaoer.WordFilter.load(tmp_path / "nothing")
    with pytest.raises(IsADirectoryError):
        xiaoer.WordFilter.load(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        make(xiaoer).save(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_save_replaces_what_was_there(xiaoer: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "words"
    path.write_bytes(b"old")
    xiaoer.WordFilter(["微信"]).save(path)
    assert xiaoer.WordFilter.load(path).contains("微信")
    assert list(tmp_path.iterdir()) == [path]
