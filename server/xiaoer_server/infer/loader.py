"""Loads what the model process runs. What loads a model is imported only here, and only when it is wanted."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np

from .heads import Head
from .interface import Kind, Vectors

log = logging.getLogger(__name__)


class LoadedEncoder(Protocol):
    """Makes vectors of texts."""

    @property
    def version(self) -> str:
        """Name and hash."""

    def embed(self, texts: Sequence[str], kind: Kind) -> Vectors:
        """Of length 1, shape (len(texts), dimensions)."""


class LoadedVerifier(Protocol):
    """Says whether two texts ask for the same."""

    def verify(self, pairs: Sequence[tuple[str, str]]) -> Sequence[float]:
        """A probability for each pair."""


class CannotLoad(Exception):
    """A model that is there but cannot be used. One line for the operator."""


class Models(msgspec.Struct, frozen=True):
    """What is loaded; None for what is not there."""

    encoder: LoadedEncoder | None
    dimensions: int
    verifier: LoadedVerifier | None
    verifier_version: str
    load_head: Callable[[bytes], Head]


def load(folder: Path, encoder: str, verifier: str, threads: int) -> Models:
    """Load by name from the folder of models; a name that has no folder there is left out.

    Raises:
        CannotLoad: a model that is there is damaged, or its libraries are not installed.
    """
    began = time.monotonic()
    loaded, dimensions = _encoder(folder / encoder, threads) if encoder else (None, 0)
    if loaded is not None:
        seconds = time.monotonic() - began
        log.info("encoder %s: %d dimensions, loaded in %.1f s", loaded.version, dimensions, seconds)
    began = time.monotonic()
    judge = _verifier(folder / verifier, threads) if verifier else None
    version = ""
    if judge is not None:
        version = str(getattr(judge, "version", verifier))
        log.info("verifier %s: loaded in %.1f s", version, time.monotonic() - began)
    return Models(loaded, dimensions, judge, version, _load_head)


class _Manifest(msgspec.Struct):
    files: dict[str, str]


def _check_files(folder: Path) -> None:
    """Hold the files of a model against the hashes of its manifest.

    Raises:
        CannotLoad: there is no manifest, or a file is missing, outside the folder or another than it was.
    """
    try:
        manifest = msgspec.json.decode((folder / "manifest.json").read_bytes(), type=_Manifest)
        for name, expected in manifest.files.items():
            if Path(name).name != name:
                raise CannotLoad(f"model {folder.name}: {name!r} is no file of its folder")
            with (folder / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != expected:
                raise CannotLoad(f"model {folder.name}: {name} has another hash than its manifest says; pull it again")
    except (OSError, msgspec.DecodeError) as error:
        raise CannotLoad(f"model {folder.name}: {error}") from error


def _encoder(folder: Path, threads: int) -> tuple[LoadedEncoder | None, int]:
    if not folder.is_dir():
        log.warning("no encoder: %s is not there", folder)
        return None, 0
    _check_files(folder)
    try:
        from .encoder import Encoder

        encoder: LoadedEncoder = Encoder(folder, threads)
        # The first run is slower than the others, and tells the dimensions.
        vectors = encoder.embed(["你好 hello"], "query")
    except Exception as error:
        raise CannotLoad(f"model {folder.name}: {error!r}") from error
    if not np.isfinite(vectors).all():
        log.error("encoder %s gives vectors that are not finite; its answers are refused", encoder.version)
    return encoder, int(vectors.shape[1])


def _verifier(folder: Path, threads: int) -> LoadedVerifier | None:
    if not folder.is_dir():
        log.info("no verifier: %s is not there", folder)
        return None
    _check_files(folder)
    try:
        from .verifier import PairVerifier

        verifier: LoadedVerifier = PairVerifier(folder, threads)
        verifier.verify([("你好", "hello")])
    except Exception as error:
        raise CannotLoad(f"verifier {folder.name}: {error!r}") from error
    return verifier


def _load_head(content: bytes) -> Head:
    from .head import Head as TrainedHead

    head: Head = TrainedHead.load(content)
    return head
