"""Order, bounds, cancelling, counters and memory of the queue, on each backend. Time is a number we set."""

import gc
import weakref
from types import ModuleType
from typing import Any

import pytest


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Item:
    """Something that a weak reference can point to."""


def drain(queue: Any) -> list[Any]:
    return [queue.get_nowait() for _ in range(queue.qsize())]


def test_lower_number_is_more_urgent(xiaoer: ModuleType) -> None:
    queue = xiaoer.PriorityQueue(levels=4)
    for name, priority in [("d", 3), ("b", 1), ("a", 0), ("c", 2), ("a2", 0)]:
        queue.put_nowait(name, priority)
    assert drain(queue) == ["a", "a2", "b", "c", "d"]


def test_first_in_first_out_inside_a_level(xiaoer: ModuleType) -> None:
    queue = xiaoer.PriorityQueue()
    for i in range(1000):
        queue.put_nowait(i)
    assert drain(queue) == list(range(1000))


def test_a_tenant_with_ten_thousand_waiting_does_not_delay_the_one_of_another(xiaoer: ModuleType) -> None:
    queue = xiaoer.PriorityQueue()
    for i in range(10_000):
        queue.put_nowait(("big", i), tenant="big")
    queue.put_nowait(("small", 0), tenant="small")
    assert [queue.get_nowait() for _ in range(3)] == [("big", 0), ("small", 0), ("big", 1)]


def test_tenants_take_turns_and_a_new_one_comes_last(xiaoer: ModuleType) -> None:
    queue = xiaoer.PriorityQueue()
    for name in ["a1", "a2", "a3", "b1", "b2"]:
        queue.put_nowait(name, tenant=name[0])
    assert queue.get_nowait() == "a1"
    queue.put_nowait("c1", tenant="c")  # after b, whose turn it is, and a, who has had one
    queue.put_nowait("-1")  # no tenant is a tenant of its own
    assert drain(queue) == ["b1", "a2", "c1", "-1", "b2", "a3"]


def test_turns_are_per_level(xiaoer: ModuleType) -> None:
    queue = xiaoer.PriorityQueue()
    for name in ["a1", "a2", "b1"]:
        queue.put_nowait(name + "!", 0, tenant=name[0])
        queue.put_nowait(name, 1, tenant=name[0])
    assert drain(queue) == ["a1!", "b1!", "a2!", "a1", "b1", "a2"]


@pytest.mark.parametrize("levels", [1, 2, 63, 64])
def test_every_level_can_be_used(xiaoer: ModuleType, levels: int) -> None:
    queue = xiaoer.PriorityQueue(levels)
    for priority in reversed(range(levels)):
        queue.put_nowait(priority, priority)
    assert queue.qsize(levels - 1) == 1
    assert drain(queue) == list(range(levels))


def test_the_default_priority_fits_a_queue_of_one_level(xiaoer: ModuleType) -> None:
    queue = xiaoer.PriorityQueue(levels=1)
    assert queue.put_nowait("x").priority == 0
    assert queue.qsize(0) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        {"levels": 0},
        {"levels": 65},
        {"levels": -1},
        {"maxsize": -1},
        {"ageing": 0},
        {"ageing": -1.0},
        {"ageing": float("nan")},
    ],
    ids=str,
)
def test_arguments_out_of_range(xiaoer: ModuleType, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        xiaoer.PriorityQueue(**arguments)


@pytest.mark.parametrize("priority", [-1, 2, 64, 1000])
def test_no_such_level(xiaoer: ModuleType, priority: int) -> None:
    queue = xiaoer.PriorityQueue()
    with pytest.raises(ValueError, match="priority must be 0 to 1"):
        queue.put_nowait("x", priority)
    with pytest.raises(ValueError, match="priority must be 0 to 1"):
        queue.qsize(priority)
    assert queue.qsize() == 0


def test_wrong_types(xiaoer: ModuleType) -> None:
    queue = xiaoer.PriorityQueue()
    with pytest.raises(TypeError):
        queue.put_nowait("x", "urgent")
    with pytest.raises(TypeError):
        queue.put_nowait("x", 1, [])  # a tenant must be hashable
    with pytest.raises(TypeError):
        xiaoer.Ticket()
    assert queue.qsize() == 0
    with pytest.raises(xiaoer.QueueEmpty):
        queue.get_nowait()


def test_empty_and_full(xiaoer: ModuleType) -> None:
    import asyncio

    queue = xiaoer.PriorityQueue(maxsize=2)
    with pytest.raises(xiaoer.QueueEmpty) as empty:
        queue.get_nowait()
    assert isinstance(empty.value, asyncio.QueueEmpty)
    queue.put_nowait(1)
    ticket = queue.put_nowait(2)
    with pytest.raises(xiaoer.QueueFull) as full:
        queue.put_nowait(3, 0)
    assert isinstance(full.value, asyncio.QueueFull)
    queue.cancel(ticket)
    queue.put_nowait(3, 0)
    assert drain(queue) == [3, 1]


def test_cancel(xiaoer: ModuleType) -> None:
    queue = xiaoer.PriorityQueue()
    tickets = {name: queue.put_nowait(name, tenant=name[0]) for name in ["a1", "a2", "a3", "b1", "c1"]}
    assert queue.cancel(tickets["a2"]) is True
    assert queue.cancel(tickets["a2"]) is False
    assert queue.cancel(tickets["b1"]) is True  # b has nothing left and loses its turn
    assert queue.qsize() == 3
    assert drain(queue) == ["a1", "c1", "a3"]
    assert not any(queue.cancel(ticket) for ticket in tickets.values())


def test_a_ticket_of_another_queue_cancels_nothing(xiaoer: ModuleType) -> None:
    one, other = xiaoer.PriorityQueue(), xiaoer.PriorityQueue()
    ticket = one.put_nowait("x")
    other.put_nowait("y")
    assert other.cancel(ticket) is False
    assert (one.qsize(), other.qsize()) == (1, 1)


def test_a_ticket_says_what_it_is_for(xiaoer: ModuleType) -> None:
    ticket = xiaoer.PriorityQueue().put_nowait("x", 0, "shop")
    assert (ticket.priority, ticket.tenant) == (0, "shop")
    assert repr(ticket) == "<Ticket priority=0 tenant='shop'>"


def test_ageing_moves_what_waits_up_one_level_at_a_time(xiaoer: ModuleType) -> None:
    clock = Clock()
    queue = xiaoer.PriorityQueue(levels=3, ageing=10, clock=clock)
    queue.put_nowait("old", 2)
    clock.now += 10
    queue.put_nowait("b1", 1)
    for i in range(3):
        queue.put_nowait(f"a{i}", 0)
    assert queue.get_nowait() == "a0"  # and `old` moves behind b1
    assert queue.qsize(2) == 1  # counted where it was put
    clock.now += 9.5
    assert queue.get_nowait() == "a1"
    clock.now += 0.5  # both have stood in level 1 for 10 seconds now
    assert queue.get_nowait() == "a2"
    queue.put_nowait("a3", 0)
    assert drain(queue) == ["b1", "old", "a3"]
    assert [level.promoted for level in queue.stats()] == [0, 1, 2]


def test_without_ageing_the_urgent_always_go_first(xiaoer: ModuleType) -> None:
    clock = Clock()
    queue = xiaoer.PriorityQueue(clock=clock)
    queue.put_nowait("old")
    clock.now += 1e9
    queue.put_nowait("new", 0)
    assert drain(queue) == ["new", "old"]


def test_nothing_starves_under_endless_urgent_work(xiaoer: ModuleType) -> None:
    clock = Clock()
    queue = xiaoer.PriorityQueue(levels=4, ageing=5, clock=clock)
    queue.put_nowait("background", 3)
    queue.put_nowait(0, 0)
    for second in range(1, 100):
        queue.put_nowait(second, 0)
        clock.now += 1
        if queue.get_nowait() == "background":
            break
    assert second <= 20


def test_a_promoted_item_can_be_cancelled(xiaoer: ModuleType) -> None:
    clock = Clock()
    queue = xiaoer.PriorityQueue(ageing=1, clock=clock)
    ticket = queue.put_nowait("x", tenant="a")
    queue.put_nowait("y", tenant="a")
    queue.put_nowait("z", 0)
    clock.now += 2
    assert queue.get_nowait() == "z"
    assert queue.cancel(ticket) is True
    assert drain(queue) == ["y"]


def test_counters(xiaoer: ModuleType) -> None:
    clock = Clock()
    queue = xiaoer.PriorityQueue(clock=clock)
    for i in range(3):
        queue.put_nowait(i)
    queue.put_nowait("urgent", 0)
    queue.cancel(queue.put_nowait("never"))
    clock.now += 2
    queue.get_nowait()
    queue.get_nowait()
    clock.now += 3
    queue.get_nowait()
    urgent, normal = queue.stats()
    assert urgent == xiaoer.LevelStats(depth=0, taken=1, cancelled=0, promoted=0, waited=2.0, longest=2.0)
    assert normal == xiaoer.LevelStats(depth=1, taken=2, cancelled=1, promoted=0, waited=7.0, longest=5.0)
    assert (queue.qsize(), queue.qsize(0), queue.qsize(1)) == (1, 0, 1)


def test_the_system_clock_measures_waiting(xiaoer: ModuleType) -> None:
    queue = xiaoer.PriorityQueue()
    queue.put_nowait("x")
    queue.get_nowait()
    assert 0 <= queue.stats()[1].waited < 60


def test_the_generic_alias_makes_a_queue(xiaoer: ModuleType) -> None:
    queue = xiaoer.PriorityQueue[str](3)
    assert (queue.levels, queue.maxsize, queue.ageing) == (3, 0, None)


@pytest.mark.parametrize("ageing", [None, 5])
def test_items_are_let_go_of_at_once(xiaoer: ModuleType, ageing: float | None) -> None:
    """Without the garbage collector's help: a taken, a cancelled and a dropped item are gone."""
    gc.disable()
    try:
        queue = xiaoer.PriorityQueue(ageing=ageing)
        items = [Item() for _ in range(5)]
        seen = [weakref.ref(item) for item in items]
        tickets = [queue.put_nowait(item, tenant="ab"[i % 2]) for i, item in enumerate(items)]
        del items
        queue.get_nowait()
        queue.cancel(tickets[3])
        assert [ref() is None for ref in seen] == [True, False, False, True, False]
        del queue  # the tickets are still there
        assert all(ref() is None for ref in seen)
    finally:
        gc.enable()


def test_a_cycle_through_a_queue_is_collected(xiaoer: ModuleType) -> None:
    queue = xiaoer.PriorityQueue(ageing=5)
    item: Any = Item()
    item.queue = queue
    item.tickets = [queue.put_nowait(item, tenant=i % 3) for i in range(100)]
    seen = weakref.ref(item)
    del queue, item
    gc.collect()
    assert seen() is None


def test_a_long_queue_is_dropped_without_a_deep_stack(xiaoer: ModuleType) -> None:
    queue = xiaoer.PriorityQueue(ageing=5)
    for i in range(300_000):
        queue.put_nowait(None, tenant=None if i % 2 else "a")
    del queue


def test_tenants_that_have_gone_are_forgotten(xiaoer: ModuleType) -> None:
    class Tenant:
        pass

    queue = xiaoer.PriorityQueue()
    tenant = Tenant()
    seen = weakref.ref(tenant)
    queue.put_nowait(1, tenant=tenant)
    queue.cancel(queue.put_nowait(2, tenant=tenant))
    queue.get_nowait()
    del tenant
    assert seen() is None


def test_nobody_makes_kinds_of_tickets(native_xiaoer: ModuleType) -> None:
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Odd", (native_xiaoer.Ticket,), {})
    with pytest.raises(TypeError):
        native_xiaoer.Ticket()
    queue = native_xiaoer.PriorityQueue()
    assert type(queue.put_nowait("item")) is native_xiaoer.Ticket
