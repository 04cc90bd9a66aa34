"""No path through a kernel leaves memory behind, whether it ends well or in an error.

Each kernel on each backend in a process of its own, which is measured from inside (`slope.py`); a crash there shows
its stack. `make test` looks at each path for a moment, which shows large leaks; `make leak` long enough for small ones:

    XIAOER_LEAK_SECONDS=0.3 python -m pytest tests/leaks
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from leaks.planted_paths import LEAKS

SECONDS = float(os.environ.get("XIAOER_LEAK_SECONDS", "0.03"))
LONG = 0.3
TESTS = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from Linux's /proc")


def measure(kernel: str, backend: str, seconds: float) -> subprocess.CompletedProcess[str]:
    if backend == "native" and os.environ.get("XIAOER_BACKEND") == "pure":
        pytest.skip("XIAOER_BACKEND=pure leaves the compiled kernels out")
    # One arena of malloc's, as every thread that touches memory would else get pages of its own.
    environment = os.environ | {"PYTHONPATH": str(TESTS), "MALLOC_ARENA_MAX": "1"}
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", "-m", "leaks.measure", kernel, backend, str(seconds)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.parametrize("kernel", ["filter", "chunker", "queue", "sse"])
@pytest.mark.parametrize("backend", ["native", "pure"])
def test_nothing_is_left_behind(kernel: str, backend: str) -> None:
    run = measure(kernel, backend, SECONDS)
    print(run.stdout, run.stderr, sep="\n")  # shown where it fails, and with -rP
    assert run.returncode == 0, "a path leaks or the process died; the last lines above say which"
    assert not run.stderr, "nothing may be said that nobody asked for"


def test_planted_leaks_are_seen_and_what_is_none_is_not() -> None:
    run = measure("planted", "pure", max(SECONDS, LONG))
    print(run.stdout, run.stderr, sep="\n")
    found = [line.partition(": ")[0] for line in run.stdout.splitlines() if ": LEAKS" in line]
    assert found == list(LEAKS)
    assert run.returncode == 1
