"""The one place that orders the stages of a message.

    accept: filter(in) → log → lanes
    answer: history → knowledge → model → filter(stream) → log
            model cannot be asked: what it answered before → the knowledge's own passage → hand-off to a human

When a conversation gets its answer is decided in `lanes`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from xiaoer import WordFilter

from ..brain import prompt
from ..brain.answer_memory import AnswerMemory
from ..brain.answerer import Answer, compose
from ..brain.knowledge import Knowledge, Passage
from ..brain.language import language_of
from ..config import Settings, TenantSettings
from ..errors import ServerError, Unavailable
from ..llm.provider import ModelError, ModelFailure, ModelRequest, Provider
from ..ops import metrics
from .answer import AnswerSink
from .conversation import Conversation
from .entries import Entry, Flags, Source, Typing
from .handoff import HandOffs
from .lanes import Lanes
from .log import ConversationLog
from .question import ignore, joined, question_of, since_notice

log = logging.getLogger(__name__)

Accepted = Callable[[int, ServerError | None, str | None], None]

#: The built-in answerer's passage grows at this pace, in code points a second and code points a step.
TYPING_PACE, TYPING_STEP = 800, 8

BLOCKED = {
    "zh": "这条消息含有不能处理的内容，没有转给客服。请换个说法再试。",
    "en": "This message contains something we can't handle and was not passed on. Please put it another way.",
}


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
        self.lanes = Lanes(settings.answer, conversations, words, self._bring_out)

    # -- in ---------------------------------------------------------------------------------------------------

    def accept(self, conversation: Conversation, client_id: str, text: str, done: Accepted) -> None:
        """Take a visitor's message; see `edge.context.PipelineLike`."""
        if self.lanes.draining:
            done(0, Unavailable("The server is restarting; send again.", code="draining", retry_after=2.0), None)
            return
        if self.lanes.full:
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
                self._log.append(conversation, "system", BLOCKED[language_of(text)], ignore)
            elif self._settings.answer.enabled:
                self.lanes.asked(conversation)

        self._log.append(conversation, "visitor", stored, durable, client_id=client_id, flags=flags)

    def resume(self, tenant: str, conversation: str) -> None:
        """Answer a message that a restart left unanswered. Does nothing for a tenant that is no more."""
        if tenant in self._words:
            self.lanes.enqueue((tenant, conversation))

    async def start(self) -> None:
        """Begin to answer."""
        await self.lanes.start()

    async def drain(self, limit: float) -> None:
        """Begin no new answer, let those under way finish for `limit` seconds, then interrupt what is left."""
        await self.lanes.drain(limit)

    # -- out --------------------------------------------------------------------------------------------------

    async def _bring_out(self, conversation: Conversation, covered: int, sink: AnswerSink) -> None:
        asked, history = question_of(conversation, covered, self._settings.answer.history_entries)
        if not asked:
            return
        question = joined(asked)
        sink.covers = asked[-1].seq
        sink.asked_at = time.monotonic()
        conversation.tell(Typing("assistant"))
        passages = await self._search(conversation, question)
        if self._provider is None:
            await self._from_knowledge(sink, compose(question, passages, threshold=self._threshold))
            return
        asking = self._asking(conversation, asked, history, passages)
        failure = await self._from_model(self._provider, asking, sink)
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

    async def _from_model(self, provider: Provider, asking: Asking, sink: AnswerSink) -> ModelFailure | None:
        """Stream the model's answer; None if there is one, even if it broke off, else why nothing was seen of it."""
        sink.answered_by = f"model:{provider.name}"
        try:
            finish_reason = await provider.stream(asking.request, sink.text)
        except ModelError as error:
            log.warning("%s failed (%s): %s", sink.answered_by, error.failure, error)
            metrics.MODEL_FAILURES.labels(error.failure).inc()
            if not sink.started:
                sink.reset(self._words[asking.conversation.tenant])
                return error.failure
            await sink.interrupt("timeout" if error.failure == "timeout" else "upstream_error")
            metrics.ANSWERS.labels("model", "interrupted").inc()
            return None
        whole = await sink.finish(finish_reason, asking.sources)
        metrics.ANSWERS.labels("model", "whole").inc()
        if asking.grounds is not None and whole.finish_reason == "stop":
            self._memory.remember(
                asking.conversation.tenant, joined(asking.asked), asking.grounds, whole.text, whole.sources
            )
        return None

    async def _without_model(self, failure: ModelFailure, asking: Asking, sink: AnswerSink) -> None:
        """The model cannot be asked: say what it said before, or what the shop's articles say, or fetch a human."""
        conversation, asked, passages = asking.conversation, asking.asked, asking.passages
        if asking.grounds is not None:
            remembered = self._memory.find(conversation.tenant, joined(asked), asking.grounds)
            if remembered is not None:
                await self._say(sink, "memory", remembered.text, remembered.sources)
                metrics.ANSWERS.labels("memory", "whole").inc()
                return
        # What is in the queue for a human already is no part of the question any more.
        new = since_notice(conversation, asked)
        if len(new) < len(asked):
            passages = await self._search(conversation, joined(new))
        answer = compose(joined(new), passages, threshold=self._threshold)
        if answer.confident or self._handoffs is None:
            await self._from_knowledge(sink, answer)
            return
        await self._handoffs.hand_over(conversation, failure, language_of(joined(asked)))
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


def _options(settings: Settings, tenant: TenantSettings) -> tuple[float | None, int | None]:
    """The temperature, held where the settings hold it, and the tokens of a tenant that has its own."""
    wanted = tenant.temperature
    model = settings.model
    held = None if wanted is None else min(max(wanted, model.temperature_min), model.temperature_max)
    return held, tenant.max_tokens


def _sources(passages: list[Passage]) -> list[Source] | None:
    return list({passage.url: Source(passage.title, passage.url) for passage in passages}.values()) or None
