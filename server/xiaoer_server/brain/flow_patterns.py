"""Which regular expressions a flow may use: those that cannot take exponential time on any text.

Refused is a repeat inside a repeat, alternatives inside a repeat, a reference to a group, and more than a few repeats
of varying length: what is left backtracks through few enough ways on the short texts that it is run on.
"""

from __future__ import annotations

import re
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

#: A repeat up to so many times counts as bounded.
SMALL = 32
#: What repeats of varying length may sum up to; one without a bound counts as two, a bounded one as one.
MOST, UNBOUNDED = 3, 2

_REPEATS = {codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT}
_ALLOWED = {codes.LITERAL, codes.NOT_LITERAL, codes.IN, codes.ANY, codes.AT, codes.SUBPATTERN, codes.BRANCH, *_REPEATS}


def why_not(pattern: str) -> str | None:
    """Why the pattern is refused, in a few words; None if it is not."""
    try:
        tree = parser.parse(pattern)
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return f"is no regular expression: {error}"
    if tree.getwidth()[0] == 0:
        return "matches the empty text"
    unbounded: list[int] = []
    why = _judge(tree, repeated=False, unbounded=unbounded)
    if why is None and sum(unbounded) > MOST:
        why = "has too many repeats of varying length"
    return why


def _judge(tree: Any, *, repeated: bool, unbounded: list[int]) -> str | None:
    for operation, argument in tree:
        if operation not in _ALLOWED:
            return "uses what is not allowed here: references, look-around, conditions"
        inner: list[Any] = []
        within = repeated
        if operation in _REPEATS:
            least, most, body = argument
            if repeated:
                return "has a repeat inside a repeat"
            if most > SMALL:
                unbounded.append(UNBOUNDED)
            elif least != most:
                unbounded.append(1)
            inner, within = [body], True
        elif operation == codes.BRANCH:
            if repeated:
                return "has alternatives inside a repeat"
            inner = list(argument[1])
        elif operation == codes.SUBPATTERN:
            inner = [argument[3]]
        for part in inner:
            why = _judge(part, repeated=within, unbounded=unbounded)
            if why is not None:
                return why
    return None
