"""The other side of the oracle tests: lm-eval 0.4.13's own task pages, reading the files that `FolderSource` reads.

Prompts, continuations and scores come from lm-eval's YAML and code; only the address of the data and, where a test gives
them, the exemplars are ours. The pages are addressed by path because lm-eval's registry takes ten seconds to index.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lm_eval.tasks
from datasets import Dataset
from lm_eval.api.samplers import FirstNSampler
from lm_eval.api.task import ConfigurableTask
from lm_eval.evaluator import evaluate
from lm_eval.tasks._yaml_loader import load_yaml

from gemma_eval.data.rows import Row
from gemma_eval.data.sources import FolderSource
from gemma_eval.data.table import Table
from gemma_eval.task.base import Task
from gemma_eval.types import Sample, Score

Pair = tuple[str, str]
"""What lm-eval scores: a context and its continuation."""

PAGES = {
    "arc_challenge": "arc/arc_challenge.yaml",
    "arc_easy": "arc/arc_easy.yaml",
    "boolq": "super_glue/boolq/default.yaml",
    "gsm8k": "gsm8k/gsm8k-cot.yaml",
    "hellaswag": "hellaswag/hellaswag.yaml",
    "natural_questions": "nq_open/nq_open.yaml",
    "piqa": "piqa/piqa.yaml",
    "social_iqa": "siqa/siqa.yaml",
    "trivia_qa": "triviaqa/default.yaml",
    "winogrande": "winogrande/default.yaml",
}
"""Tasks with one page each; `mmlu_page` and `global_mmlu_page` name the others."""


def mmlu_page(subject: str) -> str:
    return f"mmlu/default/mmlu_{subject}.yaml"


def global_mmlu_page(language: str) -> str:
    return f"global_mmlu/default/{language}/_{language}_template_yaml"


def page_config(page: str) -> dict[str, Any]:
    """A page as lm-eval reads it, with what it includes and the functions it names."""
    config: dict[str, Any] = load_yaml(Path(lm_eval.tasks.__file__).parent / page)
    return config


def from_folder(page: str, root: Path) -> Any:
    """The page's task, reading the same dataset repository below `root` instead of the Hub's."""
    config = page_config(page)
    return ConfigurableTask(config={**config, "dataset_path": str(root / config["dataset_path"])})


def from_rows(page: str, splits: Mapping[str, Sequence[Row]]) -> Any:
    """The page's task, reading these rows: for data that lm-eval has elsewhere or that is not at hand."""
    tables = {split: Dataset.from_list([dict(row) for row in rows]) for split, rows in splits.items()}
    config = {"task": page, **page_config(page)}  # templates have no name of their own
    return ConfigurableTask(config={**config, "custom_dataset": lambda **_: tables})


def super_glue_boolq(row: Row) -> Row:
    """A row of google/boolq in the columns of super_glue's boolq, which lm-eval's page expects."""
    return {"passage": row["passage"], "question": row["question"], "label": int(row["answer"])}


def give_exemplars(task: Any, docs: Sequence[Row]) -> None:
    """Make `task` put exactly these documents of its own, in this order, before every item."""
    task.sampler = FirstNSampler(list(docs))
    task.set_config("num_fewshot", len(docs))


def requests_of(task: Any, doc: Row) -> list[Any]:
    """lm-eval's requests for one document, after the exemplars of `give_exemplars`."""
    context = task.fewshot_context(doc, num_fewshot=task.config.num_fewshot or 0)
    built = task.construct_requests(doc=doc, ctx=context, metadata=(task.config.task, 0, 1))
    return built if isinstance(built, list) else [built]


def pairs_of(task: Any, doc: Row) -> list[Pair]:
    """The (context, continuation) pairs of a multiple choice."""
    return [request.args for request in requests_of(task, doc)]


def gold_of(task: Any, doc: Row) -> int:
    """Index of the right choice, as lm-eval's scorer finds it."""
    if task.multiple_input:  # partial scoring: the "text" is the index of the right context
        return int(task.doc_to_text(doc))
    target = task.doc_to_target(doc)
    return int(task.doc_to_choice(doc).index(target)) if isinstance(target, str) else int(target)


def run(lm: Any, tasks: Mapping[str, Any], indices: Mapping[str, list[int]]) -> dict[str, Any]:
    """lm-eval's pipeline over these documents (indices ascending): `results`, and `samples` by task."""
    for task in tasks.values():
        task.set_config("num_fewshot", task.config.num_fewshot or 0)
    found: dict[str, Any] = evaluate(lm, {"tasks": dict(tasks)}, samples=dict(indices), bootstrap_iters=0, log_samples=True)
    return found


# -- our side, in lm-eval's terms -----------------------------------------------------------------------------


def table_of(task: Task, root: Path, split: str | None = None) -> Table:
    return FolderSource(root).table(task.dataset, split or task.dataset.split, task.samples_file())


def text_of(sample: Sample) -> str:
    """The whole prompt as plain text."""
    parts = sample.request.prompt.parts
    assert all(isinstance(part, str) for part in parts)
    return "".join(str(part) for part in parts)


def pairs_of_ours(sample: Sample) -> list[Pair]:
    """Our sample as lm-eval's pairs: what is `given` belongs to the context."""
    assert isinstance(sample.request, Score)
    return [(text_of(sample) + continuation.given, continuation.text) for continuation in sample.request.continuations]
