"""Whatever happens in whatever order: the pool against a model, in virtual time, with connections that obey."""

import asyncio
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from support.virtual_time import VirtualLoop
from xiaoer.pure.queue import PriorityQueue
from xiaoer_server.llm.pool import Pool, PoolClosed, PoolFull, PoolPolicy, Waiter

from xiaoer_server.llm.pool import AGEING, LEVELS  # isort: skip


class Connection:
    def __init__(self) -> None:
        self.usable = True
        self.closed = 0
        self.calls = 0

    def close(self) -> None:
        self.usable = False
        self.closed += 1


class Refused(Exception):
    pass


class PoolMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.connects: list[asyncio.Future[Connection]] = []
        self.connections: list[Connection] = []
        self.held: list[Connection] = []
        self.waiters: dict[int, tuple[Waiter[Connection], Any]] = {}
        self.told: dict[int, int] = {}
        self.cancelled: set[int] = set()
        self.greedy = False
        self.failed_now = 0

    @initialize(
        minimum=st.integers(0, 3),
        room=st.integers(1, 12),
        slots=st.sampled_from((1, 1, 2, 5)),
        share=st.sampled_from((0.5, 0.8, 1.0)),
        count=st.sampled_from((1, 64)),
    )
    def begin(self, minimum: int, room: int, slots: int, share: float, count: int) -> None:
        self.policy = PoolPolicy(
            minimum=minimum,
            maximum=minimum + room,
            slots=slots,
            target=share,
            idle_seconds=1.0,
            waiting_max=20,
            scale_up_count=count,
            scale_down_period=1.0,
            scale_down_window=3.0,
        )
        self.model: PriorityQueue[int] = PriorityQueue(LEVELS, ageing=AGEING, clock=self.loop.time)
        self.pool: Pool[Connection] = Pool("test", self.connect, self.policy, chance=lambda: 0.5)
        self.loop.call_soon(self.pool.start)
        self.loop.pass_time()

    def connect(self) -> "asyncio.Future[Connection]":
        assert self.pool.size + self.pool.connecting <= self.policy.maximum
        future: asyncio.Future[Connection] = self.loop.create_future()
        self.connects.append(future)
        return future

    def got(self, connection: Connection) -> None:
        assert connection.usable
        assert not connection.closed
        assert connection.calls < self.policy.slots, "handed out twice"
        connection.calls += 1
        self.held.append(connection)

    @rule(tenant=st.sampled_from("abc"), priority=st.integers(0, LEVELS - 1), patient=st.booleans())
    def take(self, tenant: str, priority: int, patient: bool) -> None:
        number = len(self.told)
        self.told[number] = 0
        queued = False

        def ready(connection: Connection | None, error: Exception | None) -> None:
            assert number not in self.cancelled
            self.told[number] += 1
            assert (connection is None) != (error is None)
            if queued:
                assert self.model.get_nowait() == number, "not whose turn it was"
                del self.waiters[number]
            if connection is not None:
                self.got(connection)
                if not patient:  # done inside the callback
                    self.give(len(self.held) - 1)
            else:
                assert isinstance(error, Refused | PoolClosed)

        waiter: list[Waiter[Connection]] = []

        def ask() -> None:
            try:
                waiter.append(self.pool.take(ready, tenant=tenant, priority=priority))
            except PoolFull:
                assert self.pool.waiting == self.policy.waiting_max
                self.told[number] = 1

        ask_now(self.loop, ask)
        if waiter and not waiter[0].done:
            queued = True
            self.waiters[number] = waiter[0], self.model.put_nowait(number, priority, tenant)
        self.loop.pass_time()

    @rule()
    def try_take(self) -> None:
        connection = self.pool.try_take()
        if connection is not None:
            assert not self.waiters
            self.got(connection)

    def give(self, index: int) -> None:
        connection = self.held.pop(index % len(self.held))
        connection.calls -= 1
        self.pool.release(connection)

    @precondition(lambda self: self.held)
    @rule(index=st.integers(0, 100), broken=st.sampled_from((False, False, True)))
    def release(self, index: int, broken: bool) -> None:
        connection = self.held[index % len(self.held)]
        connection.usable = connection.usable and not broken
        ask_now(self.loop, lambda: self.give(index))

    @precondition(lambda self: self.held)
    @rule()
    def release_twice(self) -> None:
        connection = self.held[0]
        if connection.calls == 1:
            ask_now(self.loop, lambda: self.give(0))
            if not connection.calls:
                try:
                    ask_now(self.loop, lambda: self.pool.release(connection))
                except ValueError:
                    return
                raise AssertionError("it took a connection back that nobody had")

    @precondition(lambda self: self.waiters)
    @rule(index=st.integers(0, 100))
    def cancel(self, index: int) -> None:
        number = sorted(self.waiters)[index % len(self.waiters)]
        waiter, ticket = self.waiters.pop(number)
        self.cancelled.add(number)
        assert self.model.cancel(ticket)
        assert waiter.cancel()
        assert not waiter.cancel()

    @precondition(lambda self: self.connections)
    @rule(index=st.integers(0, 100))
    def breaks(self, index: int) -> None:
        self.connections[index % len(self.connections)].usable = False

    @precondition(lambda self: self.connects)
    @rule(index=st.integers(0, 100), fails=st.booleans())
    def settle(self, index: int, fails: bool) -> None:
        future = self.connects.pop(index % len(self.connects))
        if fails:
            future.set_exception(Refused())
        else:
            connection = Connection()
            self.connections.append(connection)
            future.set_result(connection)
        self.loop.pass_time()

    @precondition(lambda self: self.connects)
    @rule(fails=st.booleans())
    def settle_all(self, fails: bool) -> None:
        while self.connects:
            self.settle(0, fails)

    @rule(seconds=st.sampled_from((0.01, 0.1, 0.3, 1.0, 5.0)))
    def wait(self, seconds: float) -> None:
        self.loop.pass_time(seconds)

    @invariant()
    def all_is_counted(self) -> None:
        if not hasattr(self, "pool"):
            return
        self.pool.check()
        assert not self.loop.failures, self.loop.failures
        assert self.pool.waiting == len(self.waiters) == self.model.qsize()
        assert self.pool.in_use == len(self.held)
        assert self.pool.connecting == len(self.connects)
        assert self.pool.size == sum(not connection.closed for connection in self.connections)
        assert all(connection.closed <= 1 for connection in self.connections)
        assert all(count <= 1 for count in self.told.values())
        # Whoever waits has a connection on its way, a full pool, a pause or a rate before it: never nothing.
        if self.waiters and not self.connects and self.pool.size < self.policy.maximum:
            timer = self.pool._timer
            assert timer is not None
            assert timer.when() <= self.loop.time() + 0.251

    def teardown(self) -> None:
        if not hasattr(self, "pool"):
            self.loop.close()
            return
        try:
            self.nobody_waits_for_ever()
            self.close()
        finally:
            self.loop.close()

    def nobody_waits_for_ever(self) -> None:
        """The upstream dies: what is held breaks, every connect fails; within seconds all have been told."""
        for connection in self.connections:
            connection.usable = False
        while self.held:
            ask_now(self.loop, lambda: self.give(0))
        deadline = self.loop.time() + 5
        while self.waiters:
            assert self.loop.time() < deadline, "somebody hangs"
            if self.connects:
                self.settle_all(True)
            self.loop.pass_time(0.05)
        self.all_is_counted()
        assert not self.pool.in_use

    def close(self) -> None:
        for _ in range(4):  # it comes back: first a single try, then the rest
            self.settle_all(False)
            self.loop.pass_time(2)
        assert self.pool.size >= self.policy.minimum
        self.loop.run_until_complete(self.pool.close())
        self.loop.pass_time(10)
        assert all(connection.closed == 1 for connection in self.connections)
        self.connects.clear()
        self.all_is_counted()
        ended = {number for number, count in self.told.items() if count} | self.cancelled
        assert ended == self.told.keys()


def ask_now(loop: VirtualLoop, call: Any) -> None:
    """Runs `call` inside the loop, and raises here what it raises there."""

    async def main() -> None:
        call()

    loop.run_until_complete(main())
    loop.pass_time()


PoolMachine.TestCase.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
TestPoolMachine = PoolMachine.TestCase


def test_who_waits_gets_a_connection_that_was_about_to_be_retired() -> None:
    state = PoolMachine()
    state.begin(minimum=0, room=2, slots=5, share=0.5, count=1)
    for patient, priority in ((False, 1), (True, 0), (True, 0)):
        state.take(patient=patient, priority=priority, tenant="a")
        state.all_is_counted()
    state.settle_all(fails=False)
    state.all_is_counted()
    state.wait(seconds=5.0)
    state.settle_all(fails=True)
    state.take(patient=False, priority=0, tenant="a")
    state.all_is_counted()
    state.teardown()
