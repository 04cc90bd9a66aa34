"""A process that reads one file and ends: `python -m xiaoer_server.brain.importers.child KIND` with the bytes on
standard input, a `Read` or a reason as JSON on standard output.

A file may make its reader loop, or eat memory; the kernel ends this process then, and nobody else notices.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sys
from collections.abc import Callable

import msgspec

from .document import Document, Read, Unreadable

#: Memory and processor time of the process, and the wall clock of whoever waits for it.
MEMORY, CPU_SECONDS, SECONDS = 1 << 30, 60, 120.0

#: Bytes of an answer: a million characters, escaped at worst.
MOST_ANSWER = 16 << 20


class _Answer(msgspec.Struct):
    read: Read | None = None
    reason: str = ""


async def read_apart(kind: str, data: bytes, *, seconds: float = SECONDS) -> Read:
    """Have a process of its own read `data`.

    Args:
        kind: "pdf", "docx" or "html".

    Raises:
        Unreadable: nothing can be made of it, or not with the time and memory that a file may take.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-m", __name__, kind,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        limit=MOST_ANSWER,
    )  # fmt: skip
    try:
        answer, _ = await asyncio.wait_for(process.communicate(data), seconds)
    except TimeoutError:
        raise Unreadable(f"cannot be read within {seconds:g} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    try:
        found = msgspec.json.decode(answer, type=_Answer)
    except msgspec.DecodeError:
        raise Unreadable("takes more memory or time to read than a file may") from None
    if found.read is None:
        raise Unreadable(found.reason)
    return found.read


def _readers() -> dict[str, Callable[[bytes], Document]]:
    from .html_page import read as read_html
    from .office import read_docx, read_pdf

    return {"pdf": read_pdf, "docx": read_docx, "html": read_html}


def main() -> int:
    """Read standard input; see the module."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    kind, _, declared = sys.argv[1].partition(":")
    data = sys.stdin.buffer.read()
    try:
        if kind == "html" and declared:
            from .html_page import read as read_html

            answer = _Answer(Read([read_html(data, declared)]))
        else:
            answer = _Answer(Read([_readers()[kind](data)]))
    except Unreadable as error:
        answer = _Answer(reason=str(error))
    except MemoryError:
        answer = _Answer(reason="takes more memory to read than a file may")
    except Exception as error:  # whatever a reader makes of a file that nobody foresaw
        answer = _Answer(reason=f"cannot be read: {type(error).__name__}")
    sys.stdout.buffer.write(msgspec.json.encode(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
