"""Guards: small expressions over slots and what webhooks saved. Nothing is evaluated by Python.

    status == "sent"      amount > 100 and not paid      reason in ["broken", "wrong"]

The grammar is a part of Python's: names, constants, lists of constants, one comparison each, `and`, `or`, `not`. A name
alone is true if it has a value that is neither empty nor false. Values that cannot be compared make a comparison
false.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

Values = Mapping[str, Any]
_Check = Callable[[Values], Any]

#: Longer or deeper ones are no guards that people can read.
LONGEST, DEEPEST = 300, 12

_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}
_WORDS = {"true": True, "false": False, "none": None}


class GuardError(ValueError):
    """The text is no guard; the message says why."""


class Guard:
    """A guard that was read. `names` are those that it looks at."""

    __slots__ = ("_check", "names", "text")

    def __init__(self, text: str) -> None:
        """
        Raises:
            GuardError: it is none.
        """
        if len(text) > LONGEST:
            raise GuardError(f"is longer than {LONGEST} characters")
        try:
            tree = ast.parse(text.strip(), mode="eval")
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            raise GuardError(f"{text!r} is no expression such as: amount > 100 and status == 'sent'") from None
        self.text = text
        self.names: set[str] = set()
        self._check = self._read(tree.body, DEEPEST)

    def __call__(self, values: Values) -> bool:
        """Whether it holds."""
        return bool(self._check(values))

    def __repr__(self) -> str:
        return f"Guard({self.text!r})"

    def _read(self, node: ast.expr, depth: int) -> _Check:
        if depth == 0:
            raise GuardError("is nested too deeply")
        if isinstance(node, ast.BoolOp):
            parts = [self._read(part, depth - 1) for part in node.values]
            if isinstance(node.op, ast.And):
                return lambda values: all(part(values) for part in parts)
            return lambda values: any(part(values) for part in parts)
        if isinstance(node, ast.UnaryOp):
            inner = self._read(node.operand, depth - 1)
            if isinstance(node.op, ast.Not):
                return lambda values: not inner(values)
            if isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
                number = _constant(node.operand)
                if isinstance(number, int | float):
                    negative = -number
                    return lambda values: negative
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARISONS:
            compare = _COMPARISONS[type(node.ops[0])]
            left, right = self._read(node.left, depth - 1), self._read(node.comparators[0], depth - 1)
            return lambda values: _compare(compare, left(values), right(values))
        if isinstance(node, ast.Name):
            name = node.id
            if name.lower() in _WORDS:
                word = _WORDS[name.lower()]
                return lambda values: word
            self.names.add(name)
            return lambda values: values.get(name)
        if isinstance(node, ast.Constant):
            constant = _constant(node)
            return lambda values: constant
        if isinstance(node, ast.List | ast.Tuple):
            if not all(isinstance(item, ast.Constant) for item in node.elts):
                raise GuardError("a list in a guard holds constants only")
            items = [_constant(item) for item in node.elts if isinstance(item, ast.Constant)]
            return lambda values: items
        raise GuardError(f"{ast.unparse(node)!r} is not allowed in a guard")


def _constant(node: ast.Constant) -> str | int | float | bool | None:
    if node.value is None or isinstance(node.value, str | int | float | bool):
        return node.value
    raise GuardError(f"{node.value!r} is not allowed in a guard")


def _compare(compare: Callable[[Any, Any], bool], left: Any, right: Any) -> bool:
    try:
        return bool(compare(left, right))
    except TypeError:
        return False
