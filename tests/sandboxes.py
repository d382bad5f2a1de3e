"""Which sandboxes work on this machine."""

from __future__ import annotations

import pytest

from gemma_eval.errors import SandboxError
from gemma_eval.sandbox import runner as sandbox
from gemma_eval.settings import Sandbox


def _why_not() -> str:
    try:
        sandbox.check(Sandbox.bubblewrap)
    except SandboxError as error:
        return str(error)
    return ""


WHY_NOT = _why_not()
needs_bubblewrap = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
