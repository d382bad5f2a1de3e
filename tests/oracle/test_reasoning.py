"""Prompts and answer extraction of the chain-of-thought tasks against lm-eval 0.4.13's pages and functions, on real rows.

Differences on purpose are told and asserted beside the agreement. MATH's computer algebra has no oracle here: lm-eval's needs
another release of antlr than Hydra does.
"""

from __future__ import annotations

import importlib.metadata
import random
import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import math_verify  # type: ignore[import-untyped]  # noqa: F401 (imported before the version of antlr is disguised below)
import pytest
from lm_eval.tasks.gpqa.cot_n_shot.utils import preprocess
from lm_eval.tasks.hendrycks_math.utils import is_equiv
from lm_eval.tasks.mmlu_pro import utils as mmlu_pro

from gemma_eval.data.rows import Row
from gemma_eval.metrics import final_answer, hendrycks, letters, math, math_answer, minerva
from gemma_eval.task.base import Generation
from gemma_eval.task.registry import registry
from gemma_eval.types import GenerateResponse, as_text
from tests.dressing import CHANGES
from tests.oracle.lm_eval_tasks import from_folder, give_exemplars, page_config, requests_of, table_of, text_of

ITEMS = 60
LANGUAGES = ["bn", "de", "en", "es", "fr", "ja", "ru", "sw", "te", "th", "zh"]


def page_of(name: str) -> Generation:
    task = registry()[name]()
    assert isinstance(task, Generation)
    task.seed = 7
    return task


def drawn(rows: Sequence[Row], name: str) -> list[int]:
    return sorted(random.Random(name).sample(range(len(rows)), min(ITEMS, len(rows))))


def filtered(page: Any, doc: Row, text: str, name: str) -> str:
    """What lm-eval's filter of this name makes of a generated text."""
    request = page.construct_requests(doc=doc, ctx="", metadata=("page", 0, 1))
    page._instances = [request]
    request.resps = [text]
    page.apply_filters()
    return str(request.filtered_resps[name])


# -- MATH --------------------------------------------------------------------------------------------------------


@pytest.fixture
def minerva_math(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """lm-eval's module, which refuses to load with Hydra's antlr although only its algebra needs another."""
    version = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "4.11" if name.startswith("antlr4") else version(name))
    from lm_eval.tasks.minerva_math import utils

    module: ModuleType = utils
    return module


def test_math_prompt(minerva_math: ModuleType) -> None:
    task = page_of("math")
    theirs = [f"{minerva_math.doc_to_text(shot)} {shot['solution']}" for shot in minerva_math.list_fewshot_samples()]
    assert task.published_shots({}) == theirs
    assert len(theirs) == task.num_fewshot == 4
    row = {"problem": "What is $1+1$?", "solution": r"It is $\boxed{2}$."}
    sample = task.sample(row, id="0", config="algebra", shots=[])
    assert text_of(sample) == "\n\n".join([*theirs, minerva_math.doc_to_text(row)])


@pytest.mark.data
def test_math_golds_and_normalization(minerva_math: ModuleType, data_root: Path) -> None:
    task = page_of("math")
    rows = [*table_of(task, data_root).rows, *table_of(task, data_root, "train").rows]
    assert len(rows) >= 5000
    for row in rows:
        gold = minerva.boxed(row["solution"])
        assert gold == minerva_math.remove_boxed(minerva_math.last_boxed_only_string(row["solution"]))
        assert minerva.normalize(gold) == minerva_math.normalize_final_answer(gold)


@pytest.mark.data
def test_math_normalization_of_disturbed_golds(minerva_math: ModuleType, data_root: Path) -> None:
    """Golds with units, formatting and shorthand put between their words: all the same but for units left by other removals."""
    task = page_of("math")
    golds = [task.golds(row)[0] for row in table_of(task, data_root).rows]
    chance = random.Random(0)
    pieces = [
        *minerva_math.REMOVED_EXPRESSIONS,
        "$",
        "=",
        "\\left(",
        "\\frac12",
        "\\sqrt3",
        "\\sqrt[3]2",
        "\\text{cm}",
        "1,000",
        "\\boxed{3}",
    ]
    different = []
    for _ in range(5000):
        words = chance.choice(golds).split(" ")
        for _ in range(2):
            words.insert(chance.randrange(len(words) + 1), chance.choice(pieces))
        text = " ".join(words)
        if minerva.normalize(text) != minerva_math.normalize_final_answer(text):
            different.append(text)
    assert different == []


@pytest.mark.data
def test_math_equality_of_the_authors(data_root: Path) -> None:
    """`is_equiv` as lm-eval has it, on golds, golds in other dress, and golds against others."""
    task = page_of("math")
    golds = sorted({task.golds(row)[0] for row in table_of(task, data_root).rows})
    chance = random.Random(0)
    changes = list(CHANGES.values())
    verdicts = []
    for gold in golds:
        for answer in (
            chance.choice(changes)(gold),
            chance.choice(changes)(gold),
            chance.choice(golds),
            gold[: chance.randrange(len(gold) + 1)],
        ):
            theirs = is_equiv(answer, gold)
            assert hendrycks.is_equiv(answer, gold) == theirs, (answer, gold)
            verdicts.append(theirs)
    assert 0.2 < sum(verdicts) / len(verdicts) < 0.8


@pytest.mark.data
def test_math_golds_are_right_in_every_dress(data_root: Path) -> None:
    """Each gold equals itself in each dress, and what the authors accept is accepted. Minerva's rule denies a fifth of the dresses."""
    task = page_of("math")
    golds = sorted({task.golds(row)[0] for row in table_of(task, data_root).rows})
    assert len(golds) > 2000
    dressed = [(change(gold), gold) for gold in golds for change in CHANGES.values()]
    dressed = sorted({(answer, gold) for answer, gold in dressed if answer != gold})
    assert len(dressed) > 10_000
    assert [pair for pair in dressed if not math_answer.equal(*pair)] == []
    assert [gold for gold in golds if not math_answer.equal(gold, gold)] == []


@pytest.mark.data
def test_math_golds_are_not_each_other(data_root: Path) -> None:
    """A gold and one like it in length and form are equal only if they are the same answer."""
    task = page_of("math")
    golds = sorted({task.golds(row)[0] for row in table_of(task, data_root).rows}, key=lambda gold: (gold.count(","), len(gold), gold))
    near = [(one, other) for one, other in zip(golds[::4], golds[3::4], strict=False) if not is_equiv(one, other)]
    assert len(near) > 450
    same = {frozenset(pair) for pair in near if math_answer.equal(*pair)}
    assert len(same) <= 3, same  # such as "1,-2" and "-2,1"


@pytest.mark.data
def test_math_extraction(minerva_math: ModuleType, data_root: Path) -> None:
    """Solutions as exemplars tell them, whole and broken off at random: the same answer, or none on both sides."""
    task = page_of("math")
    rows = table_of(task, data_root).rows
    chance = random.Random(0)
    outcomes = []
    for index in chance.sample(range(len(rows)), 500):
        text = f" {task.solution(rows[index])}"
        if chance.random() < 0.5:
            text = text[: len(text) - chance.randrange(90)]
        theirs = minerva_math.get_unnormalized_answer(text)
        ours = minerva.final_answer(text)
        # lm-eval appends the closing words, which makes an answer of what breaks off after a space in that sentence
        if ours is None and theirs != "[invalidanswer]":
            assert re.search(r"The final answer is.* $", text)
        else:
            assert ours == (None if theirs == "[invalidanswer]" else theirs)
        outcomes.append(ours is None)
    assert 100 < sum(outcomes) < 400


# -- numbers -----------------------------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.parametrize("name", ["gsm8k", "mgsm"])
def test_golds_are_numbers_in_every_script(name: str, data_root: Path) -> None:
    task = page_of(name)
    golds = sorted({task.golds(row)[0] for row in table_of(task, data_root).rows})
    assert len(golds) > 100
    for gold in golds:
        assert task.judge(gold, [gold]) == 1.0
        for separator in ["", ",", "'", " ", "\N{THIN SPACE}", "\N{NO-BREAK SPACE}"]:
            for zero in ("0", "\N{FULLWIDTH DIGIT ZERO}", "\N{DEVANAGARI DIGIT ZERO}", "\N{ARABIC-INDIC DIGIT ZERO}"):
                digits = str.maketrans({str(digit): chr(ord(zero) + digit) for digit in range(10)})
                written = f"{int(gold):,}".replace(",", separator).replace("-", "\N{MINUS SIGN}").translate(digits)
                found = final_answer.number(f"Let us see.\n\nThe answer is **{written}**.")
                assert found is not None and math.to_number(found) == int(gold), written
                assert task.judge(found, [gold]) == 1.0, written


# -- BBH ---------------------------------------------------------------------------------------------------------


@pytest.mark.data
def test_bbh_prompts_of_every_task(data_root: Path) -> None:
    """The same prompt up to the line break that lm-eval adds after "Let's think step by step.": ours is the model's to write."""
    task = page_of("bbh")
    table = table_of(task, data_root)
    assert (len(table.rows), len(set(table.configs))) == (6511, 27)
    for config in task.dataset.configs:
        page = from_folder(f"bbh/cot_fewshot/{config}.yaml", data_root)
        rows = [row for row, name in zip(table.rows, table.configs, strict=True) if name == config]
        for index in drawn(rows, config)[:10]:
            sample = task.sample(rows[index], id=str(index), config=config, shots=[])
            (request,) = requests_of(page, page.eval_docs[index])
            assert squeezed(request.args[0]) == squeezed(text_of(sample)), (config, index)
            assert sample.target == [page.doc_to_target(page.eval_docs[index])]


def squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


@pytest.mark.data
def test_bbh_extraction(data_root: Path) -> None:
    task = page_of("bbh")
    table = table_of(task, data_root)
    page = from_folder("bbh/cot_fewshot/snarks.yaml", data_root)
    doc = page.eval_docs[0]
    for index in random.Random(0).sample(range(len(table.rows)), 300):
        text = f"\nFirst things first. {task.solution(table.rows[index])}"
        assert task.extract(text) == filtered(page, doc, text, "get-answer") == table.rows[index]["target"]
    # without a final full stop lm-eval drops the last character; of two answers it takes both as one
    assert (filtered(page, doc, "the answer is (A)", "get-answer"), task.extract("the answer is (A)")) == ("(A", "(A)")
    text = "the answer is no. So the answer is yes."
    assert (filtered(page, doc, text, "get-answer"), task.extract(text)) == ("no. So the answer is yes", "yes")


# -- MMLU-Pro ----------------------------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.parametrize("category", ["math", "law", "computer science"])
def test_mmlu_pro_prompts(category: str, data_root: Path) -> None:
    task = page_of("mmlu_pro")
    rows = [row for row in table_of(task, data_root).rows if row["category"] == category]
    shots = [row for row in table_of(task, data_root, "validation").rows if row["category"] == category]
    assert len(shots) == task.num_fewshot
    description = page_config(f"mmlu_pro/mmlu_pro_{category.replace(' ', '_')}.yaml")["description"]
    exemplars = [f"{mmlu_pro.fewshot_to_text(shot)} {mmlu_pro.fewshot_to_target(shot)}" for shot in shots]
    for index in drawn(rows, category):
        sample = task.sample(rows[index], id=str(index), config="", shots=shots)
        theirs = description + "\n\n".join([*exemplars, mmlu_pro.doc_to_text(rows[index])])
        assert text_of(sample) == re.sub(r"\n[A-J]\. N/A(?=\n)", "", theirs)  # the copy's validation rows are padded
        assert sample.target == [rows[index]["answer"]]


@pytest.mark.data
def test_mmlu_pro_extraction(data_root: Path) -> None:
    """The worked answers as they are, without brackets, and with words for letters: there alone lm-eval takes a first letter."""
    task = page_of("mmlu_pro")
    shots = table_of(task, data_root, "validation").rows
    pattern = re.compile(page_config("mmlu_pro/mmlu_pro_law.yaml")["filter_list"][0]["filter"][0]["regex_pattern"])
    compared = 0
    for shot in shots:
        worked = task.solution(shot)
        for text in (worked, re.sub(r"\((.)\)", r"\1", worked), worked + " Question", worked.replace("answer is", "answer:")):
            theirs = pattern.search(text)
            assert letters.stated(text) == (theirs[1] if theirs else None)
            compared += 1
        told = f"The answer is {shot['options'][shot['answer_index']]}."
        theirs = pattern.search(told)
        if letters.stated(told) != (theirs[1] if theirs else None):
            assert theirs and re.match(r"answer is \(?[A-J]\w", told[theirs.start() :])
    assert compared >= 200
    assert letters.stated("The answer is Because") is None and pattern.search("The answer is Because")


# -- GPQA --------------------------------------------------------------------------------------------------------


def test_gpqa_prompt() -> None:
    """lm-eval's form on our own items (the data is gated), but for the space that ends its prompt, and its shuffle."""
    task = page_of("gpqa")
    config = page_config("gpqa/cot_n_shot/gpqa_diamond_cot_n_shot.yaml")
    table = table_of_samples(task)
    for row in table:
        columns = task.order(row)  # type: ignore[attr-defined]
        text = config["doc_to_text"].replace("{{Question}}", row["Question"].strip())
        for number, column in enumerate(columns, 1):
            text = text.replace(f"{{{{choice{number}}}}}", preprocess(row[column]))
        assert task.query(row) == text.rstrip(" ")
        assert task.header(row) == config["description"]


def table_of_samples(task: Generation) -> Sequence[Row]:
    from gemma_eval.data.sources import SampleSource

    return SampleSource().table(task.dataset, task.dataset.split, task.samples_file()).rows


# -- MGSM --------------------------------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.parametrize("language", LANGUAGES)
def test_mgsm_exemplars_are_the_datas_own_text(language: str, data_root: Path) -> None:
    task = page_of("mgsm")
    table = table_of(task, data_root, "train")
    shots = [row for row, config in zip(table.rows, table.configs, strict=True) if config == language]
    assert len(shots) == task.num_fewshot == 8
    for row in shots:
        assert squeezed(as_text(task.shot(row))) == squeezed(f"{row['question']}\n{row['answer']}")
        assert task.extract(task.solution(row)) is not None
        assert task.judge(task.extract(task.solution(row)) or "", task.golds(row)) == 1.0


@pytest.mark.data
@pytest.mark.parametrize("language", LANGUAGES)
def test_mgsm_prompts(language: str, data_root: Path) -> None:
    """lm-eval's page, whose words for "Question" and "Answer" differ from the data's in three languages."""
    task = page_of("mgsm")
    table, pool = table_of(task, data_root), table_of(task, data_root, "train")
    rows = [row for row, config in zip(table.rows, table.configs, strict=True) if config == language]
    shots = [row for row, config in zip(pool.rows, pool.configs, strict=True) if config == language]
    page = from_folder(f"mgsm/native_cot/mgsm_native_cot_{language}.yaml", data_root)
    docs = list(page.fewshot_docs())
    if language in ("ja", "zh"):  # there lm-eval slices one character too many off the worked answers: prompts without them
        assert all(page.doc_to_target(doc) == task.solution(shot)[1:] for doc, shot in zip(docs, shots, strict=True))
        docs, shots = [], []
    give_exemplars(page, docs)
    for index in drawn(rows, language)[:20]:
        sample = task.sample(rows[index], id=f"{language}/{index}", config=language, shots=shots)
        (request,) = requests_of(page, page.eval_docs[index])
        assert plain(text_of(sample), language) == plain(request.args[0], language), (language, index)
        assert sample.target == [str(page.eval_docs[index]["answer_number"])]


def plain(text: str, language: str) -> str:
    """lm-eval writes an ASCII colon after the Japanese and Chinese "Answer", a space after the colon, and no space in the Russian one."""
    if language == "ru":
        text = text.replace("Пошаговое решение:", "Пошаговоерешение:")
    return re.sub(r"\s+", "", text.replace("\uff1a", ":"))


@pytest.mark.data
@pytest.mark.parametrize("language", LANGUAGES)
def test_mgsm_extraction(language: str, data_root: Path) -> None:
    """Answers told as the exemplars tell them: lm-eval's own pattern, where it fits its language, finds the same number."""
    task = page_of("mgsm")
    table, pool = table_of(task, data_root), table_of(task, data_root, "train")
    shot = [row for row, config in zip(pool.rows, pool.configs, strict=True) if config == language][1]
    before, _, after = shot["answer"].rpartition(str(shot["answer_number"]))
    filters = page_config(f"mgsm/native_cot/mgsm_native_cot_{language}.yaml")["filter_list"]
    pattern = filters[0]["filter"][0]["regex_pattern"]
    for row in (row for row, config in zip(table.rows, table.configs, strict=True) if config == language):
        for written in (str(row["answer_number"]), f"{row['answer_number']:,}"):
            text = before + written + after
            verdict = task.score([*task.golds(row)], GenerateResponse((text,), ("stop",), (1,)))
            assert verdict.scores["exact_match"] == 1.0, text
            if language != "bn":  # whose page asks for the English phrase
                found = re.search(pattern, text)
                assert found and found[1].rstrip(".,") == verdict.extracted, text
