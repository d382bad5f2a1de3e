"""Prompts, continuations and scorers against lm-eval 0.4.13's own task pages, on the same rows and the same exemplars.

Oracle: lm-eval's YAML rendered by lm-eval's code (`fewshot_context`, `construct_requests`, `process_results`, filters).
Where our protocol differs on purpose, the test says how and asserts that nothing else differs. Answer normalisation
is checked against the copy of SQuAD's script in lm-eval's QASPER task, and TriviaQA's against the normalised aliases
that come with the data.
"""

from __future__ import annotations

import random
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from lm_eval.api.metrics import exact_match_hf_evaluate
from lm_eval.tasks.qasper.metrics import normalize_answer as squad_script

from gemma_eval.data.rows import Row
from gemma_eval.data.sources import SampleSource
from gemma_eval.metrics.qa import exact_match, squad_normalize, trivia_normalize
from gemma_eval.task.base import Generation, MultipleChoice, Task
from gemma_eval.task.registry import registry
from gemma_eval.types import GenerateResponse, Sample, ScoreResponse
from tests.oracle.lm_eval_tasks import (
    PAGES,
    from_folder,
    from_rows,
    give_exemplars,
    global_mmlu_page,
    gold_of,
    mmlu_page,
    page_config,
    pairs_of,
    pairs_of_ours,
    requests_of,
    super_glue_boolq,
    table_of,
    text_of,
)

ITEMS = 60  # rows compared per task and number of exemplars
SUBJECTS = ["astronomy", "high_school_european_history", "us_foreign_policy"]
LANGUAGES = ["de", "en", "es"]  # those of the bundled samples
MULTIPLE_CHOICE = ["arc_challenge", "arc_easy", "boolq", "hellaswag", "piqa", "social_iqa", "winogrande"]


@dataclass(frozen=True)
class Sides:
    """One benchmark on both sides: `rows[i]` and `docs[i]` are the same item, `shots[i]` and `shot_docs[i]` the same exemplar."""

    task: Task
    config: str
    rows: Sequence[Row]
    shots: Sequence[Row]
    page: Any
    docs: Sequence[Row]
    shot_docs: Sequence[Row]

    def drawn(self, count: int, seed: int = 0) -> Iterable[tuple[Sample, Row]]:
        """Seeded items, each as our sample and as lm-eval's document, with `count` exemplars of its own drawn from the pool."""
        chance = random.Random(f"{self.task.name}/{count}/{seed}")
        for index in sorted(chance.sample(range(len(self.rows)), min(ITEMS, len(self.rows)))):
            chosen = chance.sample(range(len(self.shots)), count)
            give_exemplars(self.page, [self.shot_docs[i] for i in chosen])
            shots = [self.shots[i] for i in chosen]
            yield self.task.sample(self.rows[index], id=str(index), config=self.config, shots=shots), self.docs[index]


def sides(name: str, root: Path) -> Sides:
    """A task whose lm-eval page reads the same repository; BoolQ's reads our rows in its own columns."""
    task = registry()[name]()
    rows, shots = table_of(task, root).rows, table_of(task, root, task.dataset.fewshot_split).rows
    if name == "boolq":
        page = from_rows(PAGES[name], {"validation": [super_glue_boolq(r) for r in rows], "train": [super_glue_boolq(r) for r in shots]})
    else:
        page = from_folder(PAGES[name], root)
    docs, shot_docs = page.eval_docs, list(page.fewshot_docs())
    assert (len(docs), len(shot_docs)) == (len(rows), len(shots))
    return Sides(task, task.dataset.config or "", rows, shots, page, docs, shot_docs)


def mmlu_sides(subject: str, root: Path) -> Sides:
    task = registry()["mmlu"]()
    rows = [row for row in table_of(task, root).rows if row["subject"] == subject]
    shots = [row for row in table_of(task, root, "dev").rows if row["subject"] == subject]
    page = from_folder(mmlu_page(subject), root)
    return Sides(task, "all", rows, shots, page, page.eval_docs, list(page.fewshot_docs()))


def global_mmlu_sides(language: str, rows: Sequence[Row], shots: Sequence[Row]) -> Sides:
    page = from_rows(global_mmlu_page(language), {"test": rows, "dev": shots})
    return Sides(registry()["global_mmlu_lite"](), language, rows, shots, page, page.eval_docs, list(page.fewshot_docs()))


def bundled(language: str) -> Sides:
    task = registry()["global_mmlu_lite"]()
    tables = [SampleSource().table(task.dataset, split, task.samples_file()) for split in ("test", "dev")]
    rows, shots = ([row for row, config in zip(t.rows, t.configs, strict=True) if config == language] for t in tables)
    return global_mmlu_sides(language, rows, shots)


def as_global_mmlu(row: Row) -> Row:
    """An MMLU row in Global-MMLU's columns: real text for a benchmark of which no copy is at hand."""
    options = {f"option_{letter}": text for letter, text in zip("abcd", row["choices"], strict=True)}
    return {"sample_id": "", "subject": row["subject"], "question": row["question"], **options, "answer": "ABCD"[row["answer"]]}


def check_multiple_choice(both: Sides, count: int) -> None:
    """Contexts, continuations and gold are equal, and so are the scores that the same log-likelihoods get."""
    chance = random.Random(7)
    for sample, doc in both.drawn(count):
        assert pairs_of_ours(sample) == pairs_of(both.page, doc), sample.id
        assert isinstance(sample.target, dict)
        assert sample.target["gold"] == gold_of(both.page, doc)
        logprobs = [chance.uniform(-40, -1) for _ in pairs_of_ours(sample)]
        verdict = both.task.score(sample.target, ScoreResponse(tuple(logprobs), (1,) * len(logprobs), (False,) * len(logprobs)))
        theirs = both.page.process_results(doc, [(logprob, False) for logprob in logprobs])
        shared = verdict.scores.keys() & theirs.keys()
        assert shared >= {"acc"}
        assert {metric: verdict.scores[metric] for metric in shared} == {metric: theirs[metric] for metric in shared}


def shot_counts(task: Task) -> list[int]:
    """Without exemplars, and with the card's number of them (two where the card has none: the form must hold there too)."""
    return [0, task.num_fewshot or 2]


# -- the same text ----------------------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.parametrize("name", MULTIPLE_CHOICE)
def test_multiple_choice(name: str, data_root: Path) -> None:
    both = sides(name, data_root)
    assert len(both.rows) >= ITEMS
    for count in shot_counts(both.task):
        check_multiple_choice(both, count)


@pytest.mark.data
@pytest.mark.parametrize("subject", SUBJECTS)
def test_mmlu(subject: str, data_root: Path) -> None:
    both = mmlu_sides(subject, data_root)
    assert len(both.rows) == len(both.docs) >= ITEMS
    assert len(both.shots) == both.task.num_fewshot == 5
    assert [row["question"] for row in both.shots] == [doc["question"] for doc in both.shot_docs]  # both take dev in order
    for count in shot_counts(both.task):
        check_multiple_choice(both, count)


@pytest.mark.data
def test_mmlu_header_of_every_subject(data_root: Path) -> None:
    task = registry()["mmlu"]()
    subjects = {row["subject"]: row for row in table_of(task, data_root, "dev").rows}
    assert len(subjects) == 57
    for subject, row in subjects.items():
        assert task.header(row) == page_config(mmlu_page(subject))["description"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_global_mmlu_on_bundled_rows(language: str) -> None:
    both = bundled(language)
    for count in (0, 5):
        check_multiple_choice(both, count)


@pytest.mark.data
def test_global_mmlu_on_mmlu_rows(data_root: Path) -> None:
    mmlu = registry()["mmlu"]()
    rows = [as_global_mmlu(row) for row in table_of(mmlu, data_root, "validation").rows]
    both = global_mmlu_sides("en", rows, [as_global_mmlu(row) for row in table_of(mmlu, data_root, "dev").rows])
    for count in (0, 5):
        check_multiple_choice(both, count)


def test_global_mmlu_has_one_form_in_all_languages() -> None:
    """lm-eval's pages of the card's 15 languages differ in the address of the data alone."""
    languages = registry()["global_mmlu_lite"]().dataset.configs
    assert len(languages) == 15
    forms = [page_config(global_mmlu_page(language)) for language in languages]
    for form, language in zip(forms, languages, strict=True):
        assert form.pop("dataset_name") == language
        assert form.pop("dataset_path").endswith("/Global-MMLU-Lite")
    assert all(form == forms[0] for form in forms)


@pytest.mark.data
def test_natural_questions(data_root: Path) -> None:
    both = sides("natural_questions", data_root)
    for count in (0, 5):
        for sample, doc in both.drawn(count):
            (request,) = requests_of(both.page, doc)
            assert text_of(sample) == request.args[0], sample.id
            assert sample.target == both.page.doc_to_target(doc)


@pytest.mark.data
def test_gsm8k(data_root: Path) -> None:
    """The eight published exemplars are lm-eval's, word for word, and so is the prompt around them."""
    task, page = registry()["gsm8k"](), from_folder(PAGES["gsm8k"], data_root)
    exemplars = page.config.fewshot_config.samples
    assert task.published_shots({}) == [f"Q: {exemplar['question']}\nA: {exemplar['target']}" for exemplar in exemplars]
    assert len(exemplars) == task.num_fewshot == page.config.num_fewshot == 8
    rows = table_of(task, data_root).rows
    for index in random.Random(0).sample(range(len(rows)), ITEMS):
        sample = task.sample(rows[index], id=str(index), config="main", shots=[])
        (request,) = requests_of(page, page.eval_docs[index])  # with the page's own sampler and exemplars
        assert text_of(sample) == request.args[0], index


# -- differences on purpose ------------------------------------------------------------------------------------


def trivia_item(question: str, answer: str | None = None) -> str:
    """An item of a TriviaQA prompt: an exemplar with its answer, or the query."""
    return f"Question: {question}\nAnswer:" + ("" if answer is None else f" {answer}\n\n")


@pytest.mark.data
def test_trivia_qa_differs_in_question_marks_and_exemplar_answers(data_root: Path) -> None:
    """lm-eval doubles the question mark and shows an exemplar's first alias; we ask the question as it stands and show `answer.value`."""
    task, page = registry()["trivia_qa"](), from_folder(PAGES["trivia_qa"], data_root)
    rows, docs = table_of(task, data_root).rows, page.eval_docs
    renamed = [i for i, row in enumerate(rows) if row["answer"]["value"] != row["answer"]["aliases"][0]]
    assert len(renamed) > 100  # the second difference can be seen
    chance = random.Random(0)
    for index in chance.sample(range(len(rows)), ITEMS):
        chosen = chance.sample(renamed, 2) + chance.sample(range(len(rows)), 3)
        give_exemplars(page, [docs[i] for i in chosen])
        shots, query = [rows[i] for i in chosen], rows[index]["question"]
        (request,) = requests_of(page, docs[index])
        theirs = [trivia_item(f"{shot['question']}?", shot["answer"]["aliases"][0]) for shot in shots]
        assert request.args[0] == "".join(theirs) + trivia_item(f"{query}?")
        ours = [trivia_item(shot["question"].strip(), shot["answer"]["value"]) for shot in shots]
        sample = task.sample(rows[index], id=str(index), config="", shots=shots)
        assert text_of(sample) == "".join(ours) + trivia_item(query.strip())


@pytest.mark.data
def test_boolq_differs_in_the_title(data_root: Path) -> None:
    """lm-eval reads SuperGLUE's copy, whose passages begin with "<title> -- "; google/boolq has no titles. All else is equal."""
    task, page = registry()["boolq"](), from_folder(PAGES["boolq"], data_root)
    rows, docs = table_of(task, data_root).rows, page.eval_docs
    assert len(rows) == len(docs)
    for index in random.Random(0).sample(range(len(rows)), ITEMS):
        sample = task.sample(rows[index], id=str(index), config="", shots=[])
        ours, theirs = pairs_of_ours(sample), pairs_of(page, docs[index])
        titles = {context.partition(" -- ")[0] for context, _ in theirs}
        assert [(context.partition(" -- ")[2], continuation) for context, continuation in theirs] == ours
        assert len(titles) == 1
        assert isinstance(sample.target, dict)
        assert sample.target["gold"] == gold_of(page, docs[index])


@pytest.mark.parametrize(
    ("name", "ours", "theirs"),
    [
        ("trivia_qa", ["\n"], ["\n", ".", ","]),  # "." and "," cut "St. Louis" and "Washington, D.C."
        ("natural_questions", ["\n"], ["\n", ".", ","]),
        ("gsm8k", ["\nQ:", "\n\n"], ["Q:", "</s>", "<|im_end|>"]),  # the end token needs no string; a new exemplar begins on its own line
    ],
)
def test_stop_strings(name: str, ours: list[str], theirs: list[str]) -> None:
    task = registry()[name]()
    assert isinstance(task, Generation)
    assert task.stop == ours
    assert task.temperature == 0
    kwargs = page_config(PAGES[name])["generation_kwargs"]
    assert kwargs["until"] == theirs
    assert kwargs["do_sample"] is False


@pytest.mark.parametrize("name", MULTIPLE_CHOICE)
def test_character_normalisation_where_lm_eval_has_it(name: str) -> None:
    """acc_norm is ours for every text-scored task, as the report states Char-Len; lm-eval's pages of BoolQ and SIQA have acc alone."""
    task = registry()[name]()
    assert isinstance(task, MultipleChoice)
    theirs = {metric["metric"] for metric in page_config(PAGES[name])["metric_list"]}
    without = {"boolq", "social_iqa", "winogrande"}  # WinoGrande: both choices score the same text
    assert ("acc_norm" in theirs) == (name not in without)
    assert set(task.metrics) == ({"acc"} if name == "winogrande" else {"acc", "acc_norm"})


# -- scoring of generated answers ---------------------------------------------------------------------------------

AWKWARD = [
    "The Beatles",
    "St. Louis",
    "a  b\tc",
    "An A, The THE!",
    "rock-and-roll",
    "J.R.R. Tolkien",
    "$1,000.50",
    "anthem the",
    "naïve Élan",
    "the",
    "",
    "_under_score_",
    "it's 5 o'clock",
]


@pytest.mark.parametrize("text", AWKWARD)
def test_squad_normalisation(text: str) -> None:
    """Independent source: `normalize_answer` of lm-eval's QASPER task, a copy of SQuAD 1.1's evaluation script."""
    assert squad_normalize(text) == squad_script(text)


@pytest.mark.data
def test_squad_normalisation_of_all_natural_questions_answers(data_root: Path) -> None:
    answers = {answer for row in table_of(registry()["natural_questions"](), data_root).rows for answer in row["answer"]}
    assert len(answers) > 5000
    assert [text for text in answers if squad_normalize(text) != squad_script(text)] == []


@pytest.mark.data
def test_trivia_normalisation_of_all_aliases(data_root: Path) -> None:
    """Independent source: the `normalized_*` columns, which the data's makers computed with TriviaQA's official script."""
    rows = table_of(registry()["trivia_qa"](), data_root).rows
    for row in rows:
        answer = row["answer"]
        assert trivia_normalize(answer["value"]) == answer["normalized_value"]
        assert {trivia_normalize(alias) for alias in answer["aliases"]} >= set(answer["normalized_aliases"])


@pytest.mark.data
def test_natural_questions_exact_match(data_root: Path) -> None:
    """lm-eval's exact match and ours agree on golds in lower case, with punctuation or an article, and on wrong answers."""
    both = sides("natural_questions", data_root)
    assert isinstance(both.task, Generation)
    for index in random.Random(0).sample(range(len(both.rows)), 200):
        golds = both.task.golds(both.rows[index])
        for answer in (golds[0], golds[0].lower(), f"The {golds[0]}", f"{golds[0]}!", "something else entirely"):
            theirs = both.page.process_results(both.docs[index], [answer])["exact_match"]
            assert both.task.judge(answer, golds) == theirs, (index, answer)


def test_exact_match_drops_articles_where_lm_eval_keeps_them() -> None:
    """lm-eval's TriviaQA page compares without case and punctuation but keeps articles: "the Beatles" is lost there."""
    settings = {"ignore_case": True, "ignore_punctuation": True}
    assert exact_match_hf_evaluate(predictions=["the Beatles"], references=["Beatles"], **settings)["exact_match"] == 0
    assert exact_match("the Beatles", ["Beatles"], trivia_normalize) == 1
    for gold in ("Beatles", "St. Louis", "M*A*S*H"):
        for answer in (gold, gold.lower(), gold.upper()):
            assert exact_match_hf_evaluate(predictions=[answer], references=[gold], **settings)["exact_match"] == 1
            assert exact_match(answer, [gold], trivia_normalize) == 1


def test_punctuation_is_asciis() -> None:
    """The official scripts drop Python's `string.punctuation`: other signs stay, such as dashes and the degree sign."""
    assert squad_normalize(f"x{string.punctuation}y") == "xy"
    assert squad_normalize("x\u2013y 5\u00b0") == squad_script("x\u2013y 5\u00b0") == "x\u2013y 5\u00b0"


@pytest.mark.data
def test_gsm8k_answers(data_root: Path) -> None:
    """Every worked solution, told as an exemplar tells it, is right on both sides; another number, or none, is wrong."""
    task, page = registry()["gsm8k"](), from_folder(PAGES["gsm8k"], data_root)
    rows, docs = table_of(task, data_root).rows, page.eval_docs
    targets = [task.sample(row, id="", config="", shots=[]).target for row in rows]
    solutions = [f" {task.solution(row)}" for row in rows]
    for texts, expected in ((solutions, 1.0), ([" The answer is 123456789."] * len(rows), 0.0), ([" I do not know"] * len(rows), 0.0)):
        ours = [task.score(target, generated(text)).scores["exact_match"] for target, text in zip(targets, texts, strict=True)]
        theirs = strict_match(page, docs, texts)
        assert [text for text, *scores in zip(texts, ours, theirs, strict=True) if scores != [expected, expected]] == []


def generated(text: str) -> GenerateResponse:
    return GenerateResponse((text,), ("stop",), (1,))


def strict_match(page: Any, docs: Sequence[Row], texts: Sequence[str]) -> list[float]:
    """lm-eval's score of each generated text, through the page's filter "strict-match"."""
    page._instances = [page.construct_requests(doc=doc, ctx="", metadata=("gsm8k", i, 1)) for i, doc in enumerate(docs)]
    for request, text in zip(page.instances, texts, strict=True):
        request.resps = [text]
    page.apply_filters()
    return [page.process_results(request.doc, [request.filtered_resps["strict-match"]])["exact_match"] for request in page.instances]
