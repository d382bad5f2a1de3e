"""Python in a child process that uses a local Hub: `huggingface_hub` reads its settings when it is imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.hub.server import LocalHub

CHILD = """
import json, sys
values = {}
try:
    exec(sys.argv[1], values)
    print(json.dumps({"value": values["value"]}))
except Exception as error:
    print(json.dumps({"error": [cls.__name__ for cls in type(error).__mro__], "text": str(error)}))
"""


def outcome(hub: LocalHub, home: Path, code: str, *, token: str | None = None, offline: bool = False, timeout: int = 3) -> dict[str, Any]:
    """What code makes of a Hub: {"value": ...}, which it leaves in the variable `value`, or {"error": [...], "text": ...}.

    The error is the names of its class and of those that the class derives from. `home`, `token`, `offline`, `timeout`: see
    `LocalHub.environment`.
    """
    environment = hub.environment(home, token=token, offline=offline, timeout=timeout)
    done = subprocess.run([sys.executable, "-c", CHILD, code], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def value(hub: LocalHub, home: Path, code: str, *, token: str | None = None, offline: bool = False) -> Any:
    """The value of code that must not fail."""
    found = outcome(hub, home, code, token=token, offline=offline)
    assert "value" in found, f"{found}\n{hub.log}"
    return found["value"]


def error(hub: LocalHub, home: Path, code: str, *, token: str | None = None, timeout: int = 3) -> str:
    """The class of the error that code must raise."""
    found = outcome(hub, home, code, token=token, timeout=timeout)
    assert "error" in found, f"{found}\n{hub.log}"
    return str(found["error"][0])
