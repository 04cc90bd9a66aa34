"""Loads what the model process runs. What loads a model is imported only here, and only when it is wanted."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np

from .heads import Head
from .interface import Kind, Vectors
from .manifest import verified

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
        CannotLoad: the encoder is damaged, or its libraries are not installed.
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


def _encoder(folder: Path, threads: int) -> tuple[LoadedEncoder | None, int]:
    if not folder.is_dir():
        log.warning("no encoder: %s is not there", folder)
        return None, 0
    try:
        from .encoder import Encoder

        encoder: LoadedEncoder = Encoder(folder, threads)
        # The first run is slower than the others, and tells the dimensions.
        vectors = encoder.embed(["你好 hello"], "query")
    except Exception as error:
        raise CannotLoad(f"model {folder.name}: {error}") from error
    if not np.isfinite(vectors).all():
        log.error("encoder %s gives vectors that are not finite; its answers are refused", encoder.version)
    return encoder, int(vectors.shape[1])


def _verifier(folder: Path, threads: int) -> LoadedVerifier | None:
    """One that cannot be used is left out: what only needs the encoder goes on."""
    if not folder.is_dir():
        log.info("no verifier: %s is not there", folder)
        return None
    try:
        from .verifier import PairVerifier

        verified(folder)
        verifier: LoadedVerifier = PairVerifier(folder, threads)
        verifier.verify([("你好", "hello")])
    except Exception as error:
        log.error("verifier %s cannot be used: %s", folder.name, error)
        return None
    return verifier


def _load_head(content: bytes) -> Head:
    from .head import Head as TrainedHead

    head: Head = TrainedHead.load(content)
    return head
