"""How many replicas a load needs: the replica calculator of Kubernetes' HPA, as pure functions.

Here the replicas are connections (`llm/pool.py`), but nothing in this file knows that. A calculator turns readings
into a wish: desired = ceil(current x metric / target), unchanged while the metric is within `tolerance` (a share) of
the target. Replicas that are not ready yet count as idle when growing and not at all when shrinking; replicas without
a reading count as idle when growing and as fully used when shrinking; a wish that would turn the direction because of
them is dropped. `autoscaler_behaviour.py` makes decisions of such wishes.

Method: https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/#algorithm-details
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Hashable, Mapping

import msgspec


class NoReadings(Exception):
    """No reading belongs to any replica that is ready, so there is nothing to decide on."""


class NoRequest(Exception):
    """A share of use cannot be told: a replica has not said how much it may use."""


class Phase(enum.Enum):
    """What a replica is doing; whoever has failed or is leaving does not count at all."""

    RUNNING = enum.auto()
    PENDING = enum.auto()
    FAILED = enum.auto()
    LEAVING = enum.auto()


class Replica(msgspec.Struct, frozen=True):
    """One replica, as a calculator sees it.

    `request` is what it may use, in the unit of the readings (only for `by_utilisation`); `starting` says that its
    readings are not to be believed yet.
    """

    request: int | None = None
    ready: bool = True
    starting: bool = False
    phase: Phase = Phase.RUNNING


Readings = Mapping[Hashable, int]
Replicas = Mapping[Hashable, Replica]


def by_utilisation(
    current: int, replicas: Replicas, readings: Readings, target: int, tolerance: float
) -> tuple[int, int, int]:
    """Replicas for a use of `target` percent of what they request; also the percentage and the average reading.

    Percentages are whole numbers, rounded down, before they are compared.

    Raises:
        NoReadings, NoRequest
    """
    if not readings:
        raise NoReadings("nothing was measured")
    ready, unready, missing = _group(replicas, readings, trust_unready=False)
    requests: dict[Hashable, int] = {}
    for name, replica in replicas.items():
        if replica.request is None:
            raise NoRequest(f"replica {name!r} has no request")
        requests[name] = replica.request
    used = {name: reading for name, reading in readings.items() if name not in unready}

    def percentage() -> tuple[int, int]:
        known = used.keys() & requests.keys()
        requested = sum(requests[name] for name in known)
        if not requested:
            raise NoReadings("no reading belongs to a known replica")
        total = sum(used[name] for name in known)
        return total * 100 // requested, total // len(known)

    share, average = percentage()

    def again(ratio: float) -> tuple[float, int]:
        if ratio < 1.0:
            used.update((name, requests[name]) for name in missing)
        elif ratio > 1.0:
            used.update(dict.fromkeys(missing, 0))
            used.update(dict.fromkeys(unready, 0))
        return percentage()[0] / target, len(used)

    wish = _decide(current, len(ready), share / target, bool(unready), bool(missing), again, tolerance)
    return wish, share, average


def by_average(current: int, replicas: Replicas, readings: Readings, target: int, tolerance: float) -> tuple[int, int]:
    """Replicas for an average reading of `target`; also the average, rounded down. Only pending ones are unready.

    Raises:
        NoReadings
    """
    ready, unready, missing = _group(replicas, readings, trust_unready=True)
    used = {name: reading for name, reading in readings.items() if name not in unready}
    if not used:
        raise NoReadings("nothing was measured on a ready replica")

    def average() -> int:
        return sum(used.values()) // len(used)

    measured = average()

    def again(ratio: float) -> tuple[float, int]:
        used.update(dict.fromkeys(missing, target if ratio < 1.0 else 0))
        if ratio > 1.0:
            used.update(dict.fromkeys(unready, 0))
        return average() / target, len(used)

    wish = _decide(current, len(ready), measured / target, bool(unready), bool(missing), again, tolerance)
    return wish, measured


def by_value(current: int, ready: int, value: int, target: int, tolerance: float) -> int:
    """Replicas for one outside `value` shared by all of them; from zero replicas, as many as targets are in it."""
    ratio = value / target
    if not current:
        return math.ceil(ratio)
    if abs(1.0 - ratio) <= tolerance:
        return current
    return math.ceil(ratio * ready)


def by_value_per_replica(current: int, value: int, target: int, tolerance: float) -> tuple[int, int]:
    """Replicas for an outside `value` of `target` each; also the value of each now, rounded up."""
    if not current:
        return math.ceil(value / target), 0
    wish = current
    if abs(1.0 - value / (target * current)) > tolerance:
        wish = math.ceil(value / target)
    return wish, math.ceil(value / current)


def by_load(ready: int, unready: int, load: float, target: float, tolerance: float) -> int:
    """`by_average` in O(1), where only the sum of the readings (`load`) is known and `unready` ones have none.

    Without a single ready replica the load is compared with what the unready ones will carry.
    """
    current = ready + unready
    if not current:
        return math.ceil(load / target)
    idle = math.inf if load else 1.0
    ratio = load / (ready * target) if ready else idle
    return _decide(current, ready, ratio, unready > 0, False, lambda _: (load / (current * target), current), tolerance)


def _group(
    replicas: Replicas, readings: Readings, *, trust_unready: bool
) -> tuple[set[Hashable], set[Hashable], set[Hashable]]:
    """Names of those that count, of those that are not ready yet and of those without a reading."""
    ready: set[Hashable] = set()
    unready: set[Hashable] = set()
    missing: set[Hashable] = set()
    for name, replica in replicas.items():
        if replica.phase is Phase.FAILED or replica.phase is Phase.LEAVING:
            continue
        if replica.phase is Phase.PENDING:
            unready.add(name)
        elif name not in readings:
            missing.add(name)
        elif not trust_unready and (replica.starting or not replica.ready):
            unready.add(name)
        else:
            ready.add(name)
    return ready, unready, missing


def _decide(
    current: int,
    ready: int,
    ratio: float,
    unready: bool,
    missing: bool,
    again: Callable[[float], tuple[float, int]],
    tolerance: float,
) -> int:
    """The wish for a use of `ratio` times the target. `again` tells ratio and count with the doubtful ones in it."""
    count = ready
    if missing or (unready and ratio > 1.0):
        first, (ratio, count) = ratio, again(ratio)
        if (first < 1.0 < ratio) or (ratio < 1.0 < first):
            return current
        if abs(1.0 - ratio) <= tolerance:
            return current
        wish = math.ceil(ratio * count)
        # More replicas counted than there should be now: growing must not shrink, nor shrinking grow.
        return current if (ratio < 1.0 and wish > current) or (ratio > 1.0 and wish < current) else wish
    if abs(1.0 - ratio) <= tolerance:
        return current
    return math.ceil(ratio * count)
