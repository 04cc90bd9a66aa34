"""A process that holds a data folder as the server does: store, keys, control socket, two upstreams. Ends at SIGTERM.

python -m support.keyholder DIR
"""

from __future__ import annotations

import asyncio
import enum
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import uvloop

from xiaoer_server.errors import Unavailable
from xiaoer_server.llm.commands import commands
from xiaoer_server.llm.keyring import Keyring
from xiaoer_server.ops.control import Control
from xiaoer_server.store.engine import Store
from xiaoer_server.store.keys import Keys
from xiaoer_server.store.tenants import Tenants
from xiaoer_server.store.usage import UsageRecorder


class State(enum.Enum):
    CLOSED, OPEN, FORCED_OPEN, DISABLED = range(4)


class Breaker:
    """Remembers what it was told."""

    def __init__(self, state: State = State.CLOSED) -> None:
        self.state = state

    @property
    def retry_after(self) -> float:
        return 12.5 if self.state is State.OPEN else 0.0

    def snapshot(self) -> Any:
        return SimpleNamespace(calls=120, failures=30, slow=4, not_permitted=7)

    def force_open(self) -> None:
        self.state = State.FORCED_OPEN

    def disable(self) -> None:
        self.state = State.DISABLED

    def close(self) -> None:
        self.state = State.CLOSED

    reset = close


def upstreams() -> list[Any]:
    pool = SimpleNamespace(size=9, in_use=5, idle=4, waiting=3, connecting=2, desired=11)
    return [
        SimpleNamespace(name="sim", pool=pool, breakers={"large": Breaker(State.OPEN), "small": Breaker()}),
        SimpleNamespace(name="azure", pool=None, breakers={}),
    ]


async def main(data: Path) -> None:
    store = await Store.open(data)
    await Tenants(store).ensure("demo", name="Demo")
    keyring, recorder, providers = Keyring(Keys(store)), UsageRecorder(store), upstreams()
    await keyring.load(await recorder.spent())

    async def find(arguments: dict[str, Any]) -> bool:
        return keyring.find(arguments["secret"].encode()) is not None

    async def call(arguments: dict[str, Any]) -> None:
        caller = keyring.find(arguments["secret"].encode())
        assert caller is not None
        caller.admit("m", stream=False, prompt_estimate=10)
        caller.spend(30, 1.5)
        caller.leave(False, 10)
        recorder.record(caller.tenant, caller.key.id, "m", "sim", prompt=10, completion=20, cost=1.5)

    async def fail(_: dict[str, Any]) -> None:
        raise ZeroDivisionError("a secret thing")

    async def refuse(_: dict[str, Any]) -> None:
        raise Unavailable("The store cannot write.", code="store_unavailable")

    asleep = False

    async def sleep(_: dict[str, Any]) -> str:
        nonlocal asleep
        asleep = True
        await asyncio.sleep(0.5)
        return "slept"

    async def sleeping(_: dict[str, Any]) -> bool:
        return asleep

    more = {"find": find, "call": call, "fail": fail, "refuse": refuse, "sleep": sleep, "sleeping": sleeping}
    control = Control(data, {**commands(keyring, recorder, lambda: providers), **more})
    await control.start()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    print("ready", flush=True)
    await ended.wait()
    await control.close()
    await recorder.close()
    await store.close()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1])))
