"""One prompt of each of RULER's tasks equals the file tests/golden/prompts/ruler_tasks.txt, which was reviewed by eye.

The middle of each prompt is left out. `GEMMA_EVAL_GOLDEN=write pytest tests/golden` rewrites the file.
"""

from __future__ import annotations

import os
from pathlib import Path

from gemma_eval.data.sources import open_source
from gemma_eval.task.registry import registry
from gemma_eval.task.samples import build
from gemma_eval.types import Sample
from tests.token_counters import EvenReader

FILE = Path(__file__).parent / "prompts" / "ruler_tasks.txt"
KEPT = 450  # characters at each end


def described(sample: Sample) -> str:
    prompt = sample.request.prompt
    query = str(prompt.query[0])
    return f"=== {sample.subset}\n{query[:KEPT]}[...]{query[-KEPT:]}|{prompt.reply}|\n{sample.target}\n"


def test_prompts_are_as_reviewed() -> None:
    samples = build(registry()["ruler"](), open_source(root=None, samples=True), EvenReader).samples
    text = "\n".join(described(sample) for sample in {sample.subset: sample for sample in samples}.values())
    if os.environ.get("GEMMA_EVAL_GOLDEN") == "write":
        FILE.write_text(text, encoding="utf-8")
    assert text == FILE.read_text(encoding="utf-8")
