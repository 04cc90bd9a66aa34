"""What breaks: a killed, hung, slow, overloaded or lying process. Nothing hangs, and all comes back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import grpc
import numpy as np
import pytest

from xiaoer_server.infer import service_pb2 as messages
from xiaoer_server.infer import service_pb2_grpc as stubs
from xiaoer_server.infer.client import InferClient, InferError
from xiaoer_server.llm.breaker import State

from .conftest import ModelProcess, until

Start = Callable[..., ModelProcess]
Connect = Callable[..., Awaitable[InferClient]]


class Asking:
    """Visitors who ask without a pause; what each call brought, and how long it took."""

    def __init__(self, client: InferClient, visitors: int = 20, deadline: float = 1.0) -> None:
        self.client = client
        self.deadline = deadline
        self.brought: list[tuple[float, str, float]] = []  # when it ended, what, seconds
        self.tasks = [asyncio.ensure_future(self._ask(number)) for number in range(visitors)]

    async def _ask(self, visitor: int) -> None:
        number = 0
        while True:
            number += 1
            began = time.monotonic()
            try:
                await self.client.embed([f"{visitor} {number}"], deadline=self.deadline)
                what = "ok"
            except InferError as error:
                what = error.kind
            ended = time.monotonic()
            self.brought.append((ended, what, ended - began))
            await asyncio.sleep(0.005)

    def since(self, moment: float) -> list[tuple[float, str, float]]:
        return [one for one in self.brought if one[0] >= moment]

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.wait(self.tasks)


@contextlib.asynccontextmanager
async def asking(client: InferClient, visitors: int = 20, deadline: float = 1.0) -> AsyncIterator[Asking]:
    load = Asking(client, visitors, deadline)
    try:
        yield load
        assert not any(task.done() for task in load.tasks), "a call raised what is no InferError"
    finally:
        await load.end()


async def test_killed_under_load_nothing_hangs_and_it_comes_back(model_process: Start, client_of: Connect) -> None:
    process = model_process("--delay-ms", "2")
    client = await client_of(process.address)
    async with asking(client) as load:
        await until(lambda: len(load.brought) > 100)
        assert {what for _, what, _ in load.brought} == {"ok"}
        process.kill()
        killed = time.monotonic()
        await until(lambda: client.nodes[0].breaker.state is State.OPEN, 2.0)
        assert not client.ready
        opened = time.monotonic()
        await until(lambda: len(load.since(opened + 0.05)) > 200)
        after = load.since(opened + 0.05)
        assert {what for _, what, _ in after} == {"unavailable"}
        assert max(seconds for *_, seconds in after) < 0.3, "refused at once, not by the deadline"
        assert max(seconds for *_, seconds in load.since(killed)) < 1.5, "nobody waits longer than his deadline"
        process.start()
        started = time.monotonic()
        await until(lambda: client.ready, 5.0)
        assert time.monotonic() - started < 4.0
        back = time.monotonic()
        await until(lambda: len(load.since(back + 0.1)) > 100)
        assert {what for _, what, _ in load.since(back + 0.1)} == {"ok"}
        client.nodes[0].pool.check()


async def test_a_hung_process_costs_no_more_than_the_deadline(model_process: Start, client_of: Connect) -> None:
    process = model_process()
    client = await client_of(process.address)
    async with asking(client, deadline=0.4) as load:
        await until(lambda: len(load.brought) > 50)
        process.signal(signal.SIGSTOP)
        stopped = time.monotonic()
        await until(lambda: not client.ready, 3.0)
        assert max(seconds for *_, seconds in load.since(stopped)) < 0.8
        refused = time.monotonic()
        await until(lambda: len(load.since(refused + 0.8)) > 100)
        assert {what for _, what, _ in load.since(refused + 0.8)} == {"unavailable"}
        assert max(seconds for *_, seconds in load.since(refused + 0.8)) < 0.3
        process.signal(signal.SIGCONT)
        await until(lambda: client.ready, 5.0)
        back = time.monotonic()
        await until(lambda: len(load.since(back + 0.5)) > 50)
        assert {what for _, what, _ in load.since(back + 0.5)} == {"ok"}


async def test_a_deadline_is_kept_and_what_expired_is_not_run(model_process: Start, client_of: Connect) -> None:
    process = model_process("--delay-ms", "100", "--max-batch", "1")
    client = await client_of(process.address)

    async def one(number: int) -> tuple[str, float]:
        began = time.monotonic()
        try:
            await client.embed([f"late {number}"], deadline=0.12)
            kind = "ok"
        except InferError as error:
            kind = error.kind
        return kind, time.monotonic() - began

    first = asyncio.ensure_future(client.embed(["first"], deadline=2))
    await asyncio.sleep(0.03)
    alone = asyncio.ensure_future(one(-1))  # nobody waits yet, so it is let in
    await asyncio.sleep(0.01)
    second = asyncio.ensure_future(client.embed(["second"], deadline=2))
    await asyncio.sleep(0.01)
    brought = await asyncio.gather(*(one(number) for number in range(10)))
    assert max(seconds for _, seconds in brought) < 0.5
    assert {kind for kind, _ in brought} == {"busy"}, "what would wait in vain is refused at once"
    assert client.ready
    kind, seconds = await alone
    assert kind in ("ok", "timeout")
    assert seconds < 0.6
    await asyncio.gather(first, second)
    process.stop()
    ran = int(process.log.rpartition("ending: ")[2].split()[0])
    assert ran <= 4, "what nobody waited for any more was dropped"


async def test_too_many_are_refused_at_once(model_process: Start, client_of: Connect) -> None:
    client = await client_of(model_process("--delay-ms", "20", "--queue", "10", "--max-batch", "2").address)
    began = time.monotonic()
    kinds = []
    for call in asyncio.as_completed([client.embed([f"text {number}"], deadline=2) for number in range(60)]):
        try:
            await call
            kinds.append("ok")
        except InferError as error:
            kinds.append(error.kind)
            assert time.monotonic() - began < 0.5
    assert kinds.count("busy") >= 40
    assert kinds.count("ok") + kinds.count("busy") == 60
    assert kinds.count("ok") >= 10
    assert client.ready, "busy is not broken"


async def test_more_calls_at_once_open_more_channels(model_process: Start, client_of: Connect) -> None:
    client = await client_of(model_process("--delay-ms", "2").address)
    pool = client.nodes[0].pool
    assert pool.size == 1
    calls = [asyncio.ensure_future(client.embed([f"text {number}"], deadline=5)) for number in range(150)]
    await until(lambda: pool.size > 1)
    pool.check()
    for call in calls:
        assert (await call).shape == (1, 32)
    assert pool.in_use == 0
    pool.check()


async def test_passages_do_not_hold_up_a_question(model_process: Start, client_of: Connect) -> None:
    client = await client_of(model_process("--delay-ms", "5").address)
    bulk = asyncio.ensure_future(
        client.embed([f"passage {number} " + "x" * 480 for number in range(250)], kind="passage", deadline=20)
    )
    await asyncio.sleep(0.1)
    for number in range(3):
        began = time.monotonic()
        await client.embed([f"question {number}"], deadline=1)
        assert time.monotonic() - began < 0.4
    assert not bulk.done()
    assert (await bulk).shape == (250, 32)


async def test_a_model_that_gives_no_number_is_invalid(running: ModelProcess, client_of: Connect) -> None:
    client = await client_of(running.address)
    with pytest.raises(InferError) as raised:
        await client.embed([""])
    assert raised.value.kind == "invalid"
    assert "not finite" in str(raised.value)
    assert (await client.embed(["a"])).shape == (1, 32)


class Lying(stubs.InferServicer):
    """A service of somebody else, whose answers are given."""

    def __init__(self, answer: messages.Embeddings) -> None:
        self.answer = answer

    async def Describe(self, request: object, context: object) -> messages.Description:  # noqa: N802
        return messages.Description(version=self.answer.version, dimensions=self.answer.dimensions)

    async def Embed(self, request: object, context: object) -> messages.Embeddings:  # noqa: N802
        return self.answer


@pytest.mark.parametrize(
    "answer",
    [
        messages.Embeddings(version="a", dimensions=2, vectors=np.array([1, np.nan], "<f4").tobytes()),
        messages.Embeddings(version="a", dimensions=2, vectors=np.array([np.inf, 0], "<f4").tobytes()),
        messages.Embeddings(version="a", dimensions=2, vectors=b"\0" * 4),
        messages.Embeddings(version="a", dimensions=0),
        messages.Embeddings(version="a", dimensions=1 << 31, vectors=b"\0" * 8),
    ],
    ids=["nan", "infinite", "short", "empty", "huge"],
)
async def test_the_client_believes_nobody(client_of: Connect, tmp_path: Path, answer: messages.Embeddings) -> None:
    server = grpc.aio.server()
    stubs.add_InferServicer_to_server(Lying(answer), server)
    server.add_insecure_port(f"unix:{tmp_path}/lying.sock")
    await server.start()
    try:
        client = await client_of(f"unix:{tmp_path}/lying.sock", wait=False)
        with pytest.raises(InferError) as raised:
            await client.embed(["a"])
        assert raised.value.kind == "invalid"
    finally:
        await client.close()
        await server.stop(0)


async def test_another_dimension_is_invalid_until_the_right_one_is_back(
    model_process: Start, client_of: Connect, tiny_files: dict[int, Path], caplog: pytest.LogCaptureFixture
) -> None:
    process = model_process()
    client = await client_of(process.address)
    process.kill()
    process.file = tiny_files[48]
    process.start()
    client.check_now()
    await until(lambda: any("48 dimensions, not 32" in line for line in caplog.messages))
    await until(lambda: client.nodes[0].up)
    assert not client.ready
    with pytest.raises(InferError) as raised:
        await client.embed(["a"])
    assert raised.value.kind == "invalid"
    process.kill()
    process.file = tiny_files[32]
    process.start()
    client.check_now()
    await until(lambda: client.ready)
    assert (await client.embed(["a"])).shape == (1, 32)


async def test_a_new_version_is_noticed(model_process: Start, client_of: Connect) -> None:
    process = model_process()
    client = await client_of(process.address)
    heard: list[str] = []
    client.on_version(heard.append)
    old = client.version
    process.kill()
    process.arguments = ["--name", "newer"]
    process.start()
    await client.embed(["an answer of the new one"])
    assert client.version.startswith("newer@")
    assert client.ready
    assert heard == [client.version]
    assert old != client.version


async def test_of_two_addresses_one_may_be_dead(model_process: Start, client_of: Connect, tmp_path: Path) -> None:
    process = model_process(listen="127.0.0.1:0")
    client = await client_of("127.0.0.1:1", process.address, f"unix:{tmp_path}/nobody.sock")
    for number in range(30):
        began = time.monotonic()
        await client.embed([f"text {number}"])
        assert time.monotonic() - began < 0.5


async def test_two_addresses_share_the_work_and_one_takes_over(model_process: Start, client_of: Connect) -> None:
    first, second = (model_process("--delay-ms", "3") for _ in range(2))
    client = await client_of(first.address, second.address)
    await until(lambda: all(node.up for node in client.nodes))
    async with asking(client, visitors=8) as load:
        await until(lambda: len(load.brought) > 100)
        first.kill()
        killed = time.monotonic()
        await until(lambda: len(load.since(killed)) > 100)
        assert client.ready
    # What was under way at the one that died was asked again at the other.
    assert {what for _, what, _ in load.brought} == {"ok"}
    second.stop()
    ran = int(second.log.rpartition("ending: ")[2].split()[0])
    assert ran < len(load.brought), "the first one did its share"


async def test_an_address_with_another_model_is_left_alone(model_process: Start, client_of: Connect) -> None:
    known, odd = model_process(), model_process("--name", "odd")
    client = await client_of(known.address, odd.address)
    await until(lambda: all(node.seen for node in client.nodes))
    version = client.version
    for number in range(20):
        await client.embed([f"text {number}"])
        assert client.version == version


async def test_asked_to_end_it_finishes_what_runs(model_process: Start, client_of: Connect) -> None:
    process = model_process("--delay-ms", "300")
    client = await client_of(process.address)
    call = asyncio.ensure_future(client.embed(["under way"], deadline=2))
    await asyncio.sleep(0.1)
    process.signal(signal.SIGTERM)
    assert (await call).shape == (1, 32)
    assert process.stop() == 0


async def test_a_client_that_is_closed_under_load_leaves_nobody_waiting(
    model_process: Start, client_of: Connect
) -> None:
    client = await client_of(model_process("--delay-ms", "5").address)
    async with asking(client) as load:
        await until(lambda: len(load.brought) > 50)
        closed = time.monotonic()
        await client.close()
        assert time.monotonic() - closed < 1.5
        await until(lambda: len(load.since(closed + 0.5)) > 100)
        # What was under way may still be answered; what comes later is refused.
        assert {what for _, what, _ in load.since(closed)} <= {"ok", "unavailable"}
        assert {what for _, what, _ in load.since(closed + 0.5)} == {"unavailable"}
        assert max(seconds for *_, seconds in load.since(closed)) < 1.2


async def test_it_ends_when_its_parent_is_gone(model_process: Start) -> None:
    process = model_process("--with-parent")
    running = process.process
    assert running is not None
    assert running.stdin is not None
    os.close(os.dup(running.stdin.fileno()))  # another holder of the pipe that closes is not its end
    time.sleep(0.2)
    assert running.poll() is None
    running.stdin.close()
    assert running.wait(5) == 0
