"""When a conversation is answered: bursts, lanes, slots, and what becomes of an answer that fails.

What people wait on goes through the urgent lane, the rest behind it; both are bounded. What the answer is, is not
this module's business: see `pipeline`.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

from xiaoer import PriorityQueue, WordFilter

from ..brain.language import language_of
from ..config import AnswerSettings
from ..errors import ServerError
from ..ops import metrics
from .answer import AnswerSink
from .burst import Burst
from .conversation import Conversation
from .log import ConversationLog
from .question import ignore, joined, question_of

log = logging.getLogger(__name__)

#: Lanes of the queue: somebody is looking at the conversation, or nobody is.
URGENT, BACKGROUND = 0, 1

BUSY = {
    "zh": "现在咨询的人很多，请稍后再问一次。",
    "en": "Very many people are asking right now. Please ask again in a moment.",
}
FAILED = {
    "zh": "刚才没能答复您，请再问一次。",
    "en": "Something went wrong and there is no answer. Please ask again.",
}

#: An answer that could not be stored is tried again after so many seconds, so many times; while the store is known
#: not to write it is not even asked for.
STORE_RETRY_SECONDS, STORE_RETRIES = 2.0, 3

Key = tuple[str, str]
Answerer = Callable[[Conversation, int, AnswerSink], Awaitable[None]]
"""Brings out the answer of a conversation whose messages up to a seq are answered; nothing if none is unanswered."""


class Turn:
    """What the pipeline knows of one conversation while messages of it are unanswered.

    It outlives the conversation's object, which the log drops after a failed commit and may load anew.
    """

    __slots__ = ("again", "burst", "covered", "losses", "sink", "state", "task")

    def __init__(self, burst: Burst) -> None:
        self.burst = burst
        self.state: Literal["idle", "queued", "answering"] = "idle"
        self.task: asyncio.Task[None] | None = None
        self.sink: AnswerSink | None = None
        self.again = False
        self.covered = 0  # up to this seq messages are answered; 0: up to the newest answer
        self.losses = 0  # answers in a row that could not be stored


class Lanes:
    """Whose turn it is. One per process.

    Args:
        words: The word filter of each tenant, for what goes out.
        answer: Called in a task for each turn.
    """

    def __init__(
        self,
        settings: AnswerSettings,
        conversations: ConversationLog,
        words: Mapping[str, WordFilter],
        answer: Answerer,
    ) -> None:
        self._settings = settings
        self._log = conversations
        self._words = words
        self._bring_out = answer
        self._queue: PriorityQueue[Key] = PriorityQueue(2, settings.max_waiting)
        self._turns: dict[Key, Turn] = {}
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._loop = asyncio.get_running_loop()
        self._dispatcher: asyncio.Task[None] | None = None
        self._answers: set[asyncio.Task[None]] = set()
        self.draining = False

    @property
    def full(self) -> bool:
        """Whether nothing more may wait."""
        return self._queue.qsize() >= self._settings.max_waiting

    @property
    def idle(self) -> bool:
        """Whether nothing is unanswered."""
        return not self._turns

    def asked(self, conversation: Conversation) -> None:
        """A message is durable: it wants an answer, at once or as a part of what is about to be answered."""
        turn = self._turn((conversation.tenant, conversation.id))
        if turn.state == "answering":
            if turn.sink is not None and turn.sink.started:
                turn.again = True
                return
            assert turn.task is not None
            if turn.sink is not None:
                turn.sink.abandon()
            turn.task.cancel()
            turn.task = turn.sink = None
            turn.state = "idle"
        if turn.state == "idle":
            turn.burst.touch()

    def _turn(self, key: Key) -> Turn:
        turn = self._turns.get(key)
        if turn is None:
            answer = self._settings
            turn = self._turns[key] = Turn(
                Burst(
                    functools.partial(self.enqueue, key),
                    gap=answer.burst_ms / 1000,
                    longest=answer.burst_max_ms / 1000,
                    loop=self._loop,
                )
            )
        return turn

    def enqueue(self, key: Key) -> None:
        """Put a conversation into its lane."""
        turn = self._turn(key)
        if turn.state != "idle":
            return
        conversation = self._log.cached(*key)
        lane = URGENT if conversation is not None and conversation.watched else BACKGROUND
        try:
            self._queue.put_nowait(key, lane, key[0])
        except asyncio.QueueFull:
            if conversation is not None:
                self._tell(conversation, BUSY)
            del self._turns[key]
        else:
            turn.state = "queued"

    def _tell(self, conversation: Conversation, notice: Mapping[str, str]) -> None:
        """Tell the visitor what became of the unanswered messages, in their language."""
        text = notice[language_of(joined(question_of(conversation)[0]))]
        self._log.append(conversation, "system", text, ignore)

    async def start(self) -> None:
        """Begin to answer."""
        for name, lane in (("urgent", URGENT), ("background", BACKGROUND)):
            metrics.QUEUE_DEPTH.labels(name).set_function(functools.partial(self._queue.qsize, lane))
        self._dispatcher = self._loop.create_task(self._dispatch())

    async def drain(self, limit: float) -> None:
        """Begin no new answer, let those under way finish for `limit` seconds, then interrupt what is left.

        What waits is left unanswered in the log, where the next start finds it.
        """
        self.draining = True
        if self._dispatcher is not None:
            self._dispatcher.cancel()
        if self._answers:
            await asyncio.wait(self._answers, timeout=limit)
        for task in self._answers:
            task.cancel()
        if self._answers:
            await asyncio.wait(self._answers)

    async def _dispatch(self) -> None:
        while True:
            await self._slots.acquire()
            key = await self._queue.get()
            turn = self._turn(key)
            turn.state = "answering"
            turn.task = task = self._loop.create_task(self._answer(key, turn))
            self._answers.add(task)
            task.add_done_callback(self._answered)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._slots.release()
        self._answers.discard(task)

    async def _answer(self, key: Key, turn: Turn) -> None:
        me = turn.task
        words = self._words[key[0]]
        turn.again = False
        sink: AnswerSink | None = None
        lost = False
        try:
            conversation = await self._log.open(*key)
            turn.sink = sink = AnswerSink(self._log, conversation, words)
            await self._bring_out(conversation, turn.covered, sink)
        except asyncio.CancelledError:
            # A newer message came before the answer had started, or the server is going down.
            await self._interrupt(sink, "restart", "cancelled")
        except ServerError as error:
            # The disk does not take the answer; the log has told the visitor to come back.
            log.error("an answer could not be stored: %s", error)
            count(sink, "lost")
            lost = True
        except Exception:
            log.exception("answering failed")
            await self._interrupt(sink, "internal_error", "error")
            if sink is not None and not sink.visible:
                self._tell(conversation, FAILED)
        finally:
            if sink is not None and sink.visible:
                turn.covered = sink.covers
            if turn.task is me:
                self._settle(key, turn, lost=lost and not (sink is not None and sink.visible))

    async def _interrupt(self, sink: AnswerSink | None, finish_reason: str, outcome: str) -> None:
        """End what there is of an answer."""
        count(sink, outcome)
        if sink is not None:
            try:
                await sink.interrupt(finish_reason)
            except ServerError as error:
                log.error("an answer could not be stored: %s", error)
            except Exception:
                log.exception("an answer could not be ended")

    def _settle(self, key: Key, turn: Turn, *, lost: bool) -> None:
        """An answer has ended: see whether there is another one to give."""
        turn.task = turn.sink = None
        turn.state = "idle"
        turn.losses = turn.losses + 1 if lost else 0
        if self.draining:
            self._turns.pop(key, None)
        elif turn.again:
            turn.burst.touch()
        elif lost and turn.losses <= STORE_RETRIES:
            self._loop.call_later(STORE_RETRY_SECONDS, self._retry, key)
        elif not turn.burst.waiting:
            self._turns.pop(key, None)

    def _retry(self, key: Key) -> None:
        """The store may take the answer by now."""
        if self.draining:
            return
        if self._log.writable:
            self.enqueue(key)
        else:
            self._loop.call_later(STORE_RETRY_SECONDS, self._retry, key)


def count(sink: AnswerSink | None, outcome: str) -> None:
    """Count an answer by who gave it."""
    answerer = sink.answered_by.partition(":")[0] if sink is not None else ""
    metrics.ANSWERS.labels(answerer or "none", outcome).inc()
