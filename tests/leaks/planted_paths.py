"""Leaks made on purpose, and calls that look like leaks and are none: what the method must tell apart."""

import ctypes
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

LEAKS = ("a reference kept", "a reference counted twice", "memory never freed", "a leak in one call of a hundred")


def paths(xiaoer: ModuleType, directory: Path) -> dict[str, Callable[[], object]]:
    kept: list[object] = []
    calls = 0
    increase = ctypes.pythonapi.Py_IncRef
    increase.argtypes = [ctypes.py_object]
    allocate = ctypes.pythonapi.PyMem_RawMalloc
    allocate.argtypes, allocate.restype = [ctypes.c_size_t], ctypes.c_void_p

    def seldom() -> None:
        nonlocal calls
        calls += 1
        if calls % 100 == 0:
            kept.append(bytes(2_000))

    def cycle() -> None:
        ring: list[object] = []
        ring.append(ring)

    planted: dict[str, Callable[[], object]] = {
        "a reference kept": lambda: kept.append(object()),
        "a reference counted twice": lambda: increase(object()),
        "memory never freed": lambda: allocate(16),
        "a leak in one call of a hundred": seldom,
    }
    assert tuple(planted) == LEAKS
    return planted | {
        "nothing": lambda: None,
        "garbage in rings": cycle,
        "much memory, freed": lambda: bytes(300_000),
    }
