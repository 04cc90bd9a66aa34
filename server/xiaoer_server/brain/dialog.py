"""Dialogues on flows: what a message does to the one that runs, and what is said.

    asks for a human → hand-off
    expired → left, or the flow's own way for that
    cancels → left
    corrects → the slot is changed, and the dialogue goes on from where it is asked
    answers → the next state, actions, the next question
    begins another flow, or asks a question → that first, then back
    anything else → the question again; too often → hand-off

Everything that one message can do is bounded, and so is every dialogue: in messages, in repeats of a question.
"""

from __future__ import annotations

import datetime
import hashlib
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Literal, Protocol

import msgspec

from . import flow_words as words
from .flow_actions import Said, act
from .flow_library import Flows, Loaded
from .flow_model import Slot, State, Value
from .flow_run import DEEPEST, Run, decode, encode
from .flow_slots import SPEAKING, find_all, normal, shown, without_values
from .flow_text import filled
from .flow_webhooks import Calls

log = logging.getLogger(__name__)

Language = Literal["zh", "en"]

#: States that one message passes through at most. The static checks leave no cycle; this holds whatever happens.
MOST_MOVES = 50
#: Messages that one dialogue takes, and questions about something else that are answered meanwhile.
MOST_TURNS, MOST_ASIDE = 60, 8


class Intent(Protocol):
    """What of `brain.intents.Recognised` is needed here."""

    @property
    def intent(self) -> str | None: ...

    @property
    def probability(self) -> float: ...


class Step(msgspec.Struct, frozen=True):
    """What a message led to.

    Args:
        replies: To be said, in order; where `knowledge` is true, after the answer to the message itself.
        state: To be stored with the answer; None: no dialogue runs any more.
        knowledge: The message is also to be answered as if no dialogue ran.
        hand_off: Why a human is to take over; None if none is.
        handled: False: the message has nothing to do with flows, and nothing else here is set.
    """

    replies: list[str] = []
    state: bytes | None = None
    knowledge: bool = False
    hand_off: str | None = None
    handled: bool = False


class Dialogs:
    """The dialogues of all tenants; it keeps nothing of any conversation.

    Args:
        flows: The flows of each tenant.
        webhooks: Makes the calls.
        clock: Seconds since the epoch.
        likely: The probability from which an intent counts.
        today: The date that 昨天 is counted from; the machine's local one by default.
    """

    def __init__(
        self,
        flows: Mapping[str, Flows],
        webhooks: Calls,
        clock: Callable[[], float] = time.time,
        *,
        likely: float = 0.6,
        today: Callable[[], datetime.date] = datetime.date.today,
    ) -> None:
        self.flows = flows
        self._webhooks = webhooks
        self._clock = clock
        self._likely = likely
        self._today = today

    async def step(
        self,
        tenant: str,
        state: bytes | None,
        text: str,
        recognised: Intent | None,
        language: Language,
        *,
        turn: str = "",
    ) -> Step:
        """Take a message. Raises nothing of its own; takes as long as the webhooks' deadlines.

        Args:
            state: What the last step left.
            recognised: The message's intent; None where no model says it.
            turn: Names the message, the same if it is tried again after an interruption, as
                "<conversation>:<seq>": with it a webhook is not carried out twice. Empty: no try is the same.
        """
        library = self.flows.get(tenant)
        intent = None
        if recognised is not None and recognised.probability >= self._likely:
            intent = recognised.intent
        runs = decode(state)
        if words.wants_human(text) or intent in words.HUMAN:
            return Step([words.HANDED_OVER[language]], None, hand_off="asked_for_human", handled=True)
        if library is None or not (runs or len(library)):
            return Step()
        talk = _Talk(self, library, tenant, runs, normal(text), intent, recognised is not None, language, turn)
        return await talk.take()


class _Talk:
    """One message on its way."""

    def __init__(
        self,
        dialogs: Dialogs,
        library: Flows,
        tenant: str,
        runs: list[Run],
        text: str,
        intent: str | None,
        understood: bool,
        language: Language,
        turn: str,
    ) -> None:
        self.webhooks = dialogs._webhooks
        self.now = dialogs._clock()
        self.today = dialogs._today()
        self.library = library
        self.tenant = tenant
        self.runs = runs
        self.text = text
        self.intent = intent
        self.understood = understood
        self.language: Language = language if not runs or words.speaks(self._words_of()) else runs[-1].language
        self.turn = turn or uuid.uuid4().hex
        self.said: list[str] = []
        self.knowledge = False
        self.hand_off: str | None = None
        self.seen: set[str] = set()  # states of the running dialogue that asked in this turn

    def _words_of(self) -> str:
        """The message without the values in it, which are of no language."""
        loaded = self.library.version(self.runs[-1].flow, self.runs[-1].version)
        slots = loaded.flow.slots.values() if loaded is not None else ()
        return without_values(slots, self.text, self.today)

    async def take(self) -> Step:
        loaded = await self._running()
        if loaded is None:
            return await self._without()
        run = self.runs[-1]
        run.turns += 1
        run.language = self.language
        state = loaded.flow.states[run.state]
        if run.turns > MOST_TURNS:
            self._give_up("flow_too_long")
        elif words.cancels(self.text) or (self.intent == "cancel" and not _leads(state, "intent:cancel")):
            self.said.append(words.LEFT[self.language].format(title=_title(loaded, self.language)))
            self.runs.pop()
            self._back()
        elif not (await self._correct(loaded, run) or await self._answer(loaded, run, state)):
            await self._otherwise(loaded, run, state)
        return self._step()

    def _step(self) -> Step:
        if self.hand_off is not None:
            replies = self.said or [words.HANDED_OVER[self.language]]
            return Step(replies, None, hand_off=self.hand_off, handled=True)
        return Step(self.said, encode(self.runs), self.knowledge, None, handled=True)

    # -- beginning and leaving --------------------------------------------------------------------------------

    async def _running(self) -> Loaded | None:
        """The flow of the dialogue that runs. One that waited too long, or whose version is gone, is left."""
        while self.runs:
            run = self.runs[-1]
            loaded = self.library.version(run.flow, run.version)
            if loaded is None or run.state not in loaded.flow.states:
                self.runs.clear()
                self.said.append(words.OUTDATED[self.language])
                return None
            state = loaded.flow.states[run.state]
            if self.now - run.at <= (state.timeout or loaded.flow.timeout):
                return loaded
            target = loaded.machine.next(run.state, "timeout", _values(run))
            self.said.append(words.EXPIRED[self.language].format(title=_title(loaded, self.language)))
            if target is not None:
                await self._go(loaded, run, target)
                if self.hand_off is not None:
                    self.runs.clear()
                    return None
                if self.runs and self.runs[-1] is run:
                    return loaded
            else:
                self.runs.pop()
        return None

    async def _without(self) -> Step:
        """No dialogue runs: begin one, or leave the message to the others."""
        if self.hand_off is not None:
            return self._step()
        loaded = self._begun()
        if loaded is not None:
            await self._begin(loaded)
            return self._step()
        if self.said:  # the visitor is told that a dialogue was left, and the message is answered as any other
            self.knowledge = True
            return self._step()
        return Step()

    def _begun(self, but: str = "") -> Loaded | None:
        """The flow that the message begins."""
        if self.intent is not None:
            for loaded in self.library:
                if loaded.flow.name != but and any(name == self.intent for name, _ in loaded.flow.intents):
                    return loaded
            return None
        return self._phrased(but)

    def _phrased(self, but: str) -> Loaded | None:
        """The flow that the message begins by its phrases."""
        best, found = 0, None
        for loaded in self.library:
            flow = loaded.flow
            said = without_values(flow.slots.values(), self.text, self.today)
            covered = words.starts(said, [phrase for some in flow.phrases.values() for phrase in some])
            if covered > best and flow.name != but:
                best, found = covered, loaded
        return found

    async def _begin(self, loaded: Loaded) -> None:
        flow = loaded.flow
        id = hashlib.sha256(f"{self.tenant}\n{flow.name}\n{self.turn}".encode()).hexdigest()[:24]  # noqa: A001
        run = Run(id, flow.name, flow.version, flow.first, self.now, turns=1, language=self.language)
        run.slots = find_all(flow.slots.values(), self.text, self.today)
        self.runs.append(run)
        if len(self.runs) > DEEPEST:
            del self.runs[0]
        self.seen.clear()
        await self._go(loaded, run, flow.first)

    def _back(self) -> None:
        """A dialogue is over: go on with the one that waited for it."""
        while self.runs:
            run = self.runs[-1]
            loaded = self.library.version(run.flow, run.version)
            state = loaded.flow.states.get(run.state) if loaded is not None else None
            if loaded is not None and state is not None and state.prompt is not None:
                self.said.append(words.BACK[self.language].format(title=_title(loaded, self.language)))
                self._say(loaded, run, state.prompt)
                run.at = self.now
                return
            self.runs.pop()

    def _give_up(self, reason: str) -> None:
        self.said.append(words.GAVE_UP[self.language])
        self.hand_off = reason

    # -- a message to the dialogue ----------------------------------------------------------------------------

    async def _correct(self, loaded: Loaded, run: Run) -> bool:
        """Change a slot that was filled before; True if the message did that."""
        flow = loaded.flow
        asked = flow.states[run.state].ask
        marked = words.corrects(self.text)
        known = [slot for slot in flow.slots.values() if run.slots.get(slot.name) is not None and slot.name != asked]
        named = [slot for slot in known if words.mentions(self.text, slot.names)]
        if not known or not (marked or named):
            return False
        for slot in named or known:
            if slot.type not in SPEAKING and slot not in named:
                continue
            found = find_all(
                [slot], self.text, self.today, slot.name if slot in named and slot.type != "text" else None
            )
            value = found.get(slot.name)
            if value is not None and value != run.slots[slot.name]:
                said = shown(slot, value, self.language)
                self.said.append(words.CORRECTED[self.language].format(value=said))
                return await self._ask_again(loaded, run, slot, value)
        if marked and named:
            return await self._ask_again(loaded, run, named[0], None)
        return False

    async def _ask_again(self, loaded: Loaded, run: Run, slot: Slot, value: Value) -> bool:
        asking = next((state.name for state in loaded.flow.states.values() if state.ask == slot.name), None)
        if asking is None:
            return False
        run.slots[slot.name] = value
        await self._go(loaded, run, asking)
        return True

    async def _answer(self, loaded: Loaded, run: Run, state: State) -> bool:
        """Take the message for an answer to the question; False if it is none."""
        flow = loaded.flow
        slot = flow.slots.get(state.ask or "")
        self.seen.add(state.name)
        free = slot is not None and slot.type == "text"
        if free and await self._by_intent(loaded, run):
            return True
        # Whoever says the words that begin another flow means that, also where an order's number is among them.
        aside = self._phrased(flow.name) if len(self.runs) < DEEPEST else None
        if slot is not None and aside is None:
            empty = [other for other in flow.slots.values() if run.slots.get(other.name) is None]
            candidates = [slot, *(other for other in empty if other.name != slot.name)]
            found = find_all(candidates, self.text, self.today, slot.name)
            if slot.type == "yes_no" and slot.name not in found and self.intent in ("affirm", "deny"):
                found[slot.name] = self.intent == "affirm"
            if slot.name in found:
                before = dict(run.slots)
                run.slots.update(found)
                target = loaded.machine.next(state.name, "slot", _values(run))
                if target is not None:
                    await self._go(loaded, run, target)
                    return True
                run.slots = before
                return False
            run.slots.update(found)
        return not free and aside is None and await self._by_intent(loaded, run)

    async def _by_intent(self, loaded: Loaded, run: Run) -> bool:
        intent = self.intent
        if intent is None and not self.understood:
            said = words.yes_no(self.text)
            intent = None if said is None else "affirm" if said else "deny"
        target = loaded.machine.next(run.state, f"intent:{intent}", _values(run)) if intent else None
        if target is None:
            return False
        await self._go(loaded, run, target)
        return True

    def _aside(self, loaded: Loaded) -> Loaded | None:
        """Another flow that the message begins, by its phrases alone where a free text is asked for."""
        slot = loaded.flow.slots.get(loaded.flow.states[self.runs[-1].state].ask or "")
        phrased = self._phrased(loaded.flow.name)
        return phrased if phrased is not None or (slot and slot.type == "text") else self._begun(loaded.flow.name)

    async def _otherwise(self, loaded: Loaded, run: Run, state: State) -> None:
        """It is no answer: something else comes first, or the question again."""
        prompt = state.prompt or {}
        other = self._aside(loaded)
        if other is not None and len(self.runs) < DEEPEST:
            await self._begin(other)
            return
        question = (self.intent is not None and self.intent not in words.STEERING) or words.asks(self.text)
        if question and run.aside < MOST_ASIDE:
            run.aside += 1
            run.at = self.now
            self.knowledge = True
            self.said.append(words.BACK[self.language].format(title=_title(loaded, self.language)))
            self._say(loaded, run, prompt)
            return
        run.tries += 1
        retries = state.retries or loaded.flow.retries
        if run.tries > retries:
            self._give_up("flow_not_understood")
            return
        run.at = self.now
        if state.again is not None:
            self._say(loaded, run, state.again)
        else:
            self.said.append(words.AGAIN[self.language])
            self._say(loaded, run, prompt)

    # -- going on ---------------------------------------------------------------------------------------------

    async def _go(self, loaded: Loaded, run: Run, target: str) -> None:
        """Enter a state, and those behind it, up to the next question or the end."""
        for _ in range(MOST_MOVES):
            state = loaded.flow.states[target]
            run.state = target
            run.tries = 0
            said = await self._do(loaded, run, state)
            if self.hand_off is not None:
                return
            if state.end:
                self.runs = [other for other in self.runs if other is not run]
                self._back()
                return
            if state.prompt is not None:
                follows = self._filled(loaded, run, state)
                if follows is None:
                    self._ask(loaded, run, state)
                    return
            else:
                follows = loaded.machine.next(target, f"event:{said.event}", _values(run))
                if follows is None and said.event not in ("ok", "failed", "done"):
                    follows = loaded.machine.next(target, "event:ok", _values(run))
            if follows is None:
                break
            target = follows
        log.error("flow %s of %s, version %s, is stuck in %s", run.flow, self.tenant, run.version, run.state)
        self._give_up("flow_stuck")

    def _filled(self, loaded: Loaded, run: Run, state: State) -> str | None:
        """Where the slot that is asked for leads if it is known already; it is asked for once a message at most."""
        if state.ask is None or run.slots.get(state.ask) is None:
            return None
        if state.name in self.seen:
            run.slots[state.ask] = None
            return None
        self.seen.add(state.name)
        return loaded.machine.next(state.name, "slot", _values(run))

    def _ask(self, loaded: Loaded, run: Run, state: State) -> None:
        run.asked[state.name] = run.asked.get(state.name, 0) + 1
        if run.asked[state.name] > (state.retries or loaded.flow.retries) + 3:
            self._give_up("flow_asked_too_often")
            return
        run.at = self.now
        self._say(loaded, run, state.prompt or {})

    async def _do(self, loaded: Loaded, run: Run, state: State) -> Said:
        said = await act(self.webhooks, self.tenant, loaded.flow, run, state, self.language)
        self.said += said.replies
        self.knowledge = self.knowledge or said.knowledge
        if said.hand_off is not None:
            self.hand_off = said.hand_off
        return said

    def _say(self, loaded: Loaded, run: Run, texts: Mapping[str, str]) -> None:
        self.said.append(filled(texts, loaded.flow, run, self.language))


def _values(run: Run) -> dict[str, Value]:
    return {**run.saved, **run.slots}


def _leads(state: State, event: str) -> bool:
    return any(transition.event == event for transition in state.go)


def _title(loaded: Loaded, language: Language) -> str:
    titles = loaded.flow.title
    return titles.get(language) or next(iter(titles.values()), loaded.flow.name)
