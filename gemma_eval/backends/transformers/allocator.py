"""Memory that torch has freed on a CPU goes back to the system.

glibc keeps freed blocks for later use. Passes of ever new shapes leave them in pieces that fit nothing: a long run of the 270M model grew
to 4 GB, of which 2 GB were such pieces.
"""

from __future__ import annotations

import ctypes
import time
from functools import cache
from typing import Any

SECONDS = 2.0  # between two trims, each of which takes a few milliseconds

_trimmed = time.monotonic()


def trim_memory() -> None:
    """Return glibc's unused memory to the system, unless that was done less than `SECONDS` ago. Does nothing with another C library."""
    global _trimmed
    if (trim := _malloc_trim()) and time.monotonic() - _trimmed > SECONDS:
        trim(0)
        _trimmed = time.monotonic()


@cache
def _malloc_trim() -> Any:
    """glibc's `malloc_trim`; None where there is none."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library, or Windows, where none is found by no name
        return None
