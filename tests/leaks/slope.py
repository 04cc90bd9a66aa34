"""Bytes that a call leaves behind: the slope of the process's resident memory over many calls.

The median of the slopes between all pairs of samples (Theil-Sen), which a single jump does not move: an arena that the
allocator takes, a table that grows.
"""

import ctypes
import gc
import os
import time
from collections.abc import Callable
from itertools import combinations
from statistics import median
from typing import NamedTuple

PAGE = os.sysconf("SC_PAGE_SIZE")
SAMPLES = 20
# The smallest thing that can be left behind is an object without contents, 16 bytes; half of that is not one a call.
LEAST = 8.0
# What the allocators' free lists and half-filled pages may come and go by between two samples: a few pages.
NOISE = 12 * PAGE
TRIES = 3


class Slope(NamedTuple):
    """What was measured of one path."""

    calls: int
    growth: float
    """Bytes a call."""
    bound: float
    """What `growth` may be: below the smallest object a call, or what noise can feign where calls are few."""

    @property
    def leaks(self) -> bool:
        return self.growth >= self.bound


def resident() -> int:
    """Bytes of this process that are in memory, exact to a page."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * PAGE


def _give_free_memory_back() -> None:
    """So that what is left behind shows at once, instead of filling up what was free."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it
    if trim is not None:
        trim(0)


def _calls_in(seconds: float, call: Callable[[], object]) -> int:
    """Calls that fit into so many seconds of this process's own time; they are the warm-up too."""
    calls = 0
    end = time.process_time() + seconds
    while time.process_time() < end or calls < SAMPLES:
        call()
        calls += 1
    return calls


def measure_once(call: Callable[[], object], seconds: float) -> Slope:
    warm = _calls_in(seconds / 4, call)
    each = max(1, 3 * warm // SAMPLES)
    gc.collect()
    gc.freeze()  # what stands is not looked at again in every sample
    _give_free_memory_back()
    memory = []
    for _ in range(SAMPLES + 1):
        for _ in range(each):
            call()
        gc.collect()
        memory.append(resident())
    gc.unfreeze()
    del memory[0]  # the calls take back what they need
    growth = median((b - a) / ((j - i) * each) for (i, a), (j, b) in combinations(enumerate(memory), 2))
    calls = each * SAMPLES
    return Slope(calls, growth, max(LEAST, NOISE / calls))


def measure(call: Callable[[], object], seconds: float) -> Slope:
    """Measured again where it looks like a leak: a leak stays one, noise does not."""
    slope = measure_once(call, seconds)
    for _ in range(TRIES - 1):
        if not slope.leaks:
            break
        slope = measure_once(call, seconds)
    return slope
