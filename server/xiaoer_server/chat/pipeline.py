"""The one place that orders the stages of a message.

    accept: filter(in) → log → burst
    answer: history → knowledge → model → filter(stream) → log
            model cannot be asked: what it answered before → the knowledge's own passage → hand-off to a human

What people wait on goes through the urgent lane, the rest behind it; both are bounded.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from xiaoer import PriorityQueue, WordFilter

from ..brain import prompt
from ..brain.answer_memory import AnswerMemory
from ..brain.answerer import Answer, compose
from ..brain.knowledge import Knowledge, Passage
from ..brain.language import language_of
from ..config import Settings, TenantSettings
from ..errors import ServerError, Unavailable
from ..llm.provider import ModelError, ModelFailure, ModelRequest, Provider
from ..ops import metrics
from ..store.handoffs import NOTICE
from .answer import AnswerSink
from .burst import Burst
from .conversation import Conversation
from .entries import Entry, Flags, Source, Typing
from .handoff import HandOffs
from .log import ConversationLog

log = logging.getLogger(__name__)

Accepted = Callable[[int, ServerError | None, str | None], None]

#: Lanes of the queue: somebody is looking at the conversation, or nobody is.
URGENT, BACKGROUND = 0, 1

#: The built-in answerer's passage grows at this pace, in code points a second and code points a step.
TYPING_PACE, TYPING_STEP = 800, 8

BLOCKED = {
    "zh": "这条消息含有不能处理的内容，没有转给客服。请换个说法再试。",
    "en": "This message contains something we can't handle and was not passed on. Please put it another way.",
}
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

#: Entries that are looked through for unanswered messages; more than a visitor's limits let through in a burst.
LONGEST_QUESTION = 200

Key = tuple[str, str]


class Asking(NamedTuple):
    """What is asked, and what there is to answer it with.

    `grounds` is all that an answer rests on besides the question; None where the conversation so far counts too.
    """

    conversation: Conversation
    asked: list[Entry]
    passages: list[Passage]
    sources: list[Source] | None
    request: ModelRequest
    grounds: str | None


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


class Pipeline:
    """Takes visitors' messages in and brings answers out.

    Args:
        words: The word filter of each tenant.
        shops: Each tenant's name and its own rules for the model.
        provider: The model, or None where the built-in answerer works alone.
        handoffs: The queue for a human; None where there is none to wait for.
        memory: What the model answered before.
    """

    def __init__(
        self,
        settings: Settings,
        conversations: ConversationLog,
        knowledge: Knowledge,
        words: Mapping[str, WordFilter],
        shops: Mapping[str, tuple[str, str]],
        provider: Provider | None,
        handoffs: HandOffs | None = None,
        memory: AnswerMemory | None = None,
    ) -> None:
        self._settings = settings
        self._log = conversations
        self._knowledge = knowledge
        self._words = words
        self._shops = shops
        self._options = {slug: _options(settings, tenant) for slug, tenant in settings.tenants.items()}
        self._threshold = settings.answer.evidence_threshold
        self._provider = provider
        self._handoffs = handoffs
        self._memory = memory if memory is not None else AnswerMemory()
        self._queue: PriorityQueue[Key] = PriorityQueue(2, settings.answer.max_waiting)
        self._turns: dict[Key, Turn] = {}
        self._slots = asyncio.Semaphore(settings.answer.concurrency)
        self._loop = asyncio.get_running_loop()
        self._dispatcher: asyncio.Task[None] | None = None
        self._answers: set[asyncio.Task[None]] = set()
        self._draining = False

    # -- in ---------------------------------------------------------------------------------------------------

    def accept(self, conversation: Conversation, client_id: str, text: str, done: Accepted) -> None:
        """Take a visitor's message; see `edge.context.PipelineLike`."""
        if self._draining:
            done(0, Unavailable("The server is restarting; send again.", code="draining", retry_after=2.0), None)
            return
        if self._queue.qsize() >= self._settings.answer.max_waiting:
            done(0, Unavailable("All lanes are full; send again later.", code="busy", retry_after=5.0), None)
            return
        words = self._words[conversation.tenant]
        flags = None
        stored = text
        if words.contains(text):
            matches = words.find(text)
            blocked = any(match.word.action == "block" for match in matches)
            flags = Flags("block" if blocked else "mask", sorted({match.word.text for match in matches}))
            stored = words.replace(text)
        known = conversation.last_seq

        def durable(seq: int, error: ServerError | None) -> None:
            done(seq, error, stored if stored != text else None)
            if error is not None or seq <= known:
                return
            metrics.MESSAGES.inc()
            if flags is not None and flags.action == "block":
                self._log.append(conversation, "system", BLOCKED[language_of(text)], _ignore)
            elif self._settings.answer.enabled:
                self._asked(conversation)

        self._log.append(conversation, "visitor", stored, durable, client_id=client_id, flags=flags)

    def resume(self, tenant: str, conversation: str) -> None:
        """Answer a message that a restart left unanswered. Does nothing for a tenant that is no more."""
        if tenant in self._words:
            self._enqueue((tenant, conversation))

    def _asked(self, conversation: Conversation) -> None:
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
            answer = self._settings.answer
            turn = self._turns[key] = Turn(
                Burst(
                    functools.partial(self._enqueue, key),
                    gap=answer.burst_ms / 1000,
                    longest=answer.burst_max_ms / 1000,
                    loop=self._loop,
                )
            )
        return turn

    def _enqueue(self, key: Key) -> None:
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
        text = notice[language_of(_joined(self._question(conversation)[0]))]
        self._log.append(conversation, "system", text, _ignore)

    # -- out --------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to answer."""
        for name, lane in (("urgent", URGENT), ("background", BACKGROUND)):
            metrics.QUEUE_DEPTH.labels(name).set_function(functools.partial(self._queue.qsize, lane))
        self._dispatcher = self._loop.create_task(self._dispatch())

    async def drain(self, limit: float) -> None:
        """Begin no new answer, let those under way finish for `limit` seconds, then interrupt what is left.

        What waits is left unanswered in the log, where the next start finds it.
        """
        self._draining = True
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
            await self._bring_out(conversation, turn.covered, sink, words)
        except asyncio.CancelledError:
            # A newer message came before the answer had started, or the server is going down.
            await self._interrupt(sink, "restart", "cancelled")
        except ServerError as error:
            # The disk does not take the answer; the log has told the visitor to come back.
            log.error("an answer could not be stored: %s", error)
            _count(sink, "lost")
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
        _count(sink, outcome)
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
        if self._draining:
            self._turns.pop(key, None)
        elif turn.again:
            turn.burst.touch()
        elif lost and turn.losses <= STORE_RETRIES:
            self._loop.call_later(STORE_RETRY_SECONDS, self._retry, key)
        elif not turn.burst.waiting:
            self._turns.pop(key, None)

    def _retry(self, key: Key) -> None:
        """The store may take the answer by now."""
        if self._draining:
            return
        if self._log.writable:
            self._enqueue(key)
        else:
            self._loop.call_later(STORE_RETRY_SECONDS, self._retry, key)

    async def _bring_out(self, conversation: Conversation, covered: int, sink: AnswerSink, words: WordFilter) -> None:
        asked, history = self._question(conversation, covered)
        if not asked:
            return
        question = _joined(asked)
        sink.covers = asked[-1].seq
        sink.asked_at = time.monotonic()
        conversation.tell(Typing("assistant"))
        passages = await self._search(conversation, question)
        if self._provider is None:
            await self._from_knowledge(sink, compose(question, passages, threshold=self._threshold))
            return
        asking = self._asking(conversation, asked, history, passages)
        failure = await self._from_model(self._provider, asking, sink, words)
        if failure is not None:
            await self._without_model(failure, asking, sink)

    async def _search(self, conversation: Conversation, question: str) -> list[Passage]:
        return await self._knowledge.search(conversation.tenant, question, limit=self._settings.answer.passages)

    def _asking(
        self, conversation: Conversation, asked: list[Entry], history: list[Entry], passages: list[Passage]
    ) -> Asking:
        tenant = conversation.tenant
        evidence = [passage for passage in passages if passage.score >= self._threshold]
        said = [(entry.role, entry.text) for entry in history]
        messages = prompt.build(*self._shops[tenant], evidence, said, max_chars=self._settings.answer.history_chars)
        request = ModelRequest(messages, tenant, conversation.id, *self._options.get(tenant, (None, None)))
        # An opening question, of which nothing was masked, is answered from the rules and the evidence alone.
        opening = len(history) == len(asked) and all(entry.flags is None for entry in asked)
        grounds = messages[0].content if opening else None
        return Asking(conversation, asked, passages, _sources(evidence), request, grounds)

    async def _from_model(
        self, provider: Provider, asking: Asking, sink: AnswerSink, words: WordFilter
    ) -> ModelFailure | None:
        """Stream the model's answer; None if there is one, even if it broke off, else why nothing was seen of it."""
        sink.answered_by = f"model:{provider.name}"
        try:
            finish_reason = await provider.stream(asking.request, sink.text)
        except ModelError as error:
            log.warning("%s failed (%s): %s", sink.answered_by, error.failure, error)
            metrics.MODEL_FAILURES.labels(error.failure).inc()
            if not sink.started:
                sink.reset(words)
                return error.failure
            await sink.interrupt("timeout" if error.failure == "timeout" else "upstream_error")
            metrics.ANSWERS.labels("model", "interrupted").inc()
            return None
        whole = await sink.finish(finish_reason, asking.sources)
        metrics.ANSWERS.labels("model", "whole").inc()
        if asking.grounds is not None and whole.finish_reason == "stop":
            self._memory.remember(
                asking.conversation.tenant, _joined(asking.asked), asking.grounds, whole.text, whole.sources
            )
        return None

    async def _without_model(self, failure: ModelFailure, asking: Asking, sink: AnswerSink) -> None:
        """The model cannot be asked: say what it said before, or what the shop's articles say, or fetch a human."""
        conversation, asked, passages = asking.conversation, asking.asked, asking.passages
        if asking.grounds is not None:
            remembered = self._memory.find(conversation.tenant, _joined(asked), asking.grounds)
            if remembered is not None:
                await self._say(sink, "memory", remembered.text, remembered.sources)
                metrics.ANSWERS.labels("memory", "whole").inc()
                return
        # What is in the queue for a human already is no part of the question any more.
        new = _since_notice(conversation, asked)
        if len(new) < len(asked):
            passages = await self._search(conversation, _joined(new))
        answer = compose(_joined(new), passages, threshold=self._threshold)
        if answer.confident or self._handoffs is None:
            await self._from_knowledge(sink, answer)
            return
        await self._handoffs.hand_over(conversation, failure, language_of(_joined(asked)))
        metrics.ANSWERS.labels("handoff", "waiting").inc()

    async def _from_knowledge(self, sink: AnswerSink, answer: Answer) -> None:
        """Stream the fitting passage, or say that there is none and offer a human."""
        await self._say(sink, "knowledge", answer.text, answer.sources or None)
        metrics.ANSWERS.labels("knowledge", "confident" if answer.confident else "unsure").inc()

    @staticmethod
    async def _say(sink: AnswerSink, answered_by: str, text: str, sources: list[Source] | None) -> None:
        """Stream a text that is there already, at the pace of somebody who types fast."""
        sink.answered_by = answered_by
        for start in range(0, len(text), TYPING_STEP):
            sink.text(text[start : start + TYPING_STEP])
            await asyncio.sleep(TYPING_STEP / TYPING_PACE)
        await sink.finish("stop", sources)

    def _question(self, conversation: Conversation, covered: int = 0) -> tuple[list[Entry], list[Entry]]:
        """What is unanswered, and the history window that ends with it.

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
        earlier = max(0, self._settings.answer.history_entries - len(asked))
        return asked, said[len(said) - min(earlier, len(said)) :] + asked


def _options(settings: Settings, tenant: TenantSettings) -> tuple[float | None, int | None]:
    """The temperature, held where the settings hold it, and the tokens of a tenant that has its own."""
    wanted = tenant.temperature
    model = settings.model
    held = None if wanted is None else min(max(wanted, model.temperature_min), model.temperature_max)
    return held, tenant.max_tokens


def _since_notice(conversation: Conversation, asked: list[Entry]) -> list[Entry]:
    """What was asked after the visitor was told of a hand-off; all of it if that was not so."""
    notices = (
        entry.seq
        for entry in reversed(conversation.recent(LONGEST_QUESTION))
        if entry.answered_by is not None and entry.answered_by.startswith(NOTICE)
    )
    told = next(notices, 0)
    return [entry for entry in asked if entry.seq > told]


def _joined(asked: list[Entry]) -> str:
    return "\n".join(entry.text for entry in asked)


def _sources(passages: list[Passage]) -> list[Source] | None:
    return list({passage.url: Source(passage.title, passage.url) for passage in passages}.values()) or None


def _count(sink: AnswerSink | None, outcome: str) -> None:
    answerer = sink.answered_by.partition(":")[0] if sink is not None else ""
    metrics.ANSWERS.labels(answerer or "none", outcome).inc()


def _ignore(_seq: int, error: ServerError | None) -> None:
    if error is not None:
        log.error("a notice to a visitor could not be stored: %s", error)
