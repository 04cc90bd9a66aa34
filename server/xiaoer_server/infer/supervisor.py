"""The model process as a child of the server: started, restarted when it dies, ended with it.

It listens on a Unix socket that only this user may open. Its standard input is a pipe that nobody writes to: when this
process is gone, in whatever way, the pipe ends and so does the child. What it prints goes to the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

log = logging.getLogger(__name__)

PROGRAM = (sys.executable, "-m", "xiaoer_server.infer")

#: The pause before a restart: the first and the longest, in seconds. Who ran for `STEADY` seconds begins anew.
FIRST_PAUSE, LONGEST_PAUSE, STEADY = 0.2, 30.0, 20.0

#: Seconds to end by itself after SIGTERM.
END_SECONDS = 4.0

#: Longest path of a Unix socket that every system takes: 104 bytes with the zero at its end on BSD, 108 on Linux.
_PATH_BYTES = 103

#: Bytes of a line of the child's log; what is longer is logged in pieces.
_LINE_BYTES = 4_096

_LEVEL = re.compile(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL) (.*)")


class Supervisor:
    """Keeps one model process running.

    Args:
        data: The data folder; the socket is `infer.sock` there, or in a folder of its own where that path is too long.
        arguments: Of the program, without `--listen`.
        changed: Called whenever the process listens, and when it ended.
        program: What is run.
    """

    def __init__(
        self,
        data: Path,
        arguments: Sequence[str],
        *,
        changed: Callable[[], None] | None = None,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        self._command = [*program, "--with-parent", *arguments]
        self.changed = changed
        self._own_folder: str | None = None
        path = data.absolute() / "infer.sock"
        if len(os.fsencode(path)) > _PATH_BYTES:
            self._own_folder = tempfile.mkdtemp(prefix="xiaoer-")
            path = Path(self._own_folder) / "infer.sock"
        self.socket = path
        self.starts = 0
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """Where a client finds it."""
        return f"unix:{self.socket}"

    @property
    def pid(self) -> int | None:
        """Of the process that runs, if one does."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    def start(self) -> None:
        """Start it in the background; needs a running loop."""
        self._task = asyncio.get_running_loop().create_task(self._keep(), name="model process")

    async def stop(self) -> None:
        """End it: SIGTERM, then SIGKILL. Returns once it is gone. May be called twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        with contextlib.suppress(OSError):
            self.socket.unlink()
        if self._own_folder is not None:
            shutil.rmtree(self._own_folder, ignore_errors=True)

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE
        while True:
            began = loop.time()
            try:
                code: int | str = await self._run_once()
            except OSError as error:
                code = str(error)
            if loop.time() - began > STEADY:
                pause = FIRST_PAUSE
            if self.changed is not None:
                self.changed()
            log.warning("the model process ended (%s); starting it again in %.1f s", _ending(code), pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _run_once(self) -> int:
        """Run it to its end, which may be ours."""
        self.starts += 1
        with contextlib.suppress(FileNotFoundError):
            self.socket.unlink()
        # The numerics libraries take a thread for each processor unless they are told.
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        # Not to be cancelled halfway: there would be a process that nobody knows.
        starting = asyncio.ensure_future(self._spawn(environment))
        try:
            process = await asyncio.shield(starting)
        except asyncio.CancelledError:
            process = await starting
            await self._end(process, None)
            raise
        self._process = process
        assert process.stdout is not None
        reading = asyncio.ensure_future(self._read(process.stdout))
        try:
            return await process.wait()
        finally:
            await asyncio.shield(self._end(process, reading))

    async def _spawn(self, environment: dict[str, str]) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self._command,
            "--listen",
            self.address,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
            # A Ctrl+C on the terminal is for the server, which ends this in its turn.
            start_new_session=True,
        )

    async def _end(self, process: asyncio.subprocess.Process, reading: asyncio.Future[None] | None) -> None:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(END_SECONDS):
                    await process.wait()
            except TimeoutError:
                log.warning("the model process did not end; killing it")
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if reading is None:
            return
        # What it still said; a grandchild that keeps the pipe open is not waited for.
        await asyncio.wait([reading], timeout=0.5)
        reading.cancel()

    async def _read(self, output: asyncio.StreamReader) -> None:
        rest = b""
        while block := await output.read(_LINE_BYTES):
            *lines, rest = (rest + block).split(b"\n")
            if len(rest) > _LINE_BYTES:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._say(line.decode("utf-8", "replace").rstrip())
        if rest:
            self._say(rest.decode("utf-8", "replace").rstrip())

    def _say(self, line: str) -> None:
        if not line:
            return
        found = _LEVEL.match(line)
        level, text = (logging.getLevelNamesMapping()[found[1]], found[2]) if found else (logging.INFO, line)
        log.log(level, "model process: %s", text)
        if text.startswith("listening on ") and self.changed is not None:
            self.changed()


def _ending(code: int | str) -> str:
    if isinstance(code, str):
        return code
    return f"by signal {-code}" if code < 0 else f"exit code {code}"
