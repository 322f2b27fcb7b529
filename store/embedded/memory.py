"""Giving memory back after heavy work, so that a writer that runs for months stays as small as it began.

Sealing and compaction decode whole files. What they free stays with the allocators, of Arrow and of the C library,
unless these are asked; a process that asks after each such work does not keep its highest need for ever.
"""

import ctypes
from collections.abc import Callable

import pyarrow as pa


def give_back() -> None:
    """Return freed memory to the system; costs about a millisecond."""
    pa.default_memory_pool().release_unused()
    if _trim is not None:
        _trim(0)


def _find_trim() -> Callable[[int], int] | None:
    """glibc's malloc_trim, where there is one. Source: malloc_trim(3)."""
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None
    return found


_trim = _find_trim()
