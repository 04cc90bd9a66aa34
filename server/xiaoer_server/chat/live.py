"""An answer that grows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from sqlalchemy.exc import SQLAlchemyError

from ..errors import Unavailable
from ..store import entries
from ..store.writer import GroupWriter, WriterClosed
from .entries import Entry, Piece, Source

if TYPE_CHECKING:
    from .conversation import Conversation

log = logging.getLogger(__name__)

#: A growing text is stored this often, in seconds: what a crash may take from it.
CHECKPOINT_SECONDS = 1.0

#: An end that could not be stored is tried again after each of these, in seconds. The visitor has the text already.
END_RETRIES = (0.2, 1.0, 3.0)


class LiveAnswer:
    """An assistant's answer under way, as `ConversationLog.begin_answer` returns it.

    Attributes:
        entry: The visible entry, its status `streaming`. Its text is complete once the answer has ended.
        pieces: What was appended, in order.
        length: Code points of all pieces.
        conversation: Where it belongs; another object after the log had to drop the conversation meanwhile.
    """

    __slots__ = (
        "_ending",
        "_joined",
        "_loop",
        "_on_end",
        "_text",
        "_timer",
        "_writer",
        "conversation",
        "entry",
        "length",
        "pieces",
    )

    def __init__(
        self,
        conversation: Conversation,
        entry: Entry,
        writer: GroupWriter,
        on_end: Callable[[LiveAnswer], None],
    ) -> None:
        self.conversation = conversation
        self.entry = entry
        self.pieces: list[Piece] = []
        self.length = 0
        self._text = ""
        self._joined = 0  # as many pieces are in it
        self._writer = writer
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[Entry] | None = None

    @property
    def text(self) -> str:
        """The text as far as it came. Only what came since the last time is put together anew."""
        pieces = self.pieces
        if self._joined < len(pieces):
            self._text += "".join([piece.text for piece in pieces[self._joined :]])
            self._joined = len(pieces)
        return self._text

    def append(self, text: str) -> None:
        """Let the answer grow; watchers see it at once. An empty text does nothing."""
        if self._ending is not None:
            raise RuntimeError("the answer has ended")
        if not text:
            return
        piece = Piece(self.entry.seq, self.length, text)
        self.pieces.append(piece)
        self.length = piece.end
        if self._timer is None:
            self._timer = self._loop.call_later(CHECKPOINT_SECONDS, self._checkpoint)
        self.conversation.notify()

    async def finish(self, finish_reason: str = "stop", sources: list[Source] | None = None) -> Entry:
        """End the answer as whole; it shows as such once that is durable.

        Raises:
            Unavailable: `store_unavailable`: the end could not be stored; the answer shows as interrupted, and
                what a restart leaves of its text may be some seconds old.
        """
        return await self._end("complete", finish_reason, sources)

    async def interrupt(self, finish_reason: str) -> Entry:
        """End the answer as interrupted, its text as far as it came. Raises as `finish` does.

        On an answer that is ending already, both only wait for that end.
        """
        return await self._end("interrupted", finish_reason, None)

    def _checkpoint(self) -> None:
        self._timer = None
        self._writer.submit(entries.CHECKPOINT, self._key() | {"new_text": self.text}, self._checkpointed)

    def _checkpointed(self, error: Exception | None) -> None:
        if error is not None:
            log.warning("the text of an answer under way was not stored: %s", error)

    async def _end(
        self, status: Literal["complete", "interrupted"], finish_reason: str, sources: list[Source] | None
    ) -> Entry:
        # Once begun, an end is carried through, also where its caller is cancelled; who comes second gets the
        # first one's outcome.
        if self._ending is None:
            self._ending = self._loop.create_task(self._end_as(status, finish_reason, sources or None))
        return await asyncio.shield(self._ending)

    async def _end_as(
        self, status: Literal["complete", "interrupted"], finish_reason: str, sources: list[Source] | None
    ) -> Entry:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        text = self.text
        error = await self._store(
            self._key() | {"new_text": text, "new_status": status, "new_reason": finish_reason, "new_sources": sources}
        )
        entry = self.entry
        entry.text = text
        if error is None:
            entry.status, entry.finish_reason, entry.sources = status, finish_reason, sources
        else:
            # The row says that it streams, which whoever reads it next takes for interrupted.
            entry.status, entry.finish_reason = "interrupted", "store_unavailable"
        self._on_end(self)
        if error is not None:
            raise error
        return entry

    async def _store(self, ending: dict[str, object]) -> Unavailable | None:
        for wait in (*END_RETRIES, None):
            try:
                await self._writer.run(entries.FINISH, ending)
            except (SQLAlchemyError, WriterClosed) as error:
                log.error("the end of an answer was not stored: %s", error)
                if wait is None or isinstance(error, WriterClosed):
                    break
                await asyncio.sleep(wait)
            else:
                return None
        return Unavailable("The answer could not be stored.", code="store_unavailable", retry_after=1)

    def _key(self) -> dict[str, object]:
        conversation = self.conversation
        return {
            "of_tenant": conversation.tenant,
            "of_conversation": conversation.id,
            "of_seq": self.entry.seq,
        }
