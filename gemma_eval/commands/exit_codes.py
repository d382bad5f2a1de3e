"""Exit codes, and how a refusal is printed."""

from __future__ import annotations

import sys

from gemma_eval.errors import GemmaEvalError
from gemma_eval.runtime.processes import this

# Exit codes
DONE, REFUSED, MISSING, UNHEALTHY = 0, 1, 3, 4  # 2 is argparse's, for unknown arguments


def _refuse(error: GemmaEvalError) -> int:
    print(f"{this().prefix}error: {error}", file=sys.stderr)
    return REFUSED
