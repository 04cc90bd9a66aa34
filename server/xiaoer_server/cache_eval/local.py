"""The models in this process, for measuring: what `infer.client` is to the server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ..brain.cached import Vectors
from ..infer.interface import Kind


class EncoderLike(Protocol):
    """The part of `infer.encoder.Encoder` that is called."""

    version: str

    def embed(self, texts: Sequence[str], kind: Kind) -> Vectors: ...


class VerifierLike(Protocol):
    """The part of `infer.verifier.PairVerifier` that is called."""

    def verify(self, pairs: Sequence[tuple[str, str]]) -> list[float]: ...

    def threshold_for(self, wrong_hit_target: float) -> float: ...


class LocalMeaning:
    """A `brain.cached.Meaning` without a service.

    Args:
        verifier: None: nothing is a hit by meaning.
    """

    def __init__(self, encoder: EncoderLike, verifier: VerifierLike | None = None) -> None:
        self._encoder = encoder
        self._verifier = verifier
        self.ready = True

    @property
    def version(self) -> str:
        """Of the encoder."""
        return self._encoder.version

    @property
    def can_verify(self) -> bool:
        """Whether there is a verifier."""
        return self._verifier is not None

    def verify_threshold(self, target: float) -> float | None:
        """What the verifier was calibrated to for a wrong-hit target; None without a verifier."""
        return None if self._verifier is None else self._verifier.threshold_for(target)

    async def embed(self, texts: Sequence[str], *, deadline: float | None = None) -> Vectors:
        """Embed as queries."""
        del deadline
        return self._encoder.embed(texts, "query")

    async def verify(self, pairs: Sequence[tuple[str, str]], *, deadline: float | None = None) -> list[float]:
        """Compare."""
        del deadline
        assert self._verifier is not None
        return self._verifier.verify(pairs)


def open_local(encoder: Path, verifier: Path | None) -> LocalMeaning:
    """Load the models.

    Raises:
        ImportError: what runs models is not installed.
        OSError, ValueError: a folder holds no model that can be run.
    """
    from ..infer.encoder import Encoder  # type: ignore[import-not-found, unused-ignore]

    if verifier is None:
        return LocalMeaning(Encoder(encoder, threads=1))
    from ..infer.verifier import PairVerifier  # type: ignore[import-not-found, unused-ignore]

    return LocalMeaning(Encoder(encoder, threads=1), PairVerifier(verifier, threads=1))
