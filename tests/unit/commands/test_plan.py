"""The plan's token counts, by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from gemma_eval.commands.plan import _power_cells
from gemma_eval.plan.cost import cost
from gemma_eval.settings import PlanConfig
from gemma_eval.store.usage import measured_rate
from gemma_eval.types import EncodedGenerate, EncodedScore, Generate, Prompt, TokenIds


def ids(*values: int) -> TokenIds:
    return np.asarray(values, dtype=np.int32)


def test_shared_prompts_and_letters() -> None:
    """Two questions of four one-letter choices under three exemplar tokens: the letters are only predicted."""
    asked = [EncodedScore(tuple(ids(2, 10, 11, question, letter) for letter in (5, 6, 7, 8)), (4,) * 4) for question in (20, 21)]
    found = cost(asked)
    assert (found.requests, found.unshared, found.unique, found.head_rows, found.generated) == (2, 8 * 4, 3 + 2, 2, 0)


def test_longer_choices_share_their_beginnings() -> None:
    asked = [EncodedScore((ids(2, 10, 30, 31), ids(2, 10, 30, 32), ids(2, 10, 40, 31)), (2,) * 3)]
    found = cost(asked)
    assert (found.unshared, found.unique, found.head_rows) == (9, 4, 3)  # rows after 10, 30 and 40


def test_generation_counts_samples_and_limits() -> None:
    asked = [EncodedGenerate(ids(2, 10, question), Generate(Prompt(("",)), (), 16, temperature=1.0, samples=3)) for question in (20, 21)]
    found = cost(asked)
    assert (found.unshared, found.unique, found.generated) == (18, 4, 96)


def test_the_rate_is_that_of_earlier_runs_of_the_same_model(tmp_path: Path) -> None:
    for name, model, seconds in [("a", "x", 2.0), ("b", "x", 3.0), ("c", "y", 100.0)]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "environment.json").write_text(json.dumps({"model": {"checkpoint": model}}))
        (tmp_path / name / "usage.json").write_text(json.dumps({"piqa": {"computed": 500, "seconds": seconds}}))
    assert measured_rate(tmp_path, {"checkpoint": "x"}) == 200.0
    assert measured_rate(tmp_path, {"checkpoint": "z"}) is None


def test_what_the_items_could_show() -> None:
    """By the formula: 2.8016 standard errors of sqrt(0.1 / n), or of sqrt(0.5 / n) unpaired; 1.645 + 0.842 of them for the gate."""
    assert _power_cells(200, 200, 1838, PlanConfig()) == ["6.3", "14.0", "1,963 (has 1,838)", "9,812 (has 1,838)", "1,546"]
    clustered = _power_cells(400, 200, 10_000, PlanConfig(correlation=0.5))  # pairs worth one item and a third
    assert clustered == ["5.4", "12.1", "2,944", "14,718 (has 10,000)", "2,319"]
