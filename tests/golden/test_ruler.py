"""One prompt of each of RULER's tasks, its middle left out, reviewed by eye. `GEMMA_EVAL_GOLDEN=write pytest tests/golden` rewrites it."""

from __future__ import annotations

import os
from pathlib import Path

from gemma_eval.data.sources import open_source
from gemma_eval.task.registry import registry
from gemma_eval.task.samples import build
from gemma_eval.types import Sample
from tests.token_counters import EvenReader

FILE = Path(__file__).parent / "prompts" / "ruler_tasks.txt"
SHOWN = 450  # characters at each end


def shown(sample: Sample) -> str:
    prompt = sample.request.prompt
    query = str(prompt.query[0])
    return f"=== {sample.subset}\n{query[:SHOWN]}[...]{query[-SHOWN:]}|{prompt.reply}|\n{sample.target}\n"


def test_prompts_are_as_reviewed() -> None:
    samples = build(registry()["ruler"](), open_source(root=None, samples=True), EvenReader).samples
    text = "\n".join(shown(sample) for sample in {sample.subset: sample for sample in samples}.values())
    if os.environ.get("GEMMA_EVAL_GOLDEN") == "write":
        FILE.write_text(text, encoding="utf-8")
    assert text == FILE.read_text(encoding="utf-8")
