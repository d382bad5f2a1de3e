"""RULER against lm-eval's port of it: the scores of random answers, and the wording of prompts."""

from __future__ import annotations

import ast
import importlib.util
import random
import re
from pathlib import Path
from typing import Any

import pytest

from gemma_eval.data.sources import open_source
from gemma_eval.task.base import Generation
from gemma_eval.task.registry import registry
from gemma_eval.task.samples import build
from gemma_eval.types import GenerateResponse, Sample
from tests.token_counters import EvenReader


def samples() -> list[Sample]:
    return build(registry()["ruler"](), open_source(root=None, samples=True), EvenReader).samples


def answers(rng: random.Random, golds: list[str]) -> str:
    """Some of the golds, some cut or in other letters, in any order, with controls between them."""
    kept = rng.sample(golds, rng.randint(0, len(golds)))
    changed = [rng.choice([gold.upper(), gold.lower(), gold.title(), gold[:-1], f"x{gold}y"]) for gold in kept]
    return rng.choice(["", " ", "\t"]) + rng.choice([", ", "\n", "\x00", " and "]).join(changed) + rng.choice(["", "\x1f "])


def test_scores_are_lm_evals() -> None:
    """Its `string_match_part` gives a share of several golds, where the official metric takes the best: composed here from single golds."""
    common = pytest.importorskip("lm_eval.tasks.ruler.common_utils")
    rng = random.Random(5)
    task = registry()["ruler"]()
    assert isinstance(task, Generation)
    seen = set()
    asked = samples()
    for _ in range(20):
        for sample in asked:
            assert isinstance(sample.target, dict)
            golds: Any = sample.target["answers"]
            text = answers(rng, golds)
            cleaned = common.postprocess_pred([text])
            if sample.subset.endswith(("qa_1", "qa_2")):
                expected = max(common.string_match_all(cleaned, [[gold]]) for gold in golds)
            else:
                expected = common.string_match_all(cleaned, [golds])
            found = task.score(sample.target, GenerateResponse((text,), ("stop",), (1,))).scores["string_match"]
            assert found == pytest.approx(expected), (text, golds)
            seen.add(expected)
    assert {0.0, 0.25, 0.5, 0.75, 1.0} < seen


def template(module: str) -> tuple[str, str]:
    """Template and beginning of the answer, read without importing (which would fetch data)."""
    spec = importlib.util.find_spec("lm_eval")
    assert spec and spec.submodule_search_locations
    tree = ast.parse((Path(spec.submodule_search_locations[0]) / "tasks" / "ruler" / f"{module}_utils.py").read_text())
    named = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    if "CONFIG" not in named:
        return ast.literal_eval(named["TEMPLATE"]), ""
    config = ast.literal_eval(named["CONFIG"])
    config = config.get("variable_tracking", config)
    return config["template"], config["answer_prefix"]


@pytest.mark.parametrize(
    ("module", "names"),
    [("niah", ("niah_multivalue", "niah_multiquery")), ("vt", ("vt",)), ("cwe", ("cwe",)), ("fwe", ("fwe",)), ("qa", ("qa_1", "qa_2"))],
)
def test_prompts_are_worded_as_lm_evals(module: str, names: tuple[str, ...]) -> None:
    """Except for a misspelling in variable tracking ("assgined"), which the official templates no longer have."""
    question, answer = template(module)
    pattern = re.escape(question).replace(r"\{", "{").replace(r"\}", "}")
    pattern = pattern.replace("{type_needle_v}", "numbers").replace("{context}", "(?s:.+)").replace("{query}", ".+")
    reply = re.escape(answer.strip().replace("assgined", "assigned")).replace(r"\{num_v\}", "5").replace(r"\{query\}", r"\d+")
    chosen = [sample for sample in samples() if sample.subset.endswith(names)]
    assert len(chosen) >= len(names)
    for sample in chosen:
        prompt = sample.request.prompt
        assert re.search(rf"(?:^|\n){pattern}$", str(prompt.query[0])), sample.subset
        if answer:
            assert re.fullmatch(reply, prompt.reply.strip())
