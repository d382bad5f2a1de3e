"""How a command ends that could not do its work: in one line where a user can mend it, or with the traceback of a bug."""

from __future__ import annotations

import os
import sys
import traceback

from gemma_eval.commands import stopping
from gemma_eval.commands.exit_codes import REFUSED, refuse
from gemma_eval.errors import GemmaEvalError
from gemma_eval.runtime.disk import disk_error


def mendable(error: BaseException) -> GemmaEvalError | None:
    """What the user can mend of an error; None for a bug."""
    return error if isinstance(error, GemmaEvalError) else disk_error(error)


def fail(error: Exception) -> int:
    """Print why a command ended, and return its exit code. Raises `Stopped` if a signal has asked it to end."""
    if stop := stopping.arrived():
        raise stop from error
    flush_or_give_up()
    if told := mendable(error):
        return refuse(told)
    traceback.print_exception(error)
    return REFUSED


def flush_or_give_up() -> None:
    """Let nothing more reach stdout if its reader is gone or its disk is full: Python would fail to flush it in the end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
