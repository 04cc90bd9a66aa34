"""What the brain asks of a language model, whoever serves it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

import msgspec

ModelFailure = Literal[
    "connect",
    "timeout",
    "rate_limited",
    "rejected",
    "unavailable",
    "malformed",
    "truncated",
    "open",
    "busy",
    "too_long",
]


class ChatMessage(msgspec.Struct, frozen=True):
    """One turn of the prompt, in the shape of OpenAI's chat completions."""

    role: Literal["system", "user", "assistant"]
    content: str


class ModelRequest(msgspec.Struct, frozen=True):
    """What the chat asks.

    `conversation` keeps to one provider where several share a model; `tenant` has its fair turn. `temperature` and
    `max_tokens` are the tenant's own, or None for the model's.
    """

    messages: list[ChatMessage]
    tenant: str
    conversation: str
    temperature: float | None = None
    max_tokens: int | None = None


class ModelError(Exception):
    """The model gave no whole answer.

    Args:
        failure: What happened. `truncated` means the stream ended without its finish reason, `open` that no provider
            may be asked for now, `busy` that too many wait for a connection, `too_long` that the input has no room.
        message: For the operator's log; never holds a key or an address's credentials.
        retryable: Whether the same request may succeed when sent again.
        retry_after: Seconds the upstream asked to wait.
    """

    def __init__(
        self, failure: ModelFailure, message: str, *, retryable: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.failure = failure
        self.retryable = retryable
        self.retry_after = retry_after


class Provider(Protocol):
    """A model behind some protocol. One instance serves all conversations of the process."""

    @property
    def name(self) -> str:
        """The model's name, as the log shows it."""

    async def start(self) -> None:
        """Open what is shared between requests."""

    async def stream(
        self,
        request: ModelRequest,
        on_text: Callable[[str], None],
        on_progress: Callable[[int, int], None] | None = None,
    ) -> str:
        """Ask the model and hand each piece of text to `on_text` as it comes.

        Retries, fallbacks and breakers are the provider's affair; who asks, asks once. `on_progress(done, total)` is
        called while a long input is worked off in parts.

        Returns:
            The finish reason the model gave, such as `stop` or `length`.

        Raises:
            ModelError: no whole answer came; pieces may have been handed over before.
        """

    async def close(self) -> None:
        """Close all connections."""
