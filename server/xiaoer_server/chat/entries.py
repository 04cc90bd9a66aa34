"""The log's vocabulary: entries, the pieces of a growing answer, and who is asking.

None of the structs can be part of a reference cycle, so the garbage collector need not know them (`gc=False`):
hundreds of thousands of entries in memory would make each of its full runs a pause that visitors feel.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from ..brain.source import Source as Source

Role = Literal["visitor", "assistant", "agent", "system"]
Status = Literal["complete", "streaming", "interrupted"]


class Identity(msgspec.Struct, frozen=True):
    """Whom a verified visitor token speaks for. `expires` is in seconds since the epoch."""

    tenant: str
    visitor: str
    conversation: str
    expires: int


class Flags(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What the word filter did to a message: the strictest action and the words it hit."""

    action: Literal["mask", "block"]
    words: list[str]


class Entry(msgspec.Struct, gc=False):
    """One entry of a conversation's log.

    `seq` counts from 1 without gaps. `at` is UTC in milliseconds since the epoch. `client_id` is the visitor's
    own key that makes a resend idempotent. `finish_reason` is set once an answer has ended: `stop`, `length`,
    `content_filter`, or why it was interrupted: `upstream_error`, `timeout`, `restart`, `cancelled`.
    `answered_by` names the answerer: `knowledge`, `model:<name>`, `memory` for an earlier answer of the model, or
    `handoff:<id>` for the notice that a human will take over. `state` is that of the dialogue which runs after this
    entry, for `brain/dialog.py` alone: "" if none runs any more, None if nothing changed. It is never shown.
    """

    seq: int
    role: Role
    text: str
    at: int
    client_id: str | None = None
    status: Status = "complete"
    finish_reason: str | None = None
    sources: list[Source] | None = None
    flags: Flags | None = None
    answered_by: str | None = None
    state: str | None = None


class Piece(msgspec.Struct, gc=False):
    """A delta of a growing answer: `text` starts at code point `offset` of entry `seq` and goes on to `end`.

    Outlets keep the encoded frame in `ws` or `sse`, so that it is made once however many sockets receive it.
    """

    seq: int
    offset: int
    text: str
    end: int = 0
    ws: bytes | None = None
    sse: bytes | None = None

    def __post_init__(self) -> None:
        self.end = self.offset + len(self.text)


class Typing(msgspec.Struct, frozen=True):
    """Somebody is writing; passing on is all that happens to it, it is never stored."""

    role: Role
