"""A writer that is small and stays so: what it does not need is not loaded, and memory is given back after heavy work.

Sealing and compaction decode whole files. What they free stays with the allocators, of Arrow and of the C library,
unless these are asked; a process that asks after each such work does not keep its highest need for ever.
"""

import ctypes
import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder

import pyarrow as pa


def give_back() -> None:
    """Return freed memory to the system; costs about a millisecond."""
    pa.default_memory_pool().release_unused()
    if _trim is not None:
        _trim(0)


def leave_pandas_out() -> None:
    """Keep pyarrow from loading pandas, 32 MB, in a process that has none of its types.

    pyarrow loads it at the first array it makes of anything, in order to know them, and looks once only: so it is
    hidden for that one look. Who wants pandas later loads it as ever.
    """
    if "pandas" in sys.modules:
        return
    hidden = _Hidden()
    sys.meta_path.insert(0, hidden)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(hidden)


class _Hidden(MetaPathFinder):
    """Says of pandas that it is not installed."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:  # noqa: ARG002 - Python's shape
        """None: the next finder is asked."""
        if fullname == "pandas":
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def _find_trim() -> Callable[[int], int] | None:
    """glibc's malloc_trim, where there is one. Source: malloc_trim(3)."""
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None
    return found


_trim = _find_trim()
