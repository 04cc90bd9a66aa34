"""What of a conversation is unanswered, and what was said before it."""

from __future__ import annotations

import logging

from ..errors import ServerError
from ..store.handoffs import NOTICE
from .conversation import Conversation
from .entries import Entry

log = logging.getLogger(__name__)

#: Entries that are looked through for unanswered messages; more than a visitor's limits let through in a burst.
LONGEST_QUESTION = 200


def question_of(conversation: Conversation, covered: int = 0, most: int = 0) -> tuple[list[Entry], list[Entry]]:
    """What is unanswered, and the history window of at most `most` entries that ends with it.

    A message may lie before the answer it came too late for, where the answer began while it was on its way to
    the disk; `covered` tells those from the answered ones.
    """
    entries = conversation.recent(LONGEST_QUESTION)
    entries = [entry for entry in entries if entry.flags is None or entry.flags.action != "block"]
    answers = (entry.seq for entry in reversed(entries) if entry.role in ("assistant", "agent"))
    first = (covered or next(answers, 0)) + 1
    asked = [entry for entry in entries if entry.role == "visitor" and entry.seq >= first]
    said = [
        entry
        for entry in entries
        if entry.role in ("assistant", "agent") or (entry.role == "visitor" and entry.seq < first)
    ]
    earlier = max(0, most - len(asked))
    return asked, said[len(said) - min(earlier, len(said)) :] + asked


def since_notice(conversation: Conversation, asked: list[Entry]) -> list[Entry]:
    """What was asked after the visitor was told of a hand-off; all of it if that was not so."""
    notices = (
        entry.seq
        for entry in reversed(conversation.recent(LONGEST_QUESTION))
        if entry.answered_by is not None and entry.answered_by.startswith(NOTICE)
    )
    told = next(notices, 0)
    return [entry for entry in asked if entry.seq > told]


def joined(asked: list[Entry]) -> str:
    """The messages as one text."""
    return "\n".join(entry.text for entry in asked)


def ignore(_seq: int, error: ServerError | None) -> None:
    """For a notice that nobody waits for."""
    if error is not None:
        log.error("a notice to a visitor could not be stored: %s", error)
