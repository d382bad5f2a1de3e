"""`gemma-eval` as users run it: a child process that uses a local Hub, in a folder of its own."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.hub.server import LocalHub

LONGEST = 150  # seconds that a command may take


@dataclass(frozen=True)
class Done:
    """What a command did: its exit code, what it printed, and how many seconds it took."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def missing(self) -> dict[str, str]:
        """What was missing in the end, by task: the one line that the user sees of each."""
        lines = (line.removeprefix("missing: ") for line in self.err.splitlines() if line.startswith("missing: "))
        return {task: why for task, _, why in (line.partition(": ") for line in lines)}


def folder(home: Path) -> Path:
    """The working directory of a command."""
    found = home / "work"
    found.mkdir(parents=True, exist_ok=True)
    return found


def gemma_eval(
    hub: LocalHub,
    home: Path,
    *arguments: str,
    token: str | None = None,
    offline: bool = False,
    longest_file: int | None = None,
) -> Done:
    """Run a command to its end. `token`, `offline`: see `LocalHub.environment`. It waits one second for an answer of the Hub.

    `longest_file`: bytes that a file may have, as on a disk that is nearly full. A traceback fails the test.
    """
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "gemma_eval", *arguments],
        env=hub.environment(home, token=token, offline=offline, timeout=1),
        cwd=folder(home),
        capture_output=True,
        text=True,
        timeout=LONGEST,
        preexec_fn=_limiting(longest_file) if longest_file else None,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr, time.monotonic() - start)


def _limiting(longest: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (longest, longest))
