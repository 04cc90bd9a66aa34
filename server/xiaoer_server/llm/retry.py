"""When to ask an upstream again: how often at most, how long to wait, and what the upstream says about it."""

from __future__ import annotations

import random as _random
import re
import time
from calendar import monthrange, timegm
from collections.abc import Callable
from math import floor as _floor

_BUCKETS = 20
_DAY = 86_400.0

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = "Mon|Tue|Wed|Thu|Fri|Sat|Sun"
_LONG_DAYS = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"
_MONTH = "|".join(_MONTHS)
_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
# RFC 9110, 5.6.7: the form that is sent today, that of RFC 850, and that of C's asctime().
_DATES = tuple(
    re.compile(form)
    for form in (
        rf"(?:{_DAYS}), (?P<day>[0-9]{{2}}) (?P<month>{_MONTH}) (?P<year>[0-9]{{4}}) {_TIME} GMT",
        rf"(?:{_LONG_DAYS}), (?P<day>[0-9]{{2}})-(?P<month>{_MONTH})-(?P<year>[0-9]{{2}}) {_TIME} GMT",
        rf"(?:{_DAYS}) (?P<month>{_MONTH}) (?P<day>[0-9]{{2}}| [0-9]) {_TIME} (?P<year>[0-9]{{4}})",
    )
)


class RetryBudget:
    """How many retries and hedges may be sent beside the first attempts: never more than `ratio` of them.

    At each `withdraw` that says yes, the yeses of the last `window` seconds, this one among them, are at most
    ``max(floor, ratio * first attempts of the last window seconds)``. An attempt leaves the window before the retries
    that it paid for, so none is paid with twice.

    The floor is not added to the share, it stands in for it while traffic is low: a tenth of three calls is none, and
    a single lost connection at a quiet hour could never be tried again. From `floor / ratio` first attempts a window
    on (100 with the defaults, 10 a second) the floor is without effect and "never more than 10 % extra" holds
    exactly; below, the extra load is at most `floor` calls a window (one a second), which no upstream notices.

    Time is cut into twentieths of the window. The cut is always to the safe side: attempts leave up to a twentieth
    early, retries up to a twentieth late. Both methods take constant time and memory. One thread only.
    """

    __slots__ = ("_attempts", "_bucket", "_clock", "_first", "_floor", "_ratio", "_retries", "_spent", "_step")

    def __init__(
        self,
        ratio: float = 0.1,
        *,
        floor: int = 10,
        window: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """ValueError for a ratio outside 0–1, a negative floor or a window that is not over 0."""
        if not 0 <= ratio <= 1:
            raise ValueError("ratio must be from 0 to 1")
        if floor < 0:
            raise ValueError("floor must not be negative")
        if not 0 < window < float("inf"):
            raise ValueError("window must be finite and over 0")
        self._ratio = ratio
        self._floor = floor
        self._step = window / _BUCKETS
        self._clock = clock
        # One bucket more than the window has: retries are counted until their bucket is outside as a whole.
        self._first = [0] * (_BUCKETS + 1)
        self._spent = [0] * (_BUCKETS + 1)
        self._attempts = 0
        self._retries = 0
        self._bucket = _floor(clock() / self._step)

    def deposit(self) -> None:
        """A first attempt was sent."""
        bucket = self._turn()
        self._first[bucket % (_BUCKETS + 1)] += 1
        self._attempts += 1

    def withdraw(self) -> bool:
        """May one more call be sent, a retry or a hedge? Yes counts it."""
        bucket = self._turn()
        wanted = self._retries + 1
        if wanted > self._floor and wanted > self._ratio * self._attempts:
            return False
        self._spent[bucket % (_BUCKETS + 1)] += 1
        self._retries = wanted
        return True

    def _turn(self) -> int:
        now = _floor(self._clock() / self._step)
        last = self._bucket
        if now <= last:  # the same bucket; a clock that goes backwards changes nothing
            return last
        length = _BUCKETS + 1
        if now - last >= length:
            self._first = [0] * length
            self._spent = [0] * length
            self._attempts = self._retries = 0
        else:
            for bucket in range(last + 1, now + 1):
                old = (bucket - _BUCKETS) % length
                self._attempts -= self._first[old]
                self._first[old] = 0
                older = bucket % length
                self._retries -= self._spent[older]
                self._spent[older] = 0
        self._bucket = now
        return now


def full_jitter(
    attempt: int, *, base: float = 0.1, cap: float = 2.0, random: Callable[[], float] = _random.random
) -> float:
    """Seconds to wait before retry number `attempt` (from 0): anything between nothing and the doubled base.

    The upper end doubles with each attempt, ``base * 2 ** attempt``, and stops at `cap`; the wait is drawn evenly
    from 0 up to it, so that callers who failed together do not come back together. That is "full jitter" of the AWS
    architecture blog (M. Brooker, Exponential Backoff And Jitter, 2015). `random` gives numbers in [0, 1).
    """
    if attempt < 0:
        raise ValueError("attempt must not be negative")
    return random() * min(cap, base * 2.0 ** min(attempt, 1000))


def retry_after(value: str | bytes | None, now: float | None = None) -> float | None:
    """Seconds that a Retry-After field (RFC 9110, 10.2.3) asks for, from 0 to a day; None for anything else.

    Both forms are read: a number of seconds, and a date in the three spellings of RFC 9110 5.6.7 (one in the past is
    0). `now` is Unix time in seconds. Names of weekdays are not checked against the date.
    """
    if value is None:
        return None
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    value = value.strip(" \t")
    if value.isascii() and value.isdigit():
        digits = value.lstrip("0")
        return _DAY if len(digits) > 5 else min(float(digits or "0"), _DAY)
    for form in _DATES:
        match = form.fullmatch(value)
        if match is not None:
            return _until(match, time.time() if now is None else now)
    return None


def _until(match: re.Match[str], now: float) -> float | None:
    year, month = int(match["year"]), _MONTHS.index(match["month"]) + 1
    day = int(match["day"])
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"])
    if len(match["year"]) == 2:
        # A year with two digits that seems to be over 50 years ahead is the last one that ended so.
        this = time.gmtime(now).tm_year
        year += this - this % 100
        if year > this + 50:
            year -= 100
    if not (year >= 1 and 1 <= day <= monthrange(year, month)[1] and hour < 24 and minute < 60 and second <= 60):
        return None
    then = timegm((year, month, day, hour, minute, second))  # a leap second is the first second after it
    return min(max(then - now, 0.0), _DAY)
