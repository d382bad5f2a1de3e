"""XQuAD's prompts against lm-eval's pages, and its token F1 against the copy of SQuAD's script in lm-eval's QASPER task.

lm-eval 0.4.13 names a function in these pages whose module no longer imports, so a page's templates are read without it.
"""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import lm_eval.tasks
import pytest
import yaml
from lm_eval.tasks.qasper.metrics import f1_abstractive
from lm_eval.utils import apply_template

from gemma_eval.metrics.squad import token_f1
from gemma_eval.task.registry import registry
from tests.oracle.lm_eval_tasks import table_of, text_of

LANGUAGES = [config.removeprefix("xquad.") for config in registry()["xquad"]().dataset.configs]
ITEMS = 40


@pytest.mark.data
@pytest.mark.parametrize("language", LANGUAGES)
def test_prompts(language: str, data_root: Path) -> None:
    """lm-eval's "context" in Arabic lacks its last letter; ours is the word. All else is equal, zero-shot and with exemplars."""
    task = registry()["xquad"]()
    task.dataset = replace(task.dataset, configs=[f"xquad.{language}"])
    page = yaml.safe_load((Path(lm_eval.tasks.__file__).parent / f"xquad/xquad_{language}.yaml").read_text(encoding="utf-8"))
    template = page["doc_to_text"].replace("سيا:", "سياق:")
    assert (template != page["doc_to_text"]) == (language == "ar")
    rows, chance = table_of(task, data_root).rows, random.Random(language)
    for count in (0, 5):
        for _ in range(ITEMS):
            item, *shots = (rows[index] for index in chance.sample(range(len(rows)), count + 1))
            shown = "".join(f"{apply_template(template, shot)} {shot['answers']['text'][0]}\n\n" for shot in shots)
            sample = task.sample(item, id="", config=f"xquad.{language}", shots=shots)
            assert text_of(sample) == shown + apply_template(template, item)
            assert sample.target == item["answers"]["text"]


@pytest.mark.data
@pytest.mark.parametrize("language", ["en", "de", "hi", "th", "zh"])
def test_token_f1(language: str, data_root: Path) -> None:
    """Golds against themselves, against parts and spoiled copies of themselves, and against other golds."""
    task = registry()["xquad"]()
    task.dataset = replace(task.dataset, configs=[f"xquad.{language}"])
    golds = [row["answers"]["text"][0] for row in table_of(task, data_root).rows]
    chance = random.Random(language)
    found = []
    for gold in chance.sample(golds, 300):
        words = gold.split()
        answers = [
            gold,
            gold.upper(),
            f"the {gold}.",
            " ".join(words[: len(words) // 2 + 1]),
            " ".join(words * 2),
            chance.choice(golds),
            "",
        ]
        for answer in answers:
            found.append(token_f1(answer, [gold]))
            assert found[-1] == pytest.approx(f1_abstractive([answer], [gold])), (answer, gold)
    assert len(set(found)) > 5
