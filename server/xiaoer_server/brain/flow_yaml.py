"""YAML with line numbers, read with nothing constructed: only mappings, lists and scalars, no aliases, no tags."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from .flow_model import FlowError, Problem

#: Characters of a file, and how deep it may be nested.
LONGEST, DEEPEST = 262_144, 24

_NULL = {"", "~", "null", "Null", "NULL"}
_TRUE, _FALSE = {"true", "True", "TRUE"}, {"false", "False", "FALSE"}


def compose(source: str) -> yaml.Node:
    """The tree of a file.

    Raises:
        FlowError: it is no YAML, too large, too deep, or has anchors or tags.
    """
    if len(source) > LONGEST:
        raise FlowError([Problem(1, f"the file has more than {LONGEST} characters")])
    try:
        depth = 0
        for event in yaml.parse(source, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise FlowError([Problem(_line_of(event), "anchors and aliases are not allowed")])
            if getattr(event, "tag", None) not in (None, "!"):
                raise FlowError([Problem(_line_of(event), "tags are not allowed")])
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > DEEPEST:
                    raise FlowError([Problem(_line_of(event), "is nested too deeply")])
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
        node = yaml.compose(source, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise FlowError([Problem(mark.line + 1 if mark else 1, f"is no YAML: {error.problem}")]) from None
    except yaml.YAMLError as error:
        raise FlowError([Problem(1, f"is no YAML: {str(error).splitlines()[0]}")]) from None
    if node is None:
        raise FlowError([Problem(1, "the file is empty")])
    return node


def _line_of(event: yaml.Event) -> int:
    return int(event.start_mark.line) + 1 if event.start_mark is not None else 1


def line(node: yaml.Node) -> int:
    """Where it begins, counted from 1."""
    return int(node.start_mark.line) + 1


def plain(node: yaml.Node) -> Any:
    """What JSON would have: for schemas, answers of test cases."""
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): plain(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [plain(item) for item in node.value]
    return scalar(node)


def scalar(node: yaml.Node) -> Any:
    """A scalar as YAML 1.2 has it: `yes`, `no` and `on` are texts, quoted ones too."""
    text = str(node.value)
    if getattr(node, "style", None) in ("'", '"', "|", ">"):
        return text
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if len(text) > 30 or "_" in text:
        return text
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        return number if number == number and abs(number) != float("inf") else text
    return text


class Reader:
    """Takes a tree apart and notes what is not as it should be."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def error(self, node: yaml.Node | int, what: str) -> None:
        """Note an error."""
        self.problems.append(Problem(node if isinstance(node, int) else line(node), what))

    def fields(self, node: yaml.Node, what: str, known: set[str] | None = None) -> dict[str, tuple[int, yaml.Node]]:
        """The entries of a mapping with their lines; `known` names those that may be there."""
        if not isinstance(node, yaml.MappingNode):
            self.error(node, f"{what} is a mapping")
            return {}
        found: dict[str, tuple[int, yaml.Node]] = {}
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
            if not name:
                self.error(key, f"{what}: a key is a text")
            elif known is not None and name not in known:
                self.error(key, f"{what}: unknown key {name!r}; known: {', '.join(sorted(known))}")
            elif name in found:
                self.error(key, f"{what}: {name!r} is there twice")
            else:
                found[name] = (line(key), value)
        return found

    def items(self, node: yaml.Node, what: str) -> Iterator[yaml.Node]:
        """The items of a list; anything else counts as a list of one."""
        if isinstance(node, yaml.SequenceNode):
            yield from node.value
        elif isinstance(node, yaml.ScalarNode):
            yield node
        else:
            self.error(node, f"{what} is a list")

    def text(self, node: yaml.Node, what: str, longest: int = 2_000) -> str:
        """A text that is not empty."""
        if not isinstance(node, yaml.ScalarNode) or not str(node.value).strip():
            self.error(node, f"{what} is a text")
            return ""
        if len(node.value) > longest:
            self.error(node, f"{what} is longer than {longest} characters")
            return ""
        return str(node.value).strip()

    def texts(self, node: yaml.Node, what: str) -> list[str]:
        """A list of texts, or one."""
        return [text for item in self.items(node, what) if (text := self.text(item, what))]

    def number(self, node: yaml.Node, what: str, low: float, high: float) -> float | None:
        """A number in bounds."""
        value = scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            self.error(node, f"{what} is a number from {low:g} to {high:g}")
            return None
        return value

    def switch(self, node: yaml.Node, what: str) -> bool:
        """true or false."""
        value = scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if not isinstance(value, bool):
            self.error(node, f"{what} is true or false")
            return False
        return value
