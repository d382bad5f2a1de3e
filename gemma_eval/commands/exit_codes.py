"""Exit codes, and the lines on stderr that explain them."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from gemma_eval.errors import GemmaEvalError
from gemma_eval.runtime.processes import this

DONE = 0
REFUSED = 1
USAGE = 2  # argparse's: arguments that it does not know
MISSING = 3  # done, but something could not be had
UNHEALTHY = 4  # the doctor found a fault
STOPPED = 128  # plus the number of the signal: 130 after Ctrl-C, 143 after SIGTERM


def refuse(error: GemmaEvalError) -> int:
    """Print why a command cannot be done."""
    print(f"{this().prefix}error: {error}", file=sys.stderr)
    return REFUSED


def report_missing(missing: Mapping[str, str]) -> int:
    """Print what could not be had, one line a task."""
    for reason in missing.values():
        print(f"missing: {reason}", file=sys.stderr)
    return MISSING if missing else DONE
