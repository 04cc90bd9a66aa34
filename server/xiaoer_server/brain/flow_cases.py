"""Runs the dialogues that a flow's file has as its test cases, with the shop's answers out of the file."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from .dialog import Dialogs, Step
from .flow_library import Flows
from .flow_model import Case, Flow, Turn, Value, Webhook
from .flow_run import Run, decode
from .flow_schema import Mismatch, validate
from .flow_webhooks import WebhookFailed

_FAILURES = ("forbidden", "unavailable", "timeout", "busy", "status", "invalid", "unsigned")


class Outcome(msgspec.Struct, frozen=True):
    """How a test case went; `why` is empty if it passed, `line` is that of the turn where it did not."""

    case: str
    line: int
    why: str = ""


class _Said(msgspec.Struct, frozen=True):
    intent: str | None
    probability: float = 1.0


class _Shop:
    """Answers as the case says, and holds the answers to the flow's schema."""

    def __init__(self, answers: list[Any]) -> None:
        self._answers = list(answers)

    @property
    def left(self) -> int:
        return len(self._answers)

    async def call(self, tenant: str, hook: Webhook, payload: Mapping[str, Value], *, key: str) -> dict[str, Any]:
        if not self._answers:
            raise _Unexpected(f"line {hook.line}: one more webhook was called than the test has answers for")
        answer = self._answers.pop(0)
        if isinstance(answer, str) and answer in _FAILURES:
            raise WebhookFailed(answer, "as the test says")  # type: ignore[arg-type]
        try:
            validate(answer, hook.answer)
        except Mismatch as error:
            raise _Unexpected(
                f"line {hook.line}: the test's answer is not as the flow's schema says: {error}"
            ) from None
        if not isinstance(answer, dict):
            raise _Unexpected(f"line {hook.line}: the test's answer is neither an object nor a failure's name")
        return answer


class _Unexpected(Exception):
    pass


async def run_cases(flow: Flow, others: Iterable[Flow] = ()) -> list[Outcome]:
    """Run all test cases of a flow; `others` are the tenant's other flows, for digressions."""
    return [await run_case(flow, case, others) for case in flow.cases]


async def run_case(flow: Flow, case: Case, others: Iterable[Flow] = ()) -> Outcome:
    """Run one."""
    shop, now, state = _Shop(case.webhooks), [1_790_000_000.0], None
    flows = Flows([*(other for other in others if other.name != flow.name), flow])
    today = datetime.date.fromisoformat(case.today)
    dialogs = Dialogs({"test": flows}, shop, lambda: now[0], today=lambda: today)
    for turn in case.turns:
        now[0] += turn.after
        recognised = None if turn.intent is None else _Said(turn.intent)
        try:
            step = await dialogs.step("test", state, turn.visitor, recognised, case.language)
        except _Unexpected as error:
            return Outcome(case.name, turn.line, str(error))
        state = step.state
        runs = decode(state)
        why = _why_not(turn, step, runs[-1] if runs else None)
        if why:
            return Outcome(case.name, turn.line, why)
    if shop.left:
        return Outcome(case.name, case.line, f"{shop.left} of the webhooks' answers were not asked for")
    return Outcome(case.name, case.line)


def _why_not(turn: Turn, step: Step, run: Run | None) -> str:
    said = "\n".join(step.replies)
    for reply in turn.replies:
        if reply not in said:
            return f"expected {reply!r} to be said, heard {said!r}"
    if turn.hand_off != step.hand_off:
        return f"expected the hand-off {turn.hand_off!r}, got {step.hand_off!r}; heard {said!r}"
    if turn.knowledge is not None and turn.knowledge != step.knowledge:
        return f"expected knowledge to be {'asked' if turn.knowledge else 'left alone'}"
    if turn.end is not None and turn.end == (run is not None):
        return f"expected the dialogue to {'end' if turn.end else 'go on'}, it is in {run.state if run else 'no state'}"
    if turn.state is not None and (run is None or run.state != turn.state):
        return f"expected state {turn.state!r}, got {run.state if run else None!r}; heard {said!r}"
    for name, value in turn.slots.items():
        held = run.slots.get(name) if run is not None else None
        if held != value:
            return f"expected slot {name!r} to be {value!r}, it is {held!r}"
    return ""
