"""What is wrong with a flow, found without running it; every problem has its line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .flow_model import Flow, Problem, State
from .flow_words import STEERING

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")


def check(flow: Flow, intents: Iterable[str] | None = None) -> list[Problem]:
    """All problems of a flow that was read, by line.

    Args:
        intents: The names of the tenant's intents; None if they are not known, then none is unknown.
    """
    problems = [
        *_intents(flow, None if intents is None else set(intents)),
        *_slots(flow),
        *(problem for state in flow.states.values() for problem in _state(flow, state)),
        *_graph(flow),
    ]
    return sorted(set(problems))


def _intents(flow: Flow, known: set[str] | None) -> Iterator[Problem]:
    named = [*flow.intents]
    for state in flow.states.values():
        named += [
            (transition.event.removeprefix("intent:"), transition.line)
            for transition in state.go
            if transition.event.startswith("intent:")
        ]
    for intent, line in named:
        if known is not None and intent not in known and intent not in STEERING:
            yield Problem(line, f"unknown intent {intent!r}")
    if not flow.intents and not flow.phrases:
        yield Problem(flow.line, "nothing begins this flow: 'start' has neither intents nor phrases")
    for language in flow.languages if flow.phrases else ():
        if not flow.phrases.get(language):
            yield Problem(flow.line, f"start: no phrases in {language!r}")


def _slots(flow: Flow) -> Iterator[Problem]:
    used = {state.ask for state in flow.states.values()}
    for slot in flow.slots.values():
        if slot.name not in used:
            yield Problem(slot.line, f"slot {slot.name!r} is never asked for", error=False)


def _state(flow: Flow, state: State) -> Iterator[Problem]:
    what = f"state {state.name!r}"
    if state.ask is not None and state.ask not in flow.slots:
        yield Problem(state.ask_line, f"{what} asks for unknown slot {state.ask!r}")
    hook = False
    for action in state.do:
        hook = hook or action.webhook is not None
        names = [*action.clear, *(action.webhook.send if action.webhook else ())]
        known = flow.names if action.webhook else set(flow.slots)
        for name in names:
            if name not in known:
                yield Problem(action.line, f"{what} names unknown slot {name!r}")
        if action.reply is not None:
            yield from _placeholders(flow, what, action.line, action.reply.values())
    for texts in (state.prompt, state.again):
        yield from _placeholders(flow, what, state.line, texts.values() if texts else ())
    yield from _transitions(flow, state, what, hook=hook)


def _transitions(flow: Flow, state: State, what: str, *, hook: bool) -> Iterator[Problem]:
    certain: set[str] = set()
    for transition in state.go:
        if transition.to not in flow.states:
            yield Problem(transition.line, f"{what} leads to unknown state {transition.to!r}")
        if transition.event in certain:
            yield Problem(transition.line, f"{what}: never taken: the same event leads elsewhere before")
        if transition.guard is None:
            certain.add(transition.event)
        else:
            for name in sorted(transition.guard.names - flow.names):
                yield Problem(transition.line, f"{what}: the guard names unknown slot {name!r}")
        kind = transition.event.partition(":")[0]
        if kind in ("slot", "intent", "timeout") and not state.waits:
            yield Problem(transition.line, f"{what} waits for nobody: only events lead on from it")
        if kind == "event" and state.waits:
            yield Problem(transition.line, f"{what} waits for the visitor: no event happens in it")
        if transition.event == "slot" and state.ask is None:
            yield Problem(transition.line, f"{what} asks for no slot")
    if state.hands_off and (state.go or state.waits):
        yield Problem(state.line, f"{what} hands over to a human: nothing is asked there, and nothing follows")
    if state.end or state.hands_off:
        return
    if state.waits and state.ask is not None and "slot" not in certain:
        yield Problem(state.line, f"{what}: what follows when the slot is filled, and no guard holds? add 'on: slot'")
    if not state.waits:
        if hook and "event:failed" not in certain:
            yield Problem(state.line, f"{what}: what follows when the webhook fails? add 'on: event failed'")
        goes_on = "event:ok" if hook else "event:done"
        if goes_on not in certain:
            yield Problem(
                state.line, f"{what}: what follows when no guard holds? add 'on: {goes_on.replace(':', ' ')}'"
            )


def _placeholders(flow: Flow, what: str, line: int, texts: Iterable[str]) -> Iterator[Problem]:
    for text in texts:
        for name in PLACEHOLDER.findall(text):
            if name not in flow.names:
                yield Problem(line, f"{what}: a text names unknown slot {name!r}")


# -- the graph ------------------------------------------------------------------------------------------------


def _graph(flow: Flow) -> Iterator[Problem]:
    states = flow.states
    ways = {name: [item.to for item in state.go if item.to in states] for name, state in states.items()}
    reached = _reach([flow.first], ways) if states else set()
    for name, state in states.items():
        if name not in reached:
            yield Problem(state.line, f"state {name!r} is unreachable")
    back: dict[str, list[str]] = {name: [] for name in states}
    for name, targets in ways.items():
        for target in targets:
            back[target].append(name)
    ends = [name for name, state in states.items() if state.end or state.hands_off]
    finishing = _reach(ends, back)
    for name, state in states.items():
        if name in finishing:
            continue
        if not ways[name]:
            yield Problem(state.line, f"state {name!r} is a dead end: nothing leads on and it is no end")
        elif state.waits and name in _reach(ways[name], ways):
            yield Problem(state.line, f"state {name!r} is asked again and again: no end can be reached from it")
        else:
            yield Problem(state.line, f"state {name!r} is a dead end: no end can be reached from it")
    # What passes through states that wait for nobody happens within one message.
    passing = {name: [to for to in targets if not states[to].waits] for name, targets in ways.items()}
    for name, state in states.items():
        if not state.waits and name in _reach(passing[name], passing):
            yield Problem(state.line, f"state {name!r} is in a cycle that waits for no input")


def _reach(start: Iterable[str], ways: dict[str, list[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += ways[name]
    return found
