"""Who takes an upstream's answer, as it comes and as the upstream wrote it."""

from __future__ import annotations

from typing import Protocol

from .provider import ModelFailure


class UpstreamError(Exception):
    """A call that did not end with a whole response. A refusal with a status is a response, not this.

    Args:
        kind: What happened.
        message: For the operator's log; never holds a key or an address's credentials.
        answered: Whether a byte of the response had come; if not, the call can be sent again to somebody else.
    """

    def __init__(self, kind: ModelFailure, message: str, *, answered: bool = False) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.answered = answered


class Receiver(Protocol):
    """Gets one response: `on_head`, any number of `on_body`, then `on_end`; or at any point `on_error`, and no more.

    All are called on the loop, none may raise or block. After the call was cancelled nothing is called any more.
    """

    def on_head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Status and header fields, names in lower case."""

    def on_body(self, data: bytes) -> None:
        """The next bytes of the body, never empty."""

    def on_end(self) -> None:
        """The response is whole."""

    def on_error(self, error: UpstreamError) -> None:
        """The response does not come, or not to its end."""
