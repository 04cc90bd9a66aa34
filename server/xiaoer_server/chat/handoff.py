"""Hand-offs: conversations that nobody but a human can answer now.

A conversation has one open hand-off at most, and its visitor is told of it once, in the log like everything else that
is said. Both survive a restart: the hand-off is a row, and whether the visitor was told is read from the log itself.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import get_args

import uuid_utils
from sqlalchemy.exc import SQLAlchemyError

from ..brain.language import Language
from ..errors import ServerError, Unavailable
from ..llm.provider import ModelFailure
from ..ops import metrics
from ..store import handoffs as rows
from ..store.engine import Store
from ..store.handoffs import HandOff, State
from ..store.writer import WriterClosed
from .conversation import Conversation
from .log import ConversationLog

log = logging.getLogger(__name__)

#: No promise of a time: who is at the desk is not known here.
NOTICE: Mapping[Language, str] = {
    "zh": "智能客服暂时答不了这个问题，已为您转入人工客服的队列，同事会在这里回复您。",
    "en": "Our assistant cannot answer this at the moment. Your question is in the queue for a colleague, who will "
    "answer you here.",
}

#: Where the visitor asked for it, or a dialogue led there: somebody has just said that a colleague comes.
WANTED: Mapping[Language, str] = {
    "zh": "您已在人工客服的队列中，同事会在这里回复您。",
    "en": "You are in the queue for a colleague, who will answer you here.",
}

#: Reasons that are no failure of ours.
FAILURES = frozenset(get_args(ModelFailure)) | {"no_evidence"}

Key = tuple[str, str]


class HandOffs:
    """The open hand-offs of all conversations; this process is the only one that opens any."""

    def __init__(self, store: Store, conversations: ConversationLog) -> None:
        self._rows = rows.HandOffs(store)
        self._log = conversations
        self._loop = asyncio.get_running_loop()
        self._open: dict[Key, HandOff] = {}
        self._opening: dict[Key, asyncio.Task[HandOff]] = {}
        metrics.HANDOFFS_WAITING.set_function(lambda: self.waiting)

    async def load(self) -> None:
        """Read what the last process left open; to be called once, before anything is handed over.

        Raises:
            SQLAlchemyError: the database cannot be read.
        """
        self._open = {(handoff.tenant, handoff.conversation): handoff for handoff in await self._rows.open()}

    @property
    def waiting(self) -> int:
        """How many nobody has taken."""
        return sum(handoff.state == "waiting" for handoff in self._open.values())

    def find(self, tenant: str, conversation: str) -> HandOff | None:
        """The conversation's open hand-off."""
        return self._open.get((tenant, conversation))

    async def hand_over(self, conversation: Conversation, reason: str, language: Language) -> HandOff:
        """Put the conversation into the queue for a human and tell the visitor, unless that has happened already.

        Returns once both are durable.

        Raises:
            Unavailable: `store_unavailable`; to be called again, it goes on where it stopped.
        """
        key = (conversation.tenant, conversation.id)
        handoff = self._open.get(key)
        if handoff is None:
            task = self._opening.get(key)
            if task is None:
                task = self._opening[key] = self._loop.create_task(self._insert(key, reason, language))
                task.add_done_callback(lambda task: self._opened(key, task))
            # Who is cancelled meanwhile has opened it all the same.
            handoff = await asyncio.shield(task)
        if not handoff.told:
            await self._tell(conversation, handoff, language)
        return handoff

    async def set_state(self, tenant: str, conversation: str, state: State) -> bool:
        """Note that somebody has taken the open hand-off, gives it back, or is done; False if there is none.

        Raises:
            Unavailable: `store_unavailable`.
        """
        key = (tenant, conversation)
        handoff = self._open.get(key)
        if handoff is None:
            return False
        try:
            await self._rows.set_state(tenant, handoff.id, state)
        except (SQLAlchemyError, WriterClosed) as error:
            raise _unavailable() from error
        handoff.state = state
        if state == "done" and self._open.get(key) is handoff:
            del self._open[key]
        return True

    def _opened(self, key: Key, task: asyncio.Task[HandOff]) -> None:
        del self._opening[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a hand-off could not be opened: %s", error)

    async def _insert(self, key: Key, reason: str, language: Language) -> HandOff:
        try:
            number = await self._rows.last_number(*key) + 1
            now = int(time.time() * 1000)
            handoff = HandOff(key[0], str(uuid_utils.uuid7()), key[1], number, reason, language, "waiting", now)
            await self._rows.insert(handoff)
        except (SQLAlchemyError, WriterClosed) as error:
            raise _unavailable() from error
        self._open[key] = handoff
        log.info("conversation %s of %s waits for a human: %s", key[1], key[0], reason)
        return handoff

    async def _tell(self, conversation: Conversation, handoff: HandOff, language: Language) -> None:
        handoff.told = True  # at once: whoever comes while the notice is on its way does not send a second
        told: asyncio.Future[None] = self._loop.create_future()

        def done(_seq: int, error: ServerError | None) -> None:
            if error is not None:
                handoff.told = False
            if told.done():
                return
            if error is None:
                told.set_result(None)
            else:
                told.set_exception(error)

        answered_by = rows.NOTICE + handoff.id
        notice = NOTICE if handoff.reason in FAILURES else WANTED
        self._log.append(conversation, "system", notice[language], done, answered_by=answered_by)
        await told


def _unavailable() -> Unavailable:
    return Unavailable("The hand-off could not be stored.", code="store_unavailable", retry_after=1)
