"""Measures all paths of one kernel on one backend: python -X faulthandler -m leaks.measure filter native 0.5

One line a path: bytes a call, their bound, calls, the path's name. The process ends with 1 if one of them leaks.
"""

import gc
import importlib
import logging
import os
import sys
import tempfile
from pathlib import Path

from leaks.slope import measure


def main(kernel: str, backend: str, seconds: float) -> int:
    os.environ["XIAOER_BACKEND"] = backend
    xiaoer = importlib.import_module("xiaoer")
    assert xiaoer.build_info()["backend"] == backend, xiaoer.build_info()
    logging.disable()  # of asyncio, about tasks that are left on purpose
    # Saving syncs to the disk, whose time is none of ours.
    memory = Path("/dev/shm")
    leaking = 0
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as directory:
        paths = importlib.import_module(f"leaks.{kernel}_paths").paths(xiaoer, Path(directory))
        for name, call in paths.items():
            # Said before, so that a crash has a name.
            print(f"{name}: ", end="", flush=True)
            gc.collect()
            slope = measure(call, seconds)
            leaking += slope.leaks
            verdict = "LEAKS" if slope.leaks else "holds"
            print(f"{verdict}, {slope.growth:.1f} bytes a call of at most {slope.bound:.1f} in {slope.calls} calls")
    return int(leaking > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
