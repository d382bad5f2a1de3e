"""`make demo`, with programs that stand in for the ones it calls: what it does next is its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not here")


def make_demo(venv: Path, code: int) -> tuple[int, list[str]]:
    """Run `make demo` where the run over the samples ends with this exit code; make's own code, and what it called."""
    called = venv / "called"
    binaries = venv / "bin"
    binaries.mkdir(parents=True)
    for name in ("gemma-eval", "python", "bwrap"):
        program = binaries / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> {called}\n[ "$*" != "run experiment=demo" ] || exit {code}\n')
        program.chmod(0o755)
    (venv / ".done").touch()
    path = f"{binaries}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(["make", "demo", f"VENV={venv}"], cwd=ROOT, env={**os.environ, "PATH": path}, capture_output=True, check=False)
    return done.returncode, called.read_text().splitlines()


def test_the_demo_goes_on_where_rows_could_not_be_had(tmp_path: Path) -> None:
    """Exit code 3, as without bubblewrap: the card and the rows on pictures follow all the same."""
    code, called = make_demo(tmp_path / "venv", 3)
    assert code == 0
    assert "gemma-eval report results/demo" in called
    assert any("experiment=demo_images" in line for line in called)


def test_the_demo_ends_where_the_run_failed(tmp_path: Path) -> None:
    code, called = make_demo(tmp_path / "venv", 1)
    assert code != 0
    assert called == ["gemma-eval run experiment=demo"]
