"""Calendar months, UTC. On its own, so that the command line needs no database to know them."""

from __future__ import annotations

from datetime import UTC, datetime


def month_bounds(at: float) -> tuple[float, float]:
    """First second of the calendar month (UTC) that `at` lies in, and of the next one; seconds since the epoch."""
    first = datetime.fromtimestamp(at, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return first.timestamp(), following.timestamp()
