"""Temperature and length of an answer, held within what the operator set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

#: Either may carry the length of an answer; the second is the older name.
LENGTHS = ("max_completion_tokens", "max_tokens")


def clamp(value: float | None, low: float, high: float) -> float | None:
    """`value` held between `low` and `high`; None, for "not said", stays None."""
    return None if value is None else min(max(value, low), high)


class Clamp(msgspec.Struct, frozen=True):
    """What the chat always applies to its requests, and the gateway where the settings say so.

    Args:
        default: Temperature of a request that names none; None leaves it to the model.
        low: Least temperature.
        high: Greatest temperature.
        max_tokens: Most tokens of an answer; 0 is no limit.

    Raises:
        ValueError: `low` is above `high`.
    """

    default: float | None = 0.4
    low: float = 0.3
    high: float = 0.5
    max_tokens: int = 0

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"the least temperature, {self.low}, is above the greatest, {self.high}")

    def temperature(self, wanted: float | None) -> float | None:
        """The temperature to ask with; None only if neither the request nor the settings name one."""
        return clamp(self.default if wanted is None else wanted, self.low, self.high)

    def tokens(self, wanted: int | None) -> int | None:
        """The answer's greatest length to ask for, in tokens; None only without a limit and a wish."""
        if not self.max_tokens:
            return wanted
        return self.max_tokens if wanted is None else min(wanted, self.max_tokens)

    def changes(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """What must differ in a checked request, for `ChatCall.upstream_body`; empty where all is within the limits."""
        changes: dict[str, Any] = {}
        wanted = fields.get("temperature")
        temperature = self.temperature(wanted)
        if temperature != wanted:
            changes["temperature"] = temperature
        if not self.max_tokens:
            return changes
        given = False
        for name in LENGTHS:
            length = fields.get(name)
            if length is not None:
                given = True
                if length > self.max_tokens:
                    changes[name] = self.max_tokens
        if not given:
            changes["max_tokens"] = self.max_tokens
        return changes
