"""Both queues, driven together through random moves, against a model that is one list and a sorting rule."""

import gc
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

LEVELS = 3


class Tenant:
    """Neither a string nor safe from cycles; equal to its like."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __hash__(self) -> int:
        return 7

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tenant) and other.number == self.number


# Beyond what a level keeps of lanes without items, of all kinds that a ticket or a lane treats differently.
TENANTS = [None, *(f"t{i}" for i in range(20)), 1, True, ("a", 1), Tenant(1), Tenant(2)]


@dataclass
class Waiting:
    item: int
    priority: int
    tenant: Any
    level: int
    since: float
    tickets: list[Any]


@dataclass
class Model:
    """Every rule of the queue, by looking at everything each time."""

    ageing: float | None
    maxsize: int
    waiting: list[Waiting] = field(default_factory=list)  # in the order in which they came to their level
    turns: list[list[Any]] = field(default_factory=lambda: [[] for _ in range(LEVELS)])  # tenants, whose turn is next
    counts: dict[tuple[str, int], int] = field(default_factory=dict)

    def count(self, what: str, priority: int) -> None:
        self.counts[what, priority] = self.counts.get((what, priority), 0) + 1

    def enter(self, one: Waiting, level: int, now: float) -> None:
        one.level, one.since = level, now
        self.waiting.append(one)
        if one.tenant not in self.turns[level]:
            self.turns[level].append(one.tenant)

    def leave(self, one: Waiting) -> None:
        self.waiting.remove(one)
        if not any(other.level == one.level and other.tenant == one.tenant for other in self.waiting):
            self.turns[one.level].remove(one.tenant)

    def take(self, now: float) -> int:
        for level in range(1, LEVELS):
            while self.ageing is not None:
                due = next((one for one in self.waiting if one.level == level), None)
                if due is None or now - due.since < self.ageing:
                    break
                self.leave(due)
                self.enter(due, level - 1, now)
                self.count("promoted", due.priority)
        turns = next(turns for turns in self.turns if turns)
        level = self.turns.index(turns)
        tenant = turns.pop(0)
        turns.append(tenant)
        one = next(one for one in self.waiting if one.level == level and one.tenant == tenant)
        self.leave(one)
        self.count("taken", one.priority)
        return one.item


def machine(native: ModuleType, pure: ModuleType) -> type[RuleBasedStateMachine]:
    class Queues(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.now = 0.0
            self.model = Model(None, 0)
            self.queues: list[Any] = []
            self.made: list[Waiting] = []
            self.settings = (0, None)
            self.start(0, None)

        def start(self, maxsize: int, ageing: float | None) -> None:
            self.model = Model(ageing, maxsize)
            self.made = []
            self.queues = [
                library.PriorityQueue(LEVELS, maxsize, ageing=ageing, clock=lambda: self.now)
                for library in (native, pure)
            ]

        @precondition(lambda self: not self.made)
        @rule(maxsize=st.sampled_from([0, 3, 40]), ageing=st.sampled_from([None, 1.0, 2.5, 10.0]))
        def choose(self, maxsize: int, ageing: float | None) -> None:
            self.start(maxsize, ageing)

        @rule(priority=st.integers(0, LEVELS - 1), tenant=st.sampled_from(TENANTS))
        def put(self, priority: int, tenant: Any) -> None:
            if self.model.maxsize and len(self.model.waiting) >= self.model.maxsize:
                for library, queue in zip((native, pure), self.queues, strict=True):
                    with pytest.raises(library.QueueFull):
                        queue.put_nowait(0, priority, tenant)
                return
            item = len(self.made)
            tickets = [queue.put_nowait(item, priority, tenant) for queue in self.queues]
            assert all(ticket.priority == priority and ticket.tenant is tenant for ticket in tickets)
            one = Waiting(item, priority, tenant, priority, self.now, tickets)
            self.made.append(one)
            self.model.enter(one, priority, self.now)

        @rule(tenants=st.lists(st.sampled_from(TENANTS), min_size=10, max_size=30), priority=st.integers(0, LEVELS - 1))
        def put_a_burst(self, tenants: list[Any], priority: int) -> None:
            for tenant in tenants:
                self.put(priority, tenant)

        @rule(times=st.integers(1, 12))
        def get(self, times: int) -> None:
            for _ in range(times):
                if not self.model.waiting:
                    for library, queue in zip((native, pure), self.queues, strict=True):
                        with pytest.raises(library.QueueEmpty):
                            queue.get_nowait()
                    return
                expected = self.model.take(self.now)
                assert [queue.get_nowait() for queue in self.queues] == [expected, expected]

        @rule(which=st.integers(0, 200))
        def cancel(self, which: int) -> None:
            if not self.made:
                return
            one = self.made[which % len(self.made)]
            waits = one in self.model.waiting
            assert [queue.cancel(t) for queue, t in zip(self.queues, one.tickets, strict=True)] == [waits, waits]
            if waits:
                self.model.leave(one)
                self.model.count("cancelled", one.priority)

        @rule(seconds=st.sampled_from([0.25, 1.0, 3.0, 20.0]))
        def sleep(self, seconds: float) -> None:
            self.now += seconds

        @rule()
        def collect(self) -> None:
            gc.collect(1)

        @invariant()
        def counters(self) -> None:
            stats = [queue.stats() for queue in self.queues]
            assert [tuple(level) for level in stats[0]] == [tuple(level) for level in stats[1]]
            for priority, level in enumerate(stats[0]):
                waiting = [one for one in self.model.waiting if one.priority == priority]
                assert level.depth == len(waiting) == self.queues[0].qsize(priority)
                for what in ("taken", "cancelled", "promoted"):
                    assert getattr(level, what) == self.model.counts.get((what, priority), 0)
            assert self.queues[0].qsize() == self.queues[1].qsize() == len(self.model.waiting)

    return Queues


def test_both_queues_do_what_the_model_does(native_xiaoer: ModuleType, pure_xiaoer: ModuleType) -> None:
    run_state_machine_as_test(machine(native_xiaoer, pure_xiaoer), settings=settings(stateful_step_count=30))
