"""Random loads, seeded, against the pool's policy: the size follows them and does not flap.

Flapping, for a policy with a tolerance and a window for shrinking, is a change of the size whose direction is opposite
to that of the change before, less than a window after it, without a cause. Shrinking after growing never has one.
Growing after shrinking has one where the load has risen by more than the tolerance over the highest load that the
window before the shrinking has seen.
"""

import itertools
import math
import random
from collections import deque
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from xiaoer_server.llm.autoscaler import Phase, Replica, by_average, by_load
from xiaoer_server.llm.pool import PoolPolicy

STEP = 0.5
TRACES, STEPS = 10_000, 120


class Change(NamedTuple):
    at: float
    before: int
    after: int


def follow(policy: PoolPolicy, loads: list[int], size: int) -> list[Change]:
    """Runs the rule over loads `STEP` seconds apart, every decision carried out at once."""
    behaviour = policy.behaviour()
    changes = []
    for index, load in enumerate(loads):
        now = index * STEP
        decision, _ = behaviour.decide(size, policy.wish(size, 0, load), now)
        behaviour.changed(decision - size, now)
        if decision != size:
            changes.append(Change(now, size, decision))
        size = decision
    return changes


def flaps(policy: PoolPolicy, loads: list[int], changes: list[Change], window: float) -> list[Change]:
    """The changes that are flapping, as the module's docstring defines it."""
    found = []
    for earlier, later in itertools.pairwise(changes):
        grew, grows = earlier.after > earlier.before, later.after > later.before
        if grew == grows or later.at - earlier.at >= window:
            continue
        # Changes of one direction follow each other: the load that the shrinking answered is the window's before it.
        seen = [loads[round(at / STEP)] for at in steps(max(0.0, earlier.at - window + STEP), earlier.at)]
        load = loads[round(later.at / STEP)]
        if not grows or load <= max(seen) * (1 + policy.tolerance):
            found.append(later)
    return found


def steps(first: float, last: float) -> list[float]:
    return [index * STEP for index in range(math.ceil(first / STEP), round(last / STEP) + 1)]


def trace(rng: random.Random) -> list[int]:
    """A load of one of five kinds: noise about a level, steps, ramps, bursts, a random walk."""
    level = rng.uniform(5, 400)
    noise = rng.choice((0.0, 0.02, 0.05, 0.3))
    kind = rng.randrange(5)
    loads = []
    goal = level
    for index in range(STEPS):
        if kind == 1 and rng.random() < 0.05:
            level = rng.uniform(0, 400)
        elif kind == 2:
            if index % 40 == 0:
                goal = rng.uniform(0, 400)
            level += (goal - level) / 10
        elif kind == 3:
            level = goal * (10 if rng.random() < 0.05 else 1)
        elif kind == 4:
            level = max(0.0, level + rng.gauss(0, 10))
        loads.append(round(level * (1 + rng.uniform(-noise, noise))))
    return loads


def policy_of(rng: random.Random, window: float) -> PoolPolicy:
    return PoolPolicy(
        minimum=rng.randrange(5),
        maximum=rng.choice((50, 2000)),
        target=rng.uniform(0.5, 0.9),
        tolerance=rng.choice((0.05, 0.1)),
        slots=rng.choice((1, 1, 10)),
        scale_down_percent=rng.choice((10, 50, 100)),
        scale_down_window=window,
    )


def test_ten_thousand_random_loads_do_not_flap() -> None:
    changed = 0
    for seed in range(TRACES):
        rng = random.Random(seed)
        window = rng.choice((5.0, 15.0, 30.0))
        policy, loads = policy_of(rng, window), trace(rng)
        changes = follow(policy, loads, policy.minimum)
        changed += len(changes)
        assert not flaps(policy, loads, changes, window), f"seed {seed}"
    assert changed > 5 * TRACES  # they did move


def test_without_its_window_the_same_loads_flap() -> None:
    """The judge can tell: without stabilisation a good part of the traces flaps."""
    flapping = 0
    for seed in range(300):
        rng = random.Random(seed)
        window = rng.choice((5.0, 15.0, 30.0))
        policy, loads = policy_of(rng, 0.0), trace(rng)
        flapping += bool(flaps(policy, loads, follow(policy, loads, policy.minimum), window))
    assert flapping > 100


def test_noise_within_the_tolerance_changes_nothing() -> None:
    """Once the size stands for the highest of loads that stay within the tolerance, it stays."""
    for seed in range(1_000):
        rng = random.Random(seed)
        policy = PoolPolicy(minimum=0, target=rng.uniform(0.5, 0.9), scale_down_window=10.0)
        level = rng.randrange(20, 1_000)
        low = math.ceil(level * 0.91)
        loads = [level] + [rng.randint(low, level) for _ in range(STEPS)]
        changes = follow(policy, loads, math.ceil(level / policy.target))
        assert changes == [], f"seed {seed}"


def test_a_ramp_and_a_fall() -> None:
    policy = PoolPolicy()
    rise = list(range(0, 1_000, 10))
    loads = rise + [1_000] * 40 + [0] * 400
    changes = follow(policy, loads, policy.minimum)
    size, sizes, pending = policy.minimum, [], deque(changes)
    for index in range(len(loads)):
        while pending and pending[0].at == index * STEP:
            size = pending.popleft().after
        sizes.append(size)
    # Going up there is always room, at most a tolerance under what the target asks for.
    for load, size in zip(loads[: len(rise) + 40], sizes, strict=False):
        assert size >= load
        assert size >= load / policy.target / (1 + policy.tolerance)
        assert size <= max(policy.minimum, math.ceil(load / policy.target * (1 + policy.tolerance)))
    # The fall starts when the last high load has left the window, and is over within the rate: half each 5 s.
    fall = (len(rise) + 40) * STEP
    down = [change for change in changes if change.after < change.before]
    assert fall + policy.scale_down_window - STEP <= down[0].at <= fall + policy.scale_down_window + STEP
    assert down[-1].after == policy.minimum
    assert down[-1].at - down[0].at <= 8 * policy.scale_down_period
    for earlier, later in itertools.pairwise(down):
        assert later.at - earlier.at >= policy.scale_down_period
        assert later.after >= min(later.before // 2, later.before - policy.scale_down_count)


def test_from_zero_and_to_zero() -> None:
    policy = PoolPolicy(minimum=0, scale_down_window=5.0)
    changes = follow(policy, [0, 0, 1, 1, *[0] * 40], 0)
    assert [change.after for change in changes] == [2, 0]


def test_growing_keeps_to_its_rate() -> None:
    changes = follow(PoolPolicy(scale_up_period=1.0), [10_000] * 20, 2)
    assert [change.after for change in changes] == [66, 132, 264, 528, 1056, 2000]
    assert [change.at for change in changes] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 60), st.integers(1, 50), st.sampled_from((0.0, 0.1, 0.3)))
def test_a_sum_decides_as_single_readings_do(
    ready: int, unready: int, reading: int, target: int, tolerance: float
) -> None:
    """`by_load` is `by_average` where each of the ready replicas reads the same and the others are pending."""
    if not ready:
        return
    replicas = {n: Replica() for n in range(ready)}
    replicas |= {n: Replica(phase=Phase.PENDING) for n in range(ready, ready + unready)}
    wish, _ = by_average(ready + unready, replicas, dict.fromkeys(range(ready), reading), target, tolerance)
    again = by_load(ready, unready, reading * ready, target, tolerance)
    if reading > target and unready:
        # Single readings are averaged to a whole number; the sum is not.
        exact = reading * ready / (ready + unready) / target
        whole = reading * ready // (ready + unready) / target
        if math.isclose(exact, whole):
            assert again == wish
        else:
            assert wish <= again
    else:
        assert again == wish
