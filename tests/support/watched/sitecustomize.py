"""Lets a test look into a server that is a process of its own: with this folder on its PYTHONPATH and a file named in
WATCHED_FILE, SIGUSR2 has it write what lives in it there, as JSON."""

import asyncio
import gc
import json
import os
import signal
from collections import Counter


def _write(*_: object) -> None:
    gc.collect()
    objects = gc.get_objects()
    report = {
        "tasks": sum(1 for found in objects if isinstance(found, asyncio.Task) and not found.done()),
        "objects": len(objects),
        "types": Counter(f"{type(found).__module__}.{type(found).__qualname__}" for found in objects),
    }
    del objects
    path = os.environ["WATCHED_FILE"]
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        json.dump(report, file)
    os.replace(f"{path}.new", path)


if "WATCHED_FILE" in os.environ:
    signal.signal(signal.SIGUSR2, _write)
