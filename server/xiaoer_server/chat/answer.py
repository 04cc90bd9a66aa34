"""The way out of an answer: through the word filter, into the log."""

from __future__ import annotations

import asyncio
import time

from xiaoer import WordFilter

from ..ops import metrics
from .conversation import Conversation
from .entries import Entry, Source
from .live import LiveAnswer
from .log import ConversationLog


class AnswerSink:
    """Takes an answer's text as it comes and lets it grow in the log.

    The log's entry is opened by the first text that passes the filter, so that its seq orders as people saw it.
    Opening waits for the disk; what comes meanwhile is kept here. After that a piece goes straight through.
    """

    __slots__ = (
        "_abandoned",
        "_conversation",
        "_filter",
        "_held",
        "_live",
        "_log",
        "_opening",
        "after",
        "answered_by",
        "asked_at",
        "covers",
        "state",
    )

    def __init__(self, log: ConversationLog, conversation: Conversation, words: WordFilter) -> None:
        self._log = log
        self._conversation = conversation
        self._filter = words.stream()
        self._abandoned = False
        self._held: list[str] = []
        self._live: LiveAnswer | None = None
        self._opening: asyncio.Task[LiveAnswer] | None = None
        self.answered_by = ""
        self.after = ""  # what a dialogue says behind a whole answer
        self.state: str | None = None  # of the dialogue after this answer, see `Entry`; set before it starts
        self.asked_at = time.monotonic()
        self.covers = 0  # seq of the last message that it answers

    @property
    def started(self) -> bool:
        """Whether anything of the answer is, or is about to be, in the log."""
        return self._opening is not None

    @property
    def visible(self) -> bool:
        """Whether the answer's entry is in the log."""
        return self._live is not None

    def reset(self, words: WordFilter) -> None:
        """Begin again with another answerer; only before the answer has started."""
        assert not self.started
        self._filter = words.stream()

    def text(self, piece: str) -> None:
        """Take the next piece of text."""
        if self._abandoned:
            return
        self._pass_on(self._filter.feed(piece))

    def abandon(self) -> None:
        """Take nothing more; only before the answer has started. The model may speak on until its task ends."""
        assert not self.started
        self._abandoned = True

    async def finish(self, finish_reason: str, sources: list[Source] | None = None) -> Entry:
        """End the answer as whole; returns once that is durable."""
        if self.after:
            self._pass_on(self._filter.feed(f"\n\n{self.after}"))
        self._pass_on(self._filter.flush())
        if self._opening is None:
            self._begin()
        live = await self._opened()
        return await live.finish(finish_reason, sources)

    async def interrupt(self, finish_reason: str) -> Entry | None:
        """End the answer as interrupted, with the text as far as it came; None if it had not started.

        What the filter holds back is dropped: it may be the beginning of a word whose end did not come.
        """
        if not self.started:
            return None
        live = await self._opened()
        return await live.interrupt(finish_reason)

    def _pass_on(self, passed: str) -> None:
        if not passed:
            return
        if self._live is not None:
            self._live.append(passed)
            return
        self._held.append(passed)
        if self._opening is None:
            self._begin()

    def _begin(self) -> None:
        metrics.FIRST_TOKEN.observe(time.monotonic() - self.asked_at)
        self._opening = asyncio.ensure_future(self._open())

    async def _open(self) -> LiveAnswer:
        live = await self._log.begin_answer(self._conversation, self.answered_by, state=self.state)
        self._live = live
        for text in self._held:
            live.append(text)
        self._held.clear()
        return live

    async def _opened(self) -> LiveAnswer:
        assert self._opening is not None
        return await asyncio.shield(self._opening)
