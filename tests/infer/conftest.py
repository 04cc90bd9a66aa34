"""Model processes for the length of a test, and clients that are closed after it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from support import tiny_model
from support.tiny_model import TinyEncoder
from xiaoer_server.infer.client import InferClient

PROGRAM = [sys.executable, str(Path(__file__).parents[1] / "support" / "tiny_model.py")]
LISTENING = re.compile(r"listening on (\S+)")


class ModelProcess:
    """A real model process with a tiny real model. `address` is where it listens, once `start` has returned."""

    def __init__(self, file: Path, listen: str, *arguments: str) -> None:
        self.file = file
        self.listen = listen
        self.arguments = list(arguments)
        self.address = ""
        self.log = ""
        self.process: subprocess.Popen[str] | None = None

    def start(self, limit: float = 20.0) -> ModelProcess:
        self.process = subprocess.Popen(
            [*PROGRAM, "--file", str(self.file), "--listen", self.address or self.listen, *self.arguments],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        came = threading.Event()
        threading.Thread(target=self._read, args=(self.process, came), daemon=True).start()
        assert came.wait(limit), self.log
        if not self.address:
            raise RuntimeError(self.log)
        return self

    def _read(self, process: subprocess.Popen[str], came: threading.Event) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self.log += line
            if found := LISTENING.search(line):
                self.address = found[1]
                came.set()
        process.stderr.close()
        came.set()

    def kill(self) -> None:
        """kill -9."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self, limit: float = 10.0) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.terminate()
        try:
            return self.process.wait(limit)
        finally:
            self.kill()


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop the server runs on, whose processes and descriptors differ from asyncio's."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def tiny_files(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The tiny model with 32 dimensions, and with 48."""
    folder = tmp_path_factory.mktemp("tiny")
    files = {dimensions: folder / f"{dimensions}.onnx" for dimensions in (32, 48)}
    for dimensions, file in files.items():
        file.write_bytes(tiny_model.build(dimensions))
    return files


@pytest.fixture(scope="session")
def tiny(tiny_files: dict[int, Path]) -> TinyEncoder:
    """What the processes run, in this one: what they answer is held against it."""
    return TinyEncoder(tiny_files[32].read_bytes())


@pytest.fixture(scope="module")
def running(tiny_files: dict[int, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelProcess]:
    """A process for all tests of a module that leave it as it is."""
    process = ModelProcess(tiny_files[32], f"unix:{tmp_path_factory.mktemp('running')}/infer.sock")
    process.start()
    yield process
    process.kill()


@pytest.fixture
def model_process(tmp_path: Path, tiny_files: dict[int, Path]) -> Iterator[Callable[..., ModelProcess]]:
    """`model_process(*arguments)` starts one on a Unix socket; `listen=` says where else."""
    made: list[ModelProcess] = []

    def make(*arguments: str, listen: str = "") -> ModelProcess:
        process = ModelProcess(tiny_files[32], listen or f"unix:{tmp_path}/{len(made)}.sock", *arguments)
        made.append(process)
        return process.start()

    yield make
    for process in made:
        process.kill()


@pytest.fixture
async def client_of() -> AsyncIterator[Callable[..., Awaitable[InferClient]]]:
    """`await client_of(address, …)` gives a client; it is ready unless `wait=False`."""
    made: list[InferClient] = []

    async def make(*addresses: str, wait: bool = True, **options: Any) -> InferClient:
        client = InferClient(addresses, **options)
        client.start()
        made.append(client)
        if wait:
            await until(lambda: client.ready)
        return client

    yield make
    for client in made:
        await client.close()


async def until(condition: Callable[[], bool], limit: float = 10.0) -> float:
    """Wait until it holds; returns the seconds that took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < limit, "waited in vain"
        await asyncio.sleep(0.01)
    return time.monotonic() - began
