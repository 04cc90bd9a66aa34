"""What visitors think of answers. A thumbs-down keeps an answer from being given again to this question."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Protocol

from ..errors import NotFound
from ..ops.metrics import FEEDBACK
from .conversation import Conversation
from .entries import Entry
from .log import ConversationLog

#: `entries.answered_by` of an answer from the cache: this and the entry's id.
CACHED = "cache:"

#: Entries before an answer that are searched for what it answers.
BURST = 40


class Cache(Protocol):
    """The part of `brain.semantic_cache.SemanticCache` that this calls."""

    async def dislike(self, tenant: str, asked_text: str, identity: str | None = None) -> bool: ...


class Feedback:
    """Takes thumbs up and down.

    Args:
        cache: Forgets what was disliked; None where there is none.
    """

    def __init__(self, conversations: ConversationLog, cache: Cache | None) -> None:
        self._log = conversations
        self._cache = cache

    async def give(self, conversation: Conversation, seq: int, value: Literal["up", "down"]) -> None:
        """Take a visitor's opinion of entry `seq`. Saying the same again changes nothing.

        Raises:
            NotFound: the entry is no whole answer of this conversation's assistant (unknown_answer).
            Unavailable: the log cannot be read.
        """
        before = await self._log.page(conversation.tenant, conversation.id, before=seq + 1, limit=BURST)
        entry = before.pop() if before else None
        if entry is None or entry.seq != seq or entry.role != "assistant" or entry.status == "streaming":
            raise NotFound("This entry is no answer that is whole.", code="unknown_answer")
        FEEDBACK.labels(value, (entry.answered_by or "").partition(":")[0] or "none").inc()
        if value == "down" and self._cache is not None:
            answerer = entry.answered_by or ""
            identity = answerer.removeprefix(CACHED) if answerer.startswith(CACHED) else None
            await self._cache.dislike(conversation.tenant, question_before(before), identity)


def question_before(entries: Iterable[Entry]) -> str:
    """What an answer behind these entries answers: the visitor's messages since the answer before it."""
    asked: list[str] = []
    for entry in reversed(list(entries)):
        if entry.role in ("assistant", "agent"):
            break
        if entry.role == "visitor" and (entry.flags is None or entry.flags.action != "block"):
            asked.append(entry.text)
    return "\n".join(reversed(asked))
