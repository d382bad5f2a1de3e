"""Memory that torch has freed on a CPU goes back to the system.

glibc keeps freed blocks for later, and passes of ever other shapes leave them in pieces that fit nothing: a long run of the 270M model
grew to 4 GB, of which 2 GB were such pieces.
"""

from __future__ import annotations

import ctypes
import time
from functools import cache
from typing import Any

SECONDS = 2.0  # between two returns, each of which takes a few milliseconds

_returned = time.monotonic()


def give_back() -> None:
    """Return what glibc holds and nobody uses, if that was not done just now. Nothing to do with another C library."""
    global _returned
    if (trim := _malloc_trim()) and time.monotonic() - _returned > SECONDS:
        trim(0)
        _returned = time.monotonic()


@cache
def _malloc_trim() -> Any:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # not glibc, or no C library to be had by no name (Windows)
        return None
