"""How much one key may ask for: a rate of requests and of tokens, streams at a time, money a month.

Rates are held by the generic cell rate algorithm (ITU-T I.371): one float a rate, the time at which its allowance is
whole again. A full minute's allowance may be taken at once and comes back evenly, so the time to wait is known exactly
and nobody is let in by the turn of a minute. A sliding minute would have to remember each call, or guess from two
counters; and a guess cannot give tokens back to the minute that they were taken from. The price: after a minute of rest
the next sixty seconds can see up to twice the rate.

Tokens are only known when an answer ends. So the prompt's estimate is taken when a call begins; when it ends, what it
used is taken (`Caller.spend`) and the estimate given back (`Caller.leave`). The allowance may thereby fall below
nothing, and the next calls wait until it is made up for. Money is counted when it is spent: calls under way when the
budget ends are finished, so it can be exceeded by what those cost.

A caller is six numbers, whatever it does. Nothing here is safe for threads; one loop uses it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ..errors import Forbidden, RateLimited, Unauthorized
from ..store.keys import ApiKey
from ..store.months import month_bounds

#: Streams have no known end; this is when trying again is worth it.
STREAM_RETRY_SECONDS = 1.0

#: Less than this is an error of rounding, not a wait.
_EPSILON = 1e-6


class Caller:
    """A key in use. `Keyring.find` makes them known by their secrets.

    Each call is `admit` once and, if that raised nothing, `leave` once, whatever became of it; before it `spend`, if
    anything was used. A call that is cancelled before its answer only leaves, and so costs nothing.

    Args:
        spent: Money spent in this calendar month already.
        clock: Seconds that never go back.
        wall: Seconds since the epoch, for the calendar.
    """

    __slots__ = (
        "_budget", "_clock", "_free", "_models", "_month_end", "_request_seconds", "_requests_at", "_spent", "_streams",
        "_streams_most", "_token_seconds", "_tokens_at", "_wall", "expires", "key", "revoked", "tenant",
    )  # fmt: skip

    def __init__(
        self,
        key: ApiKey,
        *,
        spent: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.key = key
        self.tenant = key.tenant
        self.revoked = key.revoked_at is not None
        #: Seconds since the epoch, or None.
        self.expires = None if key.expires_at is None else key.expires_at / 1000
        self._clock = clock
        self._wall = wall
        self._models = frozenset(key.models)
        self._request_seconds = 60.0 / key.requests_per_minute if key.requests_per_minute else 0.0
        self._token_seconds = 60.0 / key.tokens_per_minute if key.tokens_per_minute else 0.0
        self._requests_at = self._tokens_at = 0.0
        self._streams_most = key.streams
        self._streams = 0
        self._budget = key.budget
        self._spent = spent
        self._month_end = month_bounds(wall())[1]
        self._free = not (key.requests_per_minute or key.tokens_per_minute or key.streams or key.budget)

    def __repr__(self) -> str:
        return f"<Caller {self.key.hint} of {self.tenant}>"

    @property
    def streams(self) -> int:
        """Streamed answers under way."""
        return self._streams

    @property
    def spent(self) -> float:
        """Money spent since the month began or, if nothing was asked since, in the month of the last call."""
        return self._spent

    def admit(self, model: str, *, stream: bool, prompt_estimate: int) -> None:
        """Let one call in and take its estimate; one that is refused takes nothing.

        Args:
            prompt_estimate: Tokens that the prompt has at least, roughly.

        Raises:
            Unauthorized: (invalid_api_key) the key was revoked since it was found.
            Forbidden: (model_not_allowed) the key does not name this model.
            RateLimited: (requests_per_minute, tokens_per_minute, concurrent_streams, insufficient_quota) with the time
                to wait; without one where waiting cannot help, since a minute's tokens are less than the estimate.
        """
        if self.revoked:
            raise Unauthorized("This key was revoked.", code="invalid_api_key")
        if self._models and model not in self._models:
            raise Forbidden("This key may not use this model.", code="model_not_allowed")
        if self._free:
            if stream:
                self._streams += 1
            return
        if self._budget:
            self._check_budget()
        if stream and 0 < self._streams_most <= self._streams:
            raise RateLimited(
                f"This key may have {self._streams_most} streams at a time.",
                code="concurrent_streams",
                retry_after=STREAM_RETRY_SECONDS,
            )
        now = self._clock()
        requests_at = tokens_at = now
        if step := self._request_seconds:
            requests_at = (self._requests_at if self._requests_at > now else now) + step
            if (wait := requests_at - now - 60.0) > _EPSILON:
                raise RateLimited(
                    f"This key may ask {self.key.requests_per_minute} times a minute.",
                    code="requests_per_minute",
                    retry_after=wait,
                )
        if step := self._token_seconds:
            tokens_at = (self._tokens_at if self._tokens_at > now else now) + prompt_estimate * step
            if (wait := tokens_at - now - 60.0) > _EPSILON:
                raise self._too_many_tokens(prompt_estimate, wait)
        self._requests_at = requests_at
        self._tokens_at = tokens_at
        if stream:
            self._streams += 1

    def spend(self, tokens: int, cost: float) -> None:
        """Charge what a call used, prompt and answer together; before its `leave`."""
        if self._free:
            return
        if step := self._token_seconds:
            now = self._clock()
            self._tokens_at = (self._tokens_at if self._tokens_at > now else now) + tokens * step
        if self._budget:
            if self._wall() >= self._month_end:
                self._turn_month()
            self._spent += cost

    def leave(self, stream: bool, prompt_estimate: int) -> None:
        """Let a call out and give its estimate back; the arguments are those of its `admit`."""
        if stream:
            self._streams -= 1
        if step := self._token_seconds:
            self._tokens_at -= prompt_estimate * step

    def _check_budget(self) -> None:
        now = self._wall()
        if now >= self._month_end:
            self._turn_month()
        if self._spent >= self._budget:
            raise RateLimited(
                "The budget of this key is used up for this month.",
                code="insufficient_quota",
                retry_after=self._month_end - now,
            )

    def _turn_month(self) -> None:
        self._spent = 0.0
        self._month_end = month_bounds(self._wall())[1]

    def _too_many_tokens(self, estimate: int, wait: float) -> RateLimited:
        limit = self.key.tokens_per_minute
        if estimate > limit:
            return RateLimited(
                f"This request has about {estimate} tokens; this key may use {limit} a minute.",
                code="tokens_per_minute",
            )
        return RateLimited(f"This key may use {limit} tokens a minute.", code="tokens_per_minute", retry_after=wait)
