"""What every part of the edge needs to know, gathered once by the composition root."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from ..chat.conversation import Conversation
    from ..chat.log import ConversationLog
    from ..config import Settings
    from ..errors import ServerError
    from ..llm.gateway import Gateway
    from ..store.tenants import Tenant
    from ..store.visitors import Visitors
    from .auth import Signer
    from .limits import Limits

Accepted = Callable[[int, "ServerError | None", "str | None"], None]
"""`done(seq, error, stored)`: called once, after the commit; `stored` is the text where it is not the sent one."""


class PipelineLike(Protocol):
    """The part of `chat.pipeline.Pipeline` that the edge calls."""

    def accept(self, conversation: Conversation, client_id: str, text: str, done: Accepted) -> None:
        """Take a visitor's message; never blocks, `done` follows once it is durable or refused."""

    async def drain(self, limit: float) -> None:
        """Let the answers under way finish, at most `limit` seconds."""


class FeedbackLike(Protocol):
    """The part of `chat.feedback.Feedback` that the edge calls."""

    async def give(self, conversation: Conversation, seq: int, value: Literal["up", "down"]) -> None:
        """Take a visitor's opinion of an answer; NotFound (unknown_answer) where there is none."""


class Session(Protocol):
    """An open outlet: a WebSocket or an event stream."""

    def close_for_restart(self) -> None:
        """Tell the peer to come back, then close (WebSocket 1012)."""


@dataclass(slots=True)
class EdgeContext:
    """One per process. Only `draining` and `sessions` change after the start.

    `render` turns Markdown into safe HTML. `ready` is what /readyz asks besides `draining`: it raises
    `Unavailable` while the process can't serve. `mark_read` stores how far the visitor of a conversation has read.
    `feedback` takes visitors' opinions of answers; without it they are refused. `gateway` answers /v1, where it is on;
    `large_body` gives the bytes that a request under /v1 with these headers may have, or 0 for the usual. `echo_route`
    opens the WebSocket conformance route; tests only.
    """

    settings: Settings
    log: ConversationLog
    pipeline: PipelineLike
    visitors: Visitors
    tenants: dict[str, Tenant]
    signer: Signer
    limits: Limits
    render: Callable[[str], str]
    ready: Callable[[], None] = lambda: None
    mark_read: Callable[[str, str, int], None] = lambda tenant, conversation, seq: None
    feedback: FeedbackLike | None = None
    gateway: Gateway | None = None
    large_body: Callable[[Sequence[tuple[bytes, bytes]]], int] = lambda headers: 0
    draining: bool = False
    sessions: set[Session] = field(default_factory=set)
    echo_route: bool = False
