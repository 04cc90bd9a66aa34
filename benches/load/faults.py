"""What can be wrong with a model's server, and when the simulator does it.

A fault is written `kind` or `kind=number`:

| kind | what happens | the number |
|---|---|---|
| `429` | refused, with Retry-After | seconds to wait (1) |
| `500` | refused | |
| `slow_first` | the first token comes late | seconds (the simulator's `slow_first`) |
| `stall` | the stream stops and stays open | tokens before it (half) |
| `truncate` | the stream ends cleanly, without finish reason and [DONE] | tokens before it (half) |
| `reset` | the connection is reset (TCP RST) | tokens before it (half) |
| `malformed` | an event is not JSON; the stream goes on | tokens before it (half) |
| `no_done` | everything but the [DONE] | |
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import NamedTuple

KINDS = frozenset({"429", "500", "slow_first", "stall", "truncate", "reset", "malformed", "no_done"})
MIDWAY = frozenset({"stall", "truncate", "reset", "malformed"})


class Fault(NamedTuple):
    """One fault; `number` is None where none was given."""

    kind: str
    number: float | None = None


def parse(text: str) -> Fault | None:
    """Read a fault as it is written; "ok" is none.

    Raises:
        ValueError: there is no such kind, or the number is none.
    """
    kind, _, number = text.strip().partition("=")
    if kind == "ok":
        return None
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no fault; there are: {', '.join(sorted(KINDS))}, ok")
    return Fault(kind, float(number) if number else None)


def draw(rates: Mapping[str, float], random: Random) -> Fault | None:
    """Draw one fault, or none; each kind comes with its own probability."""
    if not rates:
        return None
    at = random.random()
    for text, rate in rates.items():
        at -= rate
        if at < 0:
            return parse(text)
    return None
