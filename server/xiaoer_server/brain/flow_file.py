"""Reads a flow out of its YAML file; every problem has its line. `server/README.md` describes the format."""

from __future__ import annotations

import datetime
import hashlib
import re
from collections.abc import Mapping
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

import yaml

from .flow_guards import Guard, GuardError
from .flow_model import (
    LANGUAGES,
    LONGEST_TIMEOUT,
    MOST_RETRIES,
    ORDER_NUMBER,
    SLOT_TYPES,
    Action,
    Case,
    Flow,
    FlowError,
    Slot,
    SlotType,
    State,
    Transition,
    Turn,
    Webhook,
)
from .flow_patterns import why_not
from .flow_schema import SchemaError, check_schema
from .flow_yaml import Reader, compose, line, plain, scalar

NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
#: The only paths of this server itself that a webhook may name.
OWN_PATH = "/demo/api/"

_FLOW = {"flow", "title", "languages", "start", "timeout", "retries", "slots", "states", "tests"}
_SLOT = {"type", "pattern", "choices", "min", "max", "past", "names"}
_STATE = {"ask", "prompt", "again", "retries", "timeout", "end", "do", "go"}
_HOOK = {"url", "send", "answer", "save", "seconds"}
_TURN = {"visitor", "intent", "after", "replies", "state", "slots", "hand_off", "knowledge", "end"}


def read_flow(source: str) -> Flow:
    """The flow of a file.

    Raises:
        FlowError: the file cannot be read; what a flow that was read means is `flow_checks.check`'s to judge.
    """
    root = compose(source)
    reader = _FlowReader()
    flow = reader.flow(root, source)
    if reader.problems:
        raise FlowError(sorted(reader.problems))
    return flow


class _FlowReader(Reader):
    languages: list[str]

    def flow(self, root: yaml.Node, source: str) -> Flow:
        fields = self.fields(root, "a flow", _FLOW)
        for key in ("flow", "languages", "states", "title"):
            if key not in fields:
                self.error(root, f"{key!r} is missing")
        self.languages = list(LANGUAGES)
        if "languages" in fields:
            self.languages = self.texts(fields["languages"][1], "languages")
            if not self.languages or not set(self.languages) <= set(LANGUAGES):
                self.error(fields["languages"][0], f"languages are some of {', '.join(LANGUAGES)}")
                self.languages = list(LANGUAGES)
        intents: list[tuple[str, int]] = []
        phrases: dict[str, list[str]] = {}
        if "start" in fields:
            start = self.fields(fields["start"][1], "start", {"intents", "phrases"})
            if "intents" in start:
                intents = [(self.text(item, "an intent"), line(item)) for item in self.items(start["intents"][1], "")]
            if "phrases" in start:
                for language, (_, node) in self.fields(start["phrases"][1], "phrases", set(LANGUAGES)).items():
                    phrases[language] = self.texts(node, "a phrase")
        elif fields:
            self.error(root, "'start' is missing: nothing begins this flow")
        slots = self._slots(fields["slots"][1]) if "slots" in fields else {}
        states = self._states(fields["states"][1]) if "states" in fields else {}
        return Flow(
            name=self.name(fields["flow"][1], "the flow's name") if "flow" in fields else "",
            version=hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:16],
            source=source,
            languages=self.languages,
            title=self.spoken(fields["title"][1], "title") if "title" in fields else {},
            intents=intents,
            phrases=phrases,
            timeout=int(self._number(fields, "timeout", 1, LONGEST_TIMEOUT, 1_800)),
            retries=int(self._number(fields, "retries", 1, MOST_RETRIES, 2)),
            slots=slots,
            states=states,
            cases=self._cases(fields["tests"][1]) if "tests" in fields else [],
            line=line(root),
        )

    def name(self, node: yaml.Node, what: str) -> str:
        text = self.text(node, what)
        if text and not NAME.fullmatch(text):
            self.error(node, f"{what} {text!r}: a name is 1 to 48 of a-z, 0-9 and _, a letter first")
        return text

    def spoken(self, node: yaml.Node, what: str) -> Mapping[str, str]:
        """A text in every language of the flow."""
        fields = self.fields(node, what, set(LANGUAGES))
        if fields:
            for language in self.languages:
                if language not in fields:
                    self.error(node, f"{what} has no text in {language!r}")
        return {language: self.text(value, what) for language, (_, value) in fields.items()}

    def _number(
        self, fields: Mapping[str, tuple[int, yaml.Node]], key: str, low: float, high: float, default: float
    ) -> float:
        if key not in fields:
            return default
        value = self.number(fields[key][1], key, low, high)
        return default if value is None else value

    # -- slots ------------------------------------------------------------------------------------------------

    def _slots(self, node: yaml.Node) -> dict[str, Slot]:
        found: dict[str, Slot] = {}
        for name, (at, value) in self.fields(node, "slots").items():
            if not NAME.fullmatch(name) or name == "failure":
                self.error(at, f"slot {name!r}: a name is 1 to 48 of a-z, 0-9 and _, a letter first, and not 'failure'")
            found[name] = self._slot(name, at, value)
        return found

    def _slot(self, name: str, at: int, node: yaml.Node) -> Slot:
        what = f"slot {name!r}"
        fields = self.fields(node, what, _SLOT)
        kind: SlotType = "text"
        if "type" not in fields:
            self.error(at, f"{what} has no type")
        else:
            text = self.text(fields["type"][1], "type")
            if text not in SLOT_TYPES:
                self.error(fields["type"][0], f"{what}: type {text!r} is none of {', '.join(get_args(SlotType))}")
            else:
                kind = text
        pattern = ORDER_NUMBER
        if "pattern" in fields:
            pattern = self.text(fields["pattern"][1], "pattern", 200)
            if (why := why_not(pattern)) is not None:
                self.error(fields["pattern"][0], f"{what}: pattern {why}")
        choices = self._choices(what, fields["choices"][1]) if "choices" in fields else {}
        if (kind == "choice") != bool(choices):
            self.error(at, f"{what}: choices are for the type choice, which needs them")
        low, high = (self.number(fields[key][1], key, -1e12, 1e12) if key in fields else None for key in ("min", "max"))
        if low is not None and high is not None and low > high:
            self.error(at, f"{what}: min is above max")
        return Slot(
            name=name,
            type=kind,
            line=at,
            pattern=pattern,
            choices=choices,
            low=low,
            high=high,
            past=self.switch(fields["past"][1], "past") if "past" in fields else False,
            names=self._both(fields["names"][1], "names") if "names" in fields else [],
        )

    def _choices(self, what: str, node: yaml.Node) -> dict[str, dict[str, list[str]]]:
        found: dict[str, dict[str, list[str]]] = {}
        for value, (at, words) in self.fields(node, "choices").items():
            by_language = self.fields(words, f"choice {value!r}", set(LANGUAGES))
            found[value] = {language: self.texts(node, "a choice") for language, (_, node) in by_language.items()}
            for language in self.languages:
                if not found[value].get(language):
                    self.error(at, f"{what}: choice {value!r} has no name in {language!r}")
        return found

    def _both(self, node: yaml.Node, what: str) -> list[str]:
        return [
            text for _, value in self.fields(node, what, set(LANGUAGES)).values() for text in self.texts(value, what)
        ]

    # -- states -----------------------------------------------------------------------------------------------

    def _states(self, node: yaml.Node) -> dict[str, State]:
        found: dict[str, State] = {}
        for name, (at, value) in self.fields(node, "states").items():
            if not NAME.fullmatch(name):
                self.error(at, f"state {name!r}: a name is 1 to 48 of a-z, 0-9 and _, a letter first")
            found[name] = self._state(name, at, value)
        if not found:
            self.error(node, "there is no state")
        return found

    def _state(self, name: str, at: int, node: yaml.Node) -> State:
        what = f"state {name!r}"
        fields = self.fields(node, what, _STATE)
        for key in ("again", "ask", "retries", "timeout"):
            if key in fields and "prompt" not in fields:
                self.error(fields[key][0], f"{what}: {key!r} needs a prompt")
        end = self.switch(fields["end"][1], "end") if "end" in fields else False
        go = [self._transition(what, item) for item in self._list(fields, "go")]
        if end and (go or "prompt" in fields):
            self.error(at, f"{what} is an end: nothing is asked there, and nothing follows")
        return State(
            name=name,
            line=at,
            ask=self.text(fields["ask"][1], "ask") if "ask" in fields else None,
            ask_line=fields["ask"][0] if "ask" in fields else 0,
            prompt=self.spoken(fields["prompt"][1], f"{what}: prompt") if "prompt" in fields else None,
            again=self.spoken(fields["again"][1], f"{what}: again") if "again" in fields else None,
            retries=int(self._number(fields, "retries", 1, MOST_RETRIES, 2)) if "retries" in fields else None,
            timeout=int(self._number(fields, "timeout", 1, LONGEST_TIMEOUT, 60)) if "timeout" in fields else None,
            end=end,
            do=[self._action(what, item) for item in self._list(fields, "do")],
            go=[transition for transition in go if transition is not None],
        )

    def _list(self, fields: Mapping[str, tuple[int, yaml.Node]], key: str) -> list[yaml.Node]:
        if key not in fields:
            return []
        node = fields[key][1]
        if not isinstance(node, yaml.SequenceNode):
            self.error(node, f"{key} is a list")
            return []
        return list(node.value)

    def _transition(self, what: str, node: yaml.Node) -> Transition | None:
        fields = self.fields(node, f"{what}: a transition", {"on", "to", "when"})
        if not {"on", "to"} <= set(fields):
            self.error(node, f"{what}: a transition has 'on' and 'to'")
            return None
        event = self.text(fields["on"][1], "on")
        kind, _, name = event.partition(" ")
        if kind in ("intent", "event") and NAME.fullmatch(name.strip()):
            event = f"{kind}:{name.strip()}"
        elif event not in ("slot", "timeout"):
            self.error(fields["on"][0], f"{what}: on is one of: slot, timeout, intent <name>, event <name>")
        guard = None
        if "when" in fields:
            try:
                guard = Guard(self.text(fields["when"][1], "when"))
            except GuardError as error:
                self.error(fields["when"][0], f"{what}: when: {error}")
        return Transition(event, self.text(fields["to"][1], "to"), fields["to"][0], guard)

    def _action(self, what: str, node: yaml.Node) -> Action:
        fields = self.fields(node, f"{what}: an action", {"reply", "knowledge", "webhook", "hand_off", "clear"})
        if len(fields) != 1:
            self.error(node, f"{what}: an action is one of: reply, knowledge, webhook, hand_off, clear")
            return Action(line(node))
        ((key, (at, value)),) = fields.items()
        if key == "reply":
            return Action(at, reply=self.spoken(value, f"{what}: reply"))
        if key == "knowledge":
            return Action(at, knowledge=self.switch(value, "knowledge"))
        if key == "hand_off":
            return Action(at, hand_off=self.name(value, "the reason of a hand-off")[:32])
        if key == "clear":
            return Action(at, clear=self.texts(value, "clear"))
        return Action(at, webhook=self._webhook(what, at, value))

    def _webhook(self, what: str, at: int, node: yaml.Node) -> Webhook:
        fields = self.fields(node, f"{what}: webhook", _HOOK)
        url = self.text(fields["url"][1], "url") if "url" in fields else ""
        if (why := _why_no_url(url)) is not None:
            self.error(fields["url"][0] if "url" in fields else at, f"{what}: webhook: {why}")
        schema: Any = plain(fields["answer"][1]) if "answer" in fields else {"type": "object"}
        try:
            check_schema(schema)
        except SchemaError as error:
            self.error(fields["answer"][0], f"{what}: webhook: answer: {error}")
        save: dict[str, str] = {}
        if "save" in fields:
            for name, (named, value) in self.fields(fields["save"][1], "save").items():
                if not NAME.fullmatch(name):
                    self.error(named, f"{what}: save: {name!r} is no name of a-z, 0-9 and _")
                save[name] = self.text(value, "save")
        seconds = self.number(fields["seconds"][1], "seconds", 0.1, 30) if "seconds" in fields else None
        send = self.texts(fields["send"][1], "send") if "send" in fields else []
        return Webhook(url, send, schema if isinstance(schema, dict) else {}, save, at, seconds)

    # -- test cases -------------------------------------------------------------------------------------------

    def _cases(self, node: yaml.Node) -> list[Case]:
        if not isinstance(node, yaml.SequenceNode):
            self.error(node, "tests is a list")
            return []
        return [self._case(item) for item in node.value]

    def _case(self, node: yaml.Node) -> Case:
        fields = self.fields(node, "a test", {"name", "language", "today", "webhooks", "turns"})
        for key in ("name", "language", "turns"):
            if key not in fields:
                self.error(node, f"a test: {key!r} is missing")
        spoken = self.text(fields["language"][1], "language") if "language" in fields else "zh"
        language: Literal["zh", "en"] = "en" if spoken == "en" else "zh"
        if spoken not in LANGUAGES:
            self.error(node, "a test: language is zh or en")
        today = self.text(fields["today"][1], "today") if "today" in fields else "2026-11-02"
        try:
            datetime.date.fromisoformat(today)
        except ValueError:
            self.error(node, "a test: today is a date such as 2026-11-02")
            today = "2026-11-02"
        return Case(
            name=self.text(fields["name"][1], "name") if "name" in fields else "",
            line=line(node),
            language=language,
            today=today,
            webhooks=[plain(item) for item in self._list(fields, "webhooks")],
            turns=[self._turn(item) for item in self._list(fields, "turns")],
        )

    def _turn(self, node: yaml.Node) -> Turn:
        fields = self.fields(node, "a turn", _TURN)
        if "visitor" not in fields:
            self.error(node, "a turn: 'visitor' is missing")

        def text(key: str) -> str | None:
            return self.text(fields[key][1], key) if key in fields else None

        def switch(key: str) -> bool | None:
            return self.switch(fields[key][1], key) if key in fields else None

        slots = self.fields(fields["slots"][1], "slots") if "slots" in fields else {}
        return Turn(
            visitor=text("visitor") or "",
            line=line(node),
            intent=text("intent"),
            after=self._number(fields, "after", 0, 10 * LONGEST_TIMEOUT, 0),
            replies=self.texts(fields["replies"][1], "replies") if "replies" in fields else [],
            state=text("state"),
            slots={name: scalar(value) for name, (_, value) in slots.items()},
            hand_off=text("hand_off"),
            knowledge=switch("knowledge"),
            end=switch("end"),
        )


def _why_no_url(url: str) -> str | None:
    if url.startswith(OWN_PATH):
        return None if re.fullmatch(r"/[\w/-]+", url, re.ASCII) else f"{url!r} is no path"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return f"{url!r} is no address"
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return f"{url!r} is no http:// or https:// address"
    if parts.username is not None or parts.password is not None:
        return "an address with a password in it is not allowed"
    return None
