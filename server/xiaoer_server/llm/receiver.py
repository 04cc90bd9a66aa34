"""Who is told of an upstream's answer, and how a failed one is told."""

from __future__ import annotations

from typing import Protocol

from .provider import ModelFailure


class UpstreamError(Exception):
    """An upstream gave no whole answer.

    Args:
        kind: What happened.
        message: For the operator's log; never holds a key or an address's credentials.
        answered: Whether a byte of the answer had come.
    """

    def __init__(self, kind: ModelFailure, message: str, *, answered: bool = False) -> None:
        super().__init__(message)
        self.kind = kind
        self.answered = answered


class Receiver(Protocol):
    """Hears of one response, in this order: the head, blocks of the body, then its end or an error, once."""

    def on_head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """The response has begun. Header names are in lower case."""

    def on_body(self, data: bytes) -> None:
        """The next bytes of the body."""

    def on_end(self) -> None:
        """The response is whole."""

    def on_error(self, error: UpstreamError) -> None:
        """There is no more."""
