"""What can be wrong with a model's server, and when the simulator does it.

A fault is written `kind` or `kind=number`:

| kind | what happens | the number |
|---|---|---|
| `429`, `503` | refused, with Retry-After | seconds to wait (1) |
| `400`, `401`, `403`, `404`, `408`, `500`, `502`, `504`, `529` | refused | |
| `slow_first` | the first token comes late | seconds (the simulator's `slow_first`) |
| `stall` | the stream stops and stays open | tokens before it (half) |
| `truncate` | the stream ends cleanly, without finish reason and [DONE] | tokens before it (half) |
| `reset` | the connection is reset (TCP RST) | tokens before it (half) |
| `malformed` | an event is not JSON; the stream goes on | tokens before it (half) |
| `error_event` | an event with an error, then the end without [DONE]; not streamed: 500 | tokens before it (half) |
| `endless` | an event that never ends its line, until the client goes or so much is sent | megabytes (64) |
| `no_done` | everything but the [DONE] | |
| `hang` | no answer at all, the connection stays open | |
| `close` | the connection is closed instead of an answer, as one kept alive too long | |
| `garbage` | bytes that are no HTTP | |
| `html` | 200 with a page of HTML | |
| `empty` | 200 with an empty body | |
| `gzip` | the answer is compressed, asked for or not | |
| `redirect` | 307 to another path of the same server | status (307) |
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import NamedTuple

STATUSES = frozenset({"400", "401", "403", "404", "408", "429", "500", "502", "503", "504", "529"})
MIDWAY = frozenset({"stall", "truncate", "reset", "malformed", "error_event", "endless"})
INSTEAD = frozenset({"hang", "close", "garbage", "html", "empty", "redirect"})
#: Statuses; what happens at a token; what comes instead of an answer.
KINDS = STATUSES | MIDWAY | INSTEAD | {"slow_first", "no_done", "gzip"}


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
