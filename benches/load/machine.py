"""The machine under test: cores, processes pinned to them, memory, the cost of an fsync, and what to call it."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import re
import resource
import socket
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

VERSIONS = ("uvloop", "uvicorn", "httptools", "msgspec", "sqlalchemy", "aiosqlite", "openai", "aiohttp")


class Cores(NamedTuple):
    """Which core runs what."""

    server: int
    generator: int
    simulator: int

    @classmethod
    def choose(cls) -> Cores:
        """The server gets a core of its own; the simulator shares the generator's where there are only two."""
        free = sorted(os.sched_getaffinity(0))
        if len(free) < 2:
            raise SystemExit("the load run needs two cores: one for the server, one for the clients")
        return cls(free[0], free[1], free[2] if len(free) > 2 else free[1])


#: What is measured here is the log, the model's path and the edge: every question goes to the model.
PLAIN = {
    "XIAOER_INFER_ENABLED": "false",
    "XIAOER_CACHE_ENABLED": "false",
    "XIAOER_ANSWER_WITHOUT_EVIDENCE": "model",
}


class Child:
    """A process of ours, pinned to one core, that says in a line of its output where it listens.

    Others' servers are given another `program` than Python, their `environ`, and a `port` if they don't tell it.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        core: int,
        log: Path,
        *,
        limit: float = 120.0,
        program: str = sys.executable,
        environ: Mapping[str, str] | None = None,
        port: int = 0,
    ) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as output, pinned_to(core):  # a child begins with its parent's cores
            self.process = subprocess.Popen(
                [program, *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **PLAIN, **(environ or {})},
            )
        self.port = port or self._wait_for_port(limit)
        if port:
            self._wait_for_listener(limit)

    def _wait_for_port(self, limit: float) -> int:
        end = time.monotonic() + limit
        while time.monotonic() < end:
            found = re.search(rb"http://127\.0\.0\.1:(\d+)", self.log.read_bytes())
            if found:
                return int(found[1])
            if self.process.poll() is not None:
                raise SystemExit(f"{self.name} ended with {self.process.returncode}:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.02)
        self.stop()
        raise SystemExit(f"{self.name} was not ready after {limit:.0f} s; see {self.log}")

    def _wait_for_listener(self, limit: float) -> None:
        end = time.monotonic() + limit
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            if self.process.poll() is not None:
                raise SystemExit(f"{self.name} ended with {self.process.returncode}:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.1)
        self.stop()
        raise SystemExit(f"{self.name} did not listen after {limit:.0f} s; see {self.log}")

    @property
    def _tree(self) -> list[int]:
        """This process and all below it."""
        found = [self.process.pid]
        for pid in found:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    found += [int(child) for child in children.read_text().split()]
        return found

    @property
    def memory(self) -> int:
        """Resident bytes, its children's too."""
        pages = [Path(f"/proc/{pid}/statm").read_text().split()[1] for pid in self._tree]
        return sum(map(int, pages)) * resource.getpagesize()

    @property
    def cpu(self) -> float:
        """Seconds of processor time used so far, by all its threads and children."""
        ticks = 0
        for pid in self._tree:
            # The name of the process, in brackets, may contain spaces.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """Ask it to end, and see that it does."""
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def pinned_to(core: int) -> Iterator[None]:
    """Children begun in here run on that core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def raise_descriptor_limit() -> int:
    """Allow as many open files as the system lets us; returns how many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def fsync_milliseconds(folder: Path) -> float:
    """Median cost of writing 4 KiB and making it durable, in this folder."""
    path = folder / "fsync-probe"
    times: list[float] = []
    with path.open("wb", buffering=0) as file:
        for _ in range(200):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    path.unlink()
    return statistics.median(times) * 1e3


def loop_milliseconds() -> float:
    """Median time of a million additions in plain Python: shared machines change their pace from minute to minute."""
    times: list[float] = []
    for _ in range(9):
        began = time.perf_counter()
        total = 0
        for number in range(1_000_000):
            total += number
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e3


def describe(folder: Path) -> list[str]:
    """Machine and versions, in lines for people."""
    cpu = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "unknown"
    )
    memory = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    versions = [f"{name} {importlib.metadata.version(name)}" for name in VERSIONS]
    from xiaoer import build_info

    build = build_info()
    return [
        f"{cpu}, {os.cpu_count()} cores, {memory / 2**20:.1f} GiB, {platform.system()} {platform.release()}",
        f"a million additions in Python: {loop_milliseconds():.0f} ms (median of 9)",
        f"4 KiB write and fdatasync: {fsync_milliseconds(folder):.2f} ms (median of 200)",
        f"Python {platform.python_version()}, xiaoer {build['version']} ({build['backend']}, {build['profile']}), "
        f"SQLite {sqlite3.sqlite_version}, " + ", ".join(versions),
    ]


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
