"""Workflow files against GitHub's schema, and the commands in them against the command line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.settings import compose

WORKFLOWS = sorted((Path(__file__).parents[2] / ".github/workflows").glob("*.yml"))


def test_workflows_are_valid() -> None:
    pytest.importorskip("check_jsonschema")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", *map(str, WORKFLOWS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert len(WORKFLOWS) == 2 and done.returncode == 0, done.stdout


def test_the_gpu_workflow_has_settings_that_exist() -> None:
    """Every choice it offers by default composes, and every key it sets is one."""
    workflow = yaml.safe_load((WORKFLOWS[0]).read_text())
    inputs = {name: given["default"] for name, given in workflow[True]["workflow_dispatch"]["inputs"].items()}  # YAML reads `on` as true
    script = next(step["run"] for step in workflow["jobs"]["gate"]["steps"] if step.get("name") == "run")
    keys = re.findall(r'"(\w+)=\$', script)
    assert keys[:4] == ["model", "variant", "weights", "suite"]
    assert compose(*(f"{key}={inputs[key]}" for key in keys[:4]), "run=candidate").run == "candidate"
