"""What a running server holds: memory, descriptors, tasks, objects."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any, NamedTuple

from support.process import XiaoerProcess

HOOK = Path(__file__).parent / "watched"
PAGE = os.sysconf("SC_PAGE_SIZE")

_sample = re.compile(r"^xiaoer_upstream_pool_size\{.*\} (\S+)$", re.MULTILINE)


class Inside(NamedTuple):
    """One look. `types` counts the collector's objects by their type's name."""

    resident: int
    descriptors: int
    threads: int
    pooled: int
    tasks: int
    objects: int
    types: dict[str, int]


def environ(report: Path) -> dict[str, str]:
    """What a server's environment needs so that `look` can see inside; `report` is a file for its answers."""
    return {"PYTHONPATH": str(HOOK), "WATCHED_FILE": str(report)}


def resident(server: XiaoerProcess) -> int:
    """Bytes in memory."""
    return int((_proc(server) / "statm").read_text().split()[1]) * PAGE


def descriptors(server: XiaoerProcess) -> int:
    """Open files and sockets."""
    return len(os.listdir(_proc(server) / "fd"))


def pooled(server: XiaoerProcess) -> int:
    """Connections in the pools of all providers, as /metrics says."""
    status, body = server.get("/metrics")
    assert status == 200
    return int(sum(float(value) for value in _sample.findall(body.decode())))


def look(server: XiaoerProcess, report: Path, limit: float = 20.0) -> Inside:
    """Have the server collect its garbage and count.

    Raises:
        TimeoutError: it did not answer.
    """
    report.unlink(missing_ok=True)
    assert server.process is not None
    connections = pooled(server)
    time.sleep(0.3)  # the connection of that question goes
    server.process.send_signal(signal.SIGUSR2)
    end = time.monotonic() + limit
    while not report.exists():
        if time.monotonic() > end:
            raise TimeoutError("the server did not tell what lives in it")
        time.sleep(0.02)
    found: dict[str, Any] = json.loads(report.read_text("utf-8"))
    return Inside(
        resident=resident(server),
        descriptors=descriptors(server),
        threads=len(os.listdir(_proc(server) / "task")),
        pooled=connections,
        tasks=found["tasks"],
        objects=found["objects"],
        types=found["types"],
    )


def _proc(server: XiaoerProcess) -> Path:
    assert server.process is not None
    return Path(f"/proc/{server.process.pid}")
