"""The one place that orders the stages of a message.

    accept: filter(in) → log → lanes
    answer: history → intent → dialogue → cache → knowledge → model → filter(stream) → log
            nothing is known of it: hand-off to a human
            model cannot be asked: the knowledge's own passage → hand-off to a human

When a conversation gets its answer is decided in `lanes`.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from xiaoer import WordFilter

from ..brain import prompt
from ..brain.answerer import Answer, compose, courtesy
from ..brain.cached import Asked
from ..brain.dialog import Dialogs
from ..brain.intents import Intents, Recognised
from ..brain.knowledge import Knowledge, Passage
from ..brain.language import language_of
from ..brain.semantic_cache import SemanticCache
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

#: Intents that need no article to be answered.
SMALL_TALK = frozenset({"greeting", "thanks", "goodbye", "affirm", "deny", "praise", "bot"})

BLOCKED = {
    "zh": "这条消息含有不能处理的内容，没有转给客服。请换个说法再试。",
    "en": "This message contains something we can't handle and was not passed on. Please put it another way.",
}


class Asking(NamedTuple):
    """What is asked, and what there is to answer it with. `known` is what it is to the cache."""

    conversation: Conversation
    asked: list[Entry]
    history: list[Entry]
    question: str
    known: Asked
    recognised: Recognised | None

    @property
    def tenant(self) -> str:
        """Whose shop it is."""
        return self.conversation.tenant


class Pipeline:
    """Takes visitors' messages in and brings answers out.

    Args:
        words: The word filter of each tenant.
        shops: Each tenant's name and its own rules for the model.
        provider: The model, or None where the built-in answerer works alone.
        handoffs: The queue for a human; None where there is none to wait for.
        cache: What the model answered before; None where it is asked each time.
        intents: What visitors may want; None where nobody says.
        dialogs: The flows; None where there are none.
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
        cache: SemanticCache | None = None,
        intents: Intents | None = None,
        dialogs: Dialogs | None = None,
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
        self._cache = cache
        self._intents = intents
        self._dialogs = dialogs
        self._policies = {slug: self._policy(slug) for slug in shops}
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
        recognised = await self._recognise(conversation.tenant, question)
        known = self._known(conversation, asked, history, question)
        asking = Asking(conversation, asked, history, question, known, recognised)
        if self._dialogs is not None and await self._from_dialog(self._dialogs, asking, sink):
            return
        if sink.after:  # a dialogue has just begun, or goes on behind this answer
            asking = asking._replace(known=msgspec.structs.replace(known, flow=True))
        if self._provider is None:
            await self._from_knowledge(asking, sink, await self._search(asking))
        elif not await self._from_cache(asking, sink):
            await self._from_model(self._provider, asking, sink)

    async def _recognise(self, tenant: str, question: str) -> Recognised | None:
        return await self._intents.recognise(tenant, question) if self._intents is not None else None

    async def _from_dialog(self, dialogs: Dialogs, asking: Asking, sink: AnswerSink) -> bool:
        """Go on with the dialogue that runs, or begin one; True if nothing else is to be said."""
        conversation, language = asking.conversation, language_of(asking.question)
        running = conversation.dialog_state
        turn = f"{conversation.id}:{asking.asked[0].seq}"
        step = await dialogs.step(asking.tenant, running, asking.question, asking.recognised, language, turn=turn)
        if not step.handled:
            return False
        if step.state is not None or running is not None:
            sink.state = step.state.decode() if step.state is not None else ""
        said = "\n\n".join(step.replies)
        if step.knowledge and step.hand_off is None:
            sink.after = said
            return False
        await self._say(sink, "flow", said, None)
        metrics.ANSWERS.labels("flow", "whole").inc()
        if step.hand_off is not None and self._handoffs is not None:
            await self._handoffs.hand_over(conversation, step.hand_off, language)
        return True

    async def _search(self, asking: Asking) -> list[Passage]:
        """The evidence for the question, asked by itself first, then behind the one before it."""
        tenant, most = asking.tenant, self._settings.answer.passages
        found = await self._knowledge.search(tenant, asking.question, limit=most)
        if self._evidence(found) or asking.known.opening:
            return found
        earlier = [entry.text for entry in asking.history[: -len(asking.asked)] if entry.role == "visitor"]
        if not earlier:
            return found
        together = await self._knowledge.search(tenant, f"{earlier[-1]}\n{asking.question}", limit=most)
        return together if self._evidence(together) else found

    def _evidence(self, passages: list[Passage]) -> list[Passage]:
        return [passage for passage in passages if passage.score >= self._threshold]

    # -- the cache --------------------------------------------------------------------------------------------

    def _known(self, conversation: Conversation, asked: list[Entry], history: list[Entry], question: str) -> Asked:
        tenant = conversation.tenant
        return Asked(
            tenant,
            language_of(question),
            question,
            self._knowledge.version(tenant),
            self._provider.name if self._provider is not None else "",
            self._policies[tenant],
            opening=len(history) == len(asked),
            flow=conversation.dialog_state is not None,
            masked=any(entry.flags is not None for entry in asked),
        )

    def _policy(self, tenant: str) -> str:
        """A digest of all that an answer rests on besides question, knowledge and model."""
        model = self._settings.model
        rests = (
            *self._shops[tenant],
            prompt.RULES,
            self._options.get(tenant),
            model.clamped_temperature,
            self._threshold,
        )
        return hashlib.blake2b(repr(rests).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()

    async def _from_cache(self, asking: Asking, sink: AnswerSink) -> bool:
        if self._cache is None:
            return False
        hit = self._cache.exact(asking.known) or await self._cache.near(asking.known)
        if hit is None:
            return False
        await self._say(sink, f"cache:{hit.id}", hit.text, hit.sources)
        metrics.ANSWERS.labels("cache", "exact" if hit.probability == 1 else "near").inc()
        return True

    # -- the model --------------------------------------------------------------------------------------------

    async def _from_model(self, provider: Provider, asking: Asking, sink: AnswerSink) -> None:
        """Stream the model's answer or, where it cannot give one, what there is instead."""
        passages = await self._search(asking)
        evidence = self._evidence(passages)
        if evidence and evidence[0].fixed:
            await self._from_knowledge(asking, sink, passages)
            return
        if not evidence and await self._must_not_guess(asking):
            if sink.after:  # beside a dialogue, which goes on
                await self._from_knowledge(asking, sink, [])
            else:
                await self._unknown(asking, sink)
            return
        said = [(entry.role, entry.text) for entry in asking.history]
        most = self._settings.answer.history_chars
        messages = prompt.build(*self._shops[asking.tenant], evidence, said, max_chars=most)
        options = self._options.get(asking.tenant, (None, None))
        request = ModelRequest(messages, asking.tenant, asking.conversation.id, *options)
        sink.answered_by = f"model:{provider.name}"
        led = True
        try:
            if self._cache is None:
                finish_reason = await provider.stream(request, sink.text)
            else:
                ask = functools.partial(provider.stream, request)
                finish_reason, led = await self._cache.share(asking.known, ask, sink.text)
        except ModelError as error:
            log.warning("%s failed (%s): %s", sink.answered_by, error.failure, error)
            metrics.MODEL_FAILURES.labels(error.failure).inc()
            if sink.started:
                await sink.interrupt("timeout" if error.failure == "timeout" else "upstream_error")
                metrics.ANSWERS.labels("model", "interrupted").inc()
                return
            sink.reset(self._words[asking.tenant])
            await self._without_model(error.failure, asking, sink, passages)
            return
        whole = await sink.finish(finish_reason, _sources(evidence))
        metrics.ANSWERS.labels("model", "whole").inc()
        if self._cache is not None and led and whole.finish_reason == "stop":
            slugs = {passage.article for passage in evidence}
            await self._cache.offer(asking.known, whole.text, whole.sources, slugs)

    async def _must_not_guess(self, asking: Asking) -> bool:
        """Whether a question that no article answers is a human's; a greeting is not."""
        if self._settings.answer.without_evidence == "model" or courtesy(asking.question) is not None:
            return False
        if asking.recognised is not None and asking.recognised.intent in SMALL_TALK:
            return False
        return await self._knowledge.has_articles(asking.tenant)

    async def _unknown(self, asking: Asking, sink: AnswerSink) -> None:
        """Nothing is known of it: note what to write next, and fetch a human."""
        if self._handoffs is None:
            await self._from_knowledge(asking, sink, [])
            return
        await self._note(asking)
        await self._handoffs.hand_over(asking.conversation, "no_evidence", language_of(asking.question))
        metrics.ANSWERS.labels("handoff", "waiting").inc()

    async def _note(self, asking: Asking) -> None:
        """What to write next."""
        if self._settings.knowledge.unanswered:
            await self._knowledge.unanswered.note(asking.tenant, asking.question)

    async def _without_model(
        self, failure: ModelFailure, asking: Asking, sink: AnswerSink, passages: list[Passage]
    ) -> None:
        """The model cannot be asked: say what the shop's articles say, or fetch a human."""
        # What is in the queue for a human already is no part of the question any more.
        new = since_notice(asking.conversation, asking.asked)
        if len(new) < len(asking.asked):
            asking = asking._replace(question=joined(new))
            passages = await self._search(asking)
        answer = compose(asking.question, passages, threshold=self._threshold)
        if answer.confident or self._handoffs is None:
            await self._answer_with(sink, answer)
            return
        await self._handoffs.hand_over(asking.conversation, failure, language_of(joined(asking.asked)))
        metrics.ANSWERS.labels("handoff", "waiting").inc()

    # -- the knowledge ----------------------------------------------------------------------------------------

    async def _from_knowledge(self, asking: Asking, sink: AnswerSink, passages: list[Passage]) -> None:
        """Stream the fitting passage, or say that there is none and offer a human."""
        answer = compose(asking.question, passages, threshold=self._threshold)
        if not answer.confident:
            await self._note(asking)
        await self._answer_with(sink, answer)

    async def _answer_with(self, sink: AnswerSink, answer: Answer) -> None:
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
