"""Code of somebody else's that gets in between: types made from tickets, and puts and gets inside of puts and gets."""

import asyncio
import sys
from collections.abc import Callable
from types import ModuleType

import pytest

REFUSAL = r"tickets are made by PriorityQueue\.put"


class Tenant:
    """All of them collide; comparing, hashing or the end of one runs what it has been given."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.on_eq: Callable[[], None] | None = None
        self.on_hash: Callable[[], None] | None = None
        self.on_end: Callable[[], None] | None = None

    def __hash__(self) -> int:
        if self.on_hash:
            self.on_hash()
        return 1

    def __eq__(self, other: object) -> bool:
        if self.on_eq:
            self.on_eq()
        return self is other

    def __del__(self) -> None:
        if self.on_end:
            self.on_end()


def test_nobody_subclasses_tickets(native_xiaoer: ModuleType) -> None:
    traced = type(native_xiaoer.PriorityQueue().put_nowait("x", tenant=Tenant("a")))
    assert traced is not native_xiaoer.Ticket
    for base in native_xiaoer.Ticket, traced:
        with pytest.raises(TypeError, match="not an acceptable base type"):
            type("X", (base,), {})


def test_only_a_queue_makes_tickets(xiaoer: ModuleType) -> None:
    queue = xiaoer.PriorityQueue()
    types = {type(queue.put_nowait("x")), type(queue.put_nowait("x", tenant=Tenant("a"))), xiaoer.Ticket}
    for kind in types:
        with pytest.raises(TypeError, match=REFUSAL):
            kind()
        with pytest.raises(TypeError, match=REFUSAL):
            kind("x")
        for base in types:
            with pytest.raises(TypeError):
                base.__new__(kind)
    # Making and ending many goes on as ever, whatever has been refused.
    for tenant in None, "a", 5, Tenant("b"):
        tickets = [queue.put_nowait(i, tenant=tenant) for i in range(2000)]
        assert [ticket.tenant for ticket in tickets] == [tenant] * 2000
        assert {type(ticket) for ticket in tickets} <= types
        assert all(queue.cancel(ticket) for ticket in tickets)


def test_tickets_can_be_made_in_no_other_way(native_xiaoer: ModuleType) -> None:
    for base in object, native_xiaoer.Ticket:
        with pytest.raises(TypeError):
            base.__new__(native_xiaoer.Ticket)
    ticket = native_xiaoer.PriorityQueue().put_nowait("x")
    with pytest.raises(TypeError):
        ticket.__class__ = Tenant
    with pytest.raises(TypeError):
        ticket.__reduce_ex__(2)


@pytest.mark.parametrize("way", ["clock", "hash", "eq"])
def test_a_put_inside_of_a_put_does_not_exceed_maxsize(xiaoer: ModuleType, way: str) -> None:
    clock: list[Callable[[], None]] = []

    def now() -> float:
        if clock:
            clock.pop()()
        return 0.0

    queue = xiaoer.PriorityQueue(maxsize=2, clock=now)
    first, second = Tenant("first"), Tenant("second")
    queue.put_nowait("first", tenant=first)

    def put() -> None:
        first.on_eq = second.on_hash = None
        queue.put_nowait("inside")

    if way == "clock":
        clock.append(put)
    elif way == "hash":
        second.on_hash = put
    else:
        first.on_eq = put
    before = sys.getrefcount(second)
    with pytest.raises(asyncio.QueueFull):
        queue.put_nowait("outside", tenant=second)
    assert sys.getrefcount(second) == before
    assert queue.qsize() == queue.stats()[1].depth == 2
    assert [queue.get_nowait(), queue.get_nowait()] == ["first", "inside"]
    queue.put_nowait("again", tenant=second)
    assert queue.get_nowait() == "again"
    assert queue.qsize() == 0


@pytest.mark.parametrize("tenant", [None, "a", 5])
def test_a_put_by_the_clock_fills_the_queue(xiaoer: ModuleType, tenant: object) -> None:
    busy = [False]

    def now() -> float:
        if not busy[0]:
            busy[0] = True
            queue.put_nowait("inside", tenant=tenant)
            busy[0] = False
        return 0.0

    queue = xiaoer.PriorityQueue(maxsize=1, clock=now)
    with pytest.raises(asyncio.QueueFull):
        queue.put_nowait("outside", tenant=tenant)
    assert queue.qsize() == 1
    busy[0] = True
    assert queue.get_nowait() == "inside"


@pytest.mark.parametrize("comparison", range(1, 5))
def test_a_tenant_that_comes_back_while_it_is_forgotten_has_one_turn(
    native_xiaoer: ModuleType, comparison: int
) -> None:
    queue = native_xiaoer.PriorityQueue()
    one, two = Tenant("one"), Tenant("two")
    queue.put_nowait("one 0", tenant=one)
    queue.put_nowait("two 0", tenant=two)
    assert queue.get_nowait() == "one 0"
    queue.put_nowait("one 1", tenant=one)
    comparisons = [0]

    def put() -> None:
        comparisons[0] += 1
        if comparisons[0] == comparison:
            queue.put_nowait("two 1", tenant=two)

    one.on_eq = put
    assert queue.get_nowait() == "two 0"
    one.on_eq = None
    if comparisons[0] < comparison:  # so many are not made
        queue.put_nowait("two 1", tenant=two)
    queue.put_nowait("one 2", tenant=one)  # now the lane used last is another one
    queue.put_nowait("two 2", tenant=two)
    rest = [queue.get_nowait() for _ in range(queue.qsize())]
    assert rest == ["one 1", "two 1", "one 2", "two 2"]


def test_the_end_of_a_tenant_takes_what_get_many_was_to_take(native_xiaoer: ModuleType) -> None:
    queue = native_xiaoer.PriorityQueue()
    taken = []
    tenant = Tenant("a")
    tenant.on_end = lambda: taken.append(queue.get_nowait())
    queue.put_nowait("first", tenant=tenant)
    queue.put_nowait("second")
    del tenant
    assert asyncio.run(queue.get_many(2)) == ["first"]
    assert taken == ["second"]
    assert queue.qsize() == 0
