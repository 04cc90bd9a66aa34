"""What a dialogue flow is made of. `flow_file.py` reads it, `flow_checks.py` judges it, `dialog.py` runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from .flow_guards import Guard

SlotType = Literal["text", "order_number", "choice", "number", "amount", "date", "phone", "email", "yes_no"]
SLOT_TYPES: tuple[SlotType, ...] = (
    *("text", "order_number", "choice", "number", "amount"),
    *("date", "phone", "email", "yes_no"),
)
LANGUAGES = ("zh", "en")

#: Seconds that a dialogue may wait for its visitor. Versions that were replaced are kept longer than that.
LONGEST_TIMEOUT = 7 * 86_400
#: Times that a question may be put again; after that a human takes over.
MOST_RETRIES = 10

#: The shape of an order's number unless a flow says otherwise.
ORDER_NUMBER = r"\d{8}-\d{4}"

Texts = Mapping[str, str]
#: What slots and webhooks' answers hold.
Value = str | int | float | bool | None


class Slot(msgspec.Struct, frozen=True):
    """Something to be found out.

    Args:
        pattern: A regular expression, for `order_number`.
        choices: Of a `choice`: value → what visitors call it, by language, the first of which is shown.
        low, high: Bounds of numbers and amounts; of a text's length.
        past: A date must not lie after today.
        names: What visitors call the slot itself, in any language, for corrections.
    """

    name: str
    type: SlotType
    line: int
    pattern: str = ORDER_NUMBER
    choices: Mapping[str, Mapping[str, list[str]]] = {}
    low: float | None = None
    high: float | None = None
    past: bool = False
    names: list[str] = []


class Transition(msgspec.Struct, frozen=True):
    """`event` is `slot`, `timeout`, `intent:<name>` or `event:<name>`; `to` the next state's name."""

    event: str
    to: str
    line: int
    guard: Guard | None = None


class Webhook(msgspec.Struct, frozen=True):
    """A call to the shop.

    Args:
        url: http(s)://…, or a path of this server's own demo shop.
        send: Slots whose values go out.
        answer: The JSON schema of the answer, as `flow_schema.py` knows it.
        save: Name in the dialogue → where it is in the answer, keys joined by dots.
        seconds: Its deadline; None takes the settings'.
    """

    url: str
    send: list[str]
    answer: Mapping[str, Any]
    save: Mapping[str, str]
    line: int
    seconds: float | None = None


class Action(msgspec.Struct, frozen=True):
    """One of the fields is set."""

    line: int
    reply: Texts | None = None
    knowledge: bool = False
    webhook: Webhook | None = None
    hand_off: str | None = None
    clear: list[str] = []


class State(msgspec.Struct, frozen=True):
    """A place in a flow: it waits for the visitor if it has a prompt, else it does something and goes on."""

    name: str
    line: int
    ask: str | None = None
    ask_line: int = 0
    prompt: Texts | None = None
    again: Texts | None = None
    retries: int | None = None
    timeout: int | None = None
    end: bool = False
    do: list[Action] = []
    go: list[Transition] = []

    @property
    def waits(self) -> bool:
        """Whether the visitor's next message is waited for here."""
        return self.prompt is not None

    @property
    def hands_off(self) -> bool:
        """Whether the dialogue ends here with a human."""
        return any(action.hand_off is not None for action in self.do)


class Turn(msgspec.Struct, frozen=True):
    """A message of a dialogue that is a test case, and what is expected of it."""

    visitor: str
    line: int
    intent: str | None = None
    after: float = 0.0
    replies: list[str] = []
    state: str | None = None
    slots: Mapping[str, Value] = {}
    hand_off: str | None = None
    knowledge: bool | None = None
    end: bool | None = None


class Case(msgspec.Struct, frozen=True):
    """A dialogue as a test case. `webhooks` are the shop's answers in order; a text names a failure."""

    name: str
    line: int
    language: Literal["zh", "en"]
    today: str
    webhooks: list[Any]
    turns: list[Turn]


class Flow(msgspec.Struct, frozen=True):
    """A flow. `version` is the beginning of the SHA-256 of `source`."""

    name: str
    version: str
    source: str
    languages: list[str]
    title: Texts
    intents: list[tuple[str, int]]
    phrases: Mapping[str, list[str]]
    timeout: int
    retries: int
    slots: Mapping[str, Slot]
    states: Mapping[str, State]
    cases: list[Case]
    line: int = 1

    @property
    def first(self) -> str:
        """The state that a dialogue begins in: the first one in the file."""
        return next(iter(self.states))

    @property
    def names(self) -> set[str]:
        """What guards and texts may name: slots, what webhooks save, and `failure`."""
        hooks = [action.webhook for state in self.states.values() for action in state.do if action.webhook]
        return {*self.slots, *(name for hook in hooks for name in hook.save), "failure"}


class Problem(msgspec.Struct, frozen=True, order=True):
    """Something wrong with a file. Only errors keep it from being used."""

    line: int
    what: str
    error: bool = True

    def __str__(self) -> str:
        return f"{self.line}: {'error' if self.error else 'warning'}: {self.what}"


class FlowError(Exception):
    """A file is no usable flow; `problems` say why, by line."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"line {problem}" for problem in problems))
        self.problems = problems
