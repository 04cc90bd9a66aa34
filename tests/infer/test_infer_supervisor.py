"""The model process as a child: started, restarted, ended, never left behind."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from xiaoer_server.infer import supervisor as supervisors
from xiaoer_server.infer.client import InferClient
from xiaoer_server.infer.supervisor import Supervisor

from .conftest import PROGRAM, until

Connect = Callable[..., Awaitable[InferClient]]


def alive(pid: int) -> bool:
    """Whether the process is there, dead and unburied included."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_it_is_restarted_and_leaves_nothing_behind(
    tmp_path: Path, tiny_files: dict[int, Path], client_of: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    supervisor = Supervisor(tmp_path, ["--file", str(tiny_files[32])], program=PROGRAM)
    supervisor.start()
    client = await client_of(supervisor.address)
    supervisor.changed = client.check_now
    assert stat.S_IMODE((tmp_path / "infer.sock").stat().st_mode) == 0o600
    first = supervisor.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: not client.ready)
    await until(lambda: client.ready)
    assert not alive(first), "a zombie"
    assert (await client.embed(["a"])).shape == (1, 32)
    second = supervisor.pid
    assert second is not None
    assert supervisor.starts == 2
    await supervisor.stop()
    assert supervisor.pid is None
    assert not alive(second)
    assert not (tmp_path / "infer.sock").exists()
    await supervisor.stop()
    assert any("by signal 9" in line for line in caplog.messages)
    assert any("model process: listening on unix:" in line for line in caplog.messages)


async def test_a_process_that_ends_at_once_is_tried_more_and_more_seldom(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    line = "import sys; print('WARNING no model here'); print('y' * 10_000); sys.exit(78)"
    supervisor = Supervisor(tmp_path, [], program=[sys.executable, "-c", line])
    supervisor.start()
    await until(lambda: supervisor.starts == 3)
    await supervisor.stop()
    pauses = [message.rpartition("in ")[2] for message in caplog.messages if "exit code 78" in message]
    assert pauses[:2] == ["0.2 s", "0.4 s"]
    assert ("xiaoer_server.infer.supervisor", logging.WARNING, "model process: no model here") in caplog.record_tuples


async def test_one_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisors, "END_SECONDS", 0.2)
    line = "import signal, time; signal.signal(15, signal.SIG_IGN); print('stubborn', flush=True); time.sleep(60)"
    supervisor = Supervisor(tmp_path, [], program=[sys.executable, "-c", line])
    supervisor.start()
    await until(lambda: supervisor.pid is not None)
    pid = supervisor.pid
    assert pid is not None
    await asyncio.sleep(0.3)
    began = time.monotonic()
    await supervisor.stop()
    assert time.monotonic() - began < 2
    assert not alive(pid)


async def test_a_program_that_is_not_there_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    supervisor = Supervisor(tmp_path, [], program=[str(tmp_path / "nothing")])
    supervisor.start()
    await until(lambda: any("No such file" in line for line in caplog.messages))
    await supervisor.stop()


async def test_a_long_path_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path / ("long" * 30), [])
    folder = supervisor.socket.parent
    assert len(os.fsencode(supervisor.socket)) <= 103
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    await supervisor.stop()
    assert not folder.exists()


PARENT = """
import asyncio, sys, logging
from pathlib import Path
import uvloop
from xiaoer_server.infer.supervisor import Supervisor
logging.basicConfig(level=logging.INFO)
async def main():
    supervisor = Supervisor(Path(sys.argv[1]), sys.argv[2:4], program=sys.argv[4:])
    supervisor.changed = lambda: print(supervisor.pid, flush=True)
    supervisor.start()
    await asyncio.sleep(60)
uvloop.run(main())
"""


def test_it_ends_when_the_server_is_killed(tmp_path: Path, tiny_files: dict[int, Path]) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path), "--file", str(tiny_files[32]), *PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
    began = time.monotonic()
    while _runs(pid):
        assert time.monotonic() - began < 10, "an orphan"
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    """Whether it runs; whose parent is gone is buried by whoever adopts it, when it likes."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
