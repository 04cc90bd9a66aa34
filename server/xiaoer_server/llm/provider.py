"""What the brain asks of a language model, whoever serves it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

import msgspec

#: `open`: no breaker lets a call through; `busy`: too many wait already; `too_long`: over the model's window.
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
    """One question to the model.

    Args:
        messages: The prompt, the system's part first.
        tenant: Whose it is: calls are fair between tenants.
        conversation: Its id: a conversation stays with one upstream where it can.
        temperature: Already held between the operator's bounds; None leaves it to the provider.
        max_tokens: The most tokens of the answer; None leaves it to the provider.
    """

    messages: list[ChatMessage]
    tenant: str
    conversation: str
    temperature: float | None = None
    max_tokens: int | None = None


class ModelError(Exception):
    """The model gave no whole answer.

    Args:
        failure: What happened. `truncated` means the stream ended without its finish reason.
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

        Whatever can be tried again or elsewhere before the first piece has been tried when this raises: a caller
        asks once.

        Args:
            request: What is asked, for whom.
            on_progress: Told (parts done, parts in all) while a long input is read in parts before the answer.

        Returns:
            The finish reason the model gave, such as `stop` or `length`.

        Raises:
            ModelError: no whole answer came; pieces may have been handed over before.
        """

    async def close(self) -> None:
        """Close all connections."""
