

# Bugs on purpose, which `make asan` puts behind a copy of each module: they prove that the sanitizers see what goes
# wrong in that very module. In no release build.
from cpython.mem cimport PyMem_RawFree as _planted_free, PyMem_RawMalloc as _planted_malloc


def planted_bug(Py_ssize_t length):
    """Reads one byte behind a buffer of so many."""
    cdef volatile char* buffer = <char*>_planted_malloc(length)
    cdef int behind = buffer[length]
    _planted_free(<void*>buffer)
    return behind


def planted_overflow(int number):
    """Adds more to a number than fits."""
    return number + <int>2147483647
