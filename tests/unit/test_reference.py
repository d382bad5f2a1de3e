"""What README quotes: scores kept without their records are reported as any run is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gemma_eval.commands.main import main

REFERENCE = Path("results/reference/270m-pt-gguf_q4_k_m")


@pytest.mark.parametrize("form", ["--markdown", "--html", "--latex"])
def test_the_reference_is_reported(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(REFERENCE), form, str(tmp_path / "report")]) == 0
    text = (tmp_path / "report").read_text()
    scores = json.loads((REFERENCE / "scores.json").read_text())["tasks"]
    measured = {name: 100 * entry["metrics"][entry["primary"]]["value"] for name, entry in scores.items()}
    assert len(measured) == 7
    for value in measured.values():
        assert f"{value:.1f}" in text
    rows = [line.split("|") for line in Path("README.md").read_text().splitlines() if re.search(r"\d / [\d,]+ = [\d.]+x \|", line)]
    quoted = [row[4].strip() for row in rows]
    assert [f"{value:.1f}" for value in measured.values()] == quoted
