"""Saved filters: the same on both backends, and an error if anything is wrong with the file."""

import hashlib
from pathlib import Path
from types import ModuleType

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
    assert (tmp_path / "native").read_bytes() == (tmp_path / "pure").read_bytes()


def test_every_truncation_and_every_changed_byte_is_noticed(xiaoer: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "words"
    make(xiaoer).save(path)
    whole = path.read_bytes()
    damaged = [whole[:end] for end in range(len(whole))]
    damaged += [whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :] for at in range(len(whole))]
    damaged.append(whole + b"\0")
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(xiaoer.DamagedFile):
            xiaoer.WordFilter.load(path)


NONSENSE = {
    "empty": b"",
    "null": b"\xc0",
    "cut": b"\x95",
    "nested": b"\x95" * 40,
    "unknown fold": b"\x95\x90\x90\x40\x92\x03\x08\xc3",
    "negative skip": b"\x95\x90\x90\x03\x92\xff\x08\xc3",
    "not UTF-8": b"\x95\x91\x94\xc4\x01\xff\x01\x90\xc4\x00\x90\x03\x92\x03\x08\xc3",
    "an empty word": b"\x95\x91\x94\xc4\x00\x01\x90\xc4\x00\x90\x03\x92\x03\x08\xc3",
}


@pytest.mark.parametrize("body", NONSENSE.values(), ids=NONSENSE)
def test_a_sound_envelope_around_nonsense(xiaoer: ModuleType, tmp_path: Path, body: bytes) -> None:
    content = b"XIAOERWF" + (1).to_bytes(4, "little") + len(body).to_bytes(8, "little") + body
    path = tmp_path / "words"
    path.write_bytes(content + hashlib.sha256(content).digest())
    with pytest.raises(xiaoer.DamagedFile):
        xiaoer.WordFilter.load(path)


def test_other_formats_are_named(xiaoer: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "words"
    path.write_bytes(b"XIAOERWF" + (9).to_bytes(4, "little") + bytes(40))
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
