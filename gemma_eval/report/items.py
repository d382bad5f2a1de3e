"""The item browser: every question, prompt and answer behind the scores, as a folder of files that a browser opens from disk.

`index.html`, its scripts and its style are copied from `browser/`. `data/` holds an index for each task, and the items in files of some
hundred (see `shards.py`). `images/` holds the thumbnails that the runs kept. Items of several runs are paired by id.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gemma_eval.compare.choice_shift import choice_of
from gemma_eval.errors import RunError
from gemma_eval.report.shards import Shards, write_data
from gemma_eval.store.documents import to_text
from gemma_eval.store.prompts import SentPrompt, reading_prompts
from gemma_eval.store.records import SampleKey
from gemma_eval.store.run_dir import RunDir
from gemma_eval.store.thumbnails import thumbnail_file
from gemma_eval.task.base import Task
from gemma_eval.task.configured import configured_tasks
from gemma_eval.types import JSON, GenerateResponse, ItemScore, Record, ScoreResponse

PAGE = Path(__file__).parent / "browser"
HEAD = 200  # characters of a question that the list shows and the search reads
MARK = Path("data/runs.js")  # a folder with this file is an item browser, and may be overwritten

UNPARSED, TRUNCATED, EMPTY, DROPPED = 1, 2, 4, 8  # flags of an answer


def write_items(runs: Sequence[RunDir], folder: Path) -> None:
    """Write the item browser of these runs to a folder. Raises `RunError` if the folder holds anything else."""
    _clear(folder)
    names = list(dict.fromkeys(name for run in runs for name in run.manifest.tasks))
    configured = [configured_tasks(run.manifest.settings(), run.manifest.plugins) for run in runs]
    tasks = [listed for name in names if (listed := _write_task(folder, runs, name, [tasks.get(name) for tasks in configured]))]
    shutil.copytree(PAGE, folder, dirs_exist_ok=True)
    write_data(folder, "runs", {"runs": [{"name": run.name, "model": _model(run)} for run in runs], "tasks": tasks})


def _clear(folder: Path) -> None:
    if (folder / "manifest.json").is_file():
        raise RunError(f"{folder}: a run directory; name another folder for the item browser, or put --items last")
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / MARK).is_file())):
        raise RunError(f"{folder}: not empty, and not an item browser; name another folder")
    for name in ("data", "images"):
        shutil.rmtree(folder / name, ignore_errors=True)
    write_data(folder, MARK.stem, {"runs": [], "tasks": []})


def _model(run: RunDir) -> str:
    return str(run.manifest.model) if run.has_scores else "not finished"


# -- one task -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Side:
    """One run's answers to a task. `record` and `prompt` look up an item's."""

    run: RunDir
    task: Task
    keys: dict[str, str]  # request keys by sample id, in the run's order
    record: Callable[[SampleKey], Record | None]
    prompt: Callable[[Record], SentPrompt | None]

    def answer(self, sample: str) -> _Answer | None:
        record = self.record(SampleKey(sample, self.keys[sample])) if sample in self.keys else None
        return _Answer(self, record) if record else None


@dataclass(frozen=True)
class _Answer:
    """A run's answer to an item."""

    side: _Side
    record: Record


def _write_task(folder: Path, runs: Sequence[RunDir], name: str, tasks: Sequence[Task | None]) -> dict[str, Any] | None:
    """Write a task's files, item by item. `tasks`: the task as each run configured it, None for a run without it.

    Returns what the list of tasks says of it; None if no item was answered yet.
    """
    with ExitStack() as stack:
        sides = [_side(run, name, task, stack) if task else None for run, task in zip(runs, tasks, strict=True)]
        index = _Index(len(runs))
        shards = Shards(folder, name)
        for sample in dict.fromkeys(sample for side in sides if side for sample in side.keys):
            answers = [side.answer(sample) if side else None for side in sides]
            if any(answers):
                first = next(answer.record for answer in answers if answer)
                index.add(first, answers)
                shards.add(_item(first) | {"runs": [_answered(answer, shards, folder) if answer else None for answer in answers]})
    shards.close()
    if not index.columns["id"]:
        return None
    write_data(folder, f"{name}/index", index.columns | {"subsets": list(index.subsets), "starts": shards.starts})
    task = next(side.task for side in sides if side)
    return {"name": name, "card": task.card, "items": len(index.columns["id"])}


def _side(run: RunDir, name: str, task: Task, stack: ExitStack) -> _Side:
    keys = {key.id: key.key for key in run.keys(name)}
    return _Side(run, task, keys, stack.enter_context(run.reading(name)), stack.enter_context(reading_prompts(run, name)))


class _Index:
    """What the list shows and filters by, in columns: one value per item, or one per item and run."""

    def __init__(self, runs: int) -> None:
        self.subsets: dict[str, int] = {}
        self.columns: dict[str, Any] = {
            "id": [],
            "subset": [],
            "head": [],
            "runs": [{"score": [], "flags": [], "answer": []} for _ in range(runs)],
        }

    def add(self, first: Record, answers: Sequence[_Answer | None]) -> None:
        self.columns["id"].append(first.id)
        self.columns["subset"].append(self.subsets.setdefault(first.subset, len(self.subsets)))
        self.columns["head"].append(" ".join(_question(first)[: 4 * HEAD].split())[:HEAD])
        given: dict[Any, int] = {}
        for column, answer in zip(self.columns["runs"], answers, strict=True):
            column["score"].append(_score(answer.side.task, answer.record) if answer else None)
            column["flags"].append(_flags(answer.record) if answer else 0)
            column["answer"].append(given.setdefault(_compared(answer), len(given)) if answer else None)  # equal numbers: equal answers


def _flags(record: Record) -> int:
    found = UNPARSED * (record.extracted is None) + DROPPED * (record.dropped_shots > 0)
    if isinstance(record.response, GenerateResponse):
        found += TRUNCATED * ("length" in record.response.finish) + EMPTY * any(not text.strip() for text in record.response.texts)
    return found


def _question(record: Record) -> str:
    """The question; if the run keeps none, the other fields of the item."""
    if "query" in record.fields:
        return str(record.fields["query"])
    return ", ".join(f"{key} {value}" for key, value in record.fields.items())


# -- one item -------------------------------------------------------------------------------------------------


def _item(record: Record) -> dict[str, Any]:
    """What an item has in common in all runs."""
    fields = {key: value for key, value in record.fields.items() if key not in {"query", "choices"}}
    gold = record.target.get("gold") if isinstance(record.response, ScoreResponse) and isinstance(record.target, dict) else None
    return {
        "id": record.id,
        "cluster": record.cluster if record.cluster != record.id else "",
        "question": _question(record),
        "fields": [[key, _shown(value)] for key, value in fields.items()],
        "choices": _choices(record),
        "gold": gold if isinstance(gold, int) else None,
        "target": [] if isinstance(gold, int) else _target(record.target),
    }


def _choices(record: Record) -> list[str]:
    if not isinstance(record.response, ScoreResponse):
        return []
    named = record.fields.get("choices")
    return [str(choice) for choice in named] if isinstance(named, list) else [f"choice {i}" for i in range(len(record.response.logprobs))]


def _target(target: JSON) -> list[str]:
    return [_shown(value) for value in target] if isinstance(target, list) else [_shown(target)]


def _shown(value: JSON) -> str:
    return value if isinstance(value, str) else to_text(value, indent=1)


def _answered(answer: _Answer, shards: Shards, folder: Path) -> dict[str, Any]:
    """One run's answer to an item."""
    task, record = answer.side.task, answer.record
    shared: dict[str, Any] = {
        "scores": [[metric, _metric(task, metric, value)] for metric, value in record.scores.items()],
        "asked": record.prompt_sha256,
        "dropped": record.dropped_shots,
        "prompt": _prompt(answer, shards, folder),
    }
    if isinstance(record.response, GenerateResponse):
        return shared | {
            "texts": list(record.response.texts),
            "finish": list(record.response.finish),
            "tokens": list(record.response.tokens),
            "extracted": record.extracted,
        }
    choice = choice_of(task, record)
    return shared | {
        "logprobs": list(record.response.logprobs),
        "lengths": list(record.response.lengths),
        "greedy": list(record.response.greedy),
        "picked": choice.picked if choice else None,
    }


def _compared(answer: _Answer) -> str | int | None:
    """What is compared of two answers: the choice picked, what was extracted, or else the text. None if there is none."""
    record = answer.record
    if isinstance(record.response, GenerateResponse):
        return "\n".join(record.response.texts) if record.extracted == "" else record.extracted
    choice = choice_of(answer.side.task, record)
    return choice.picked if choice else None


def _score(task: Task, record: Record) -> float | None:
    """The item's score by the first of the task's metrics that it has, as a share of the scale; None if it has no score."""
    metric = next((metric for metric in task.metrics if metric in record.scores), None)
    value = _metric(task, metric, record.scores[metric]) if metric else None
    return None if value is None else round(value / task.scale, 4)


def _metric(task: Task, metric: str, value: ItemScore) -> float | None:
    """An item's score; for a corpus metric, the score of this item alone. None if it is not finite, or the counts are not the metric's."""
    try:
        number = float(task.corpus_metrics()[metric](np.asarray(value, dtype=np.int64))) if isinstance(value, list) else float(value)
    except (ValueError, IndexError, KeyError):
        return None
    return round(number, 6) if math.isfinite(number) else None


def _prompt(answer: _Answer, shards: Shards, folder: Path) -> dict[str, Any] | None:
    found = answer.side.prompt(answer.record)
    if found is None:
        return None
    sections = []
    for section in found.sections:
        if section.image:
            sections.append(
                [section.kind, section.number, None, _thumbnail(answer.side.run, section.image, folder), list(section.box or [])]
            )
        else:
            sections.append([section.kind, section.number, shards.text(section.text)])
    return {"tokens": found.tokens, "left_out": found.left_out, "sections": sections}


def _thumbnail(run: RunDir, sha256: str, folder: Path) -> str:
    """Copy an image's thumbnail beside the page and return its address; empty if the run kept none."""
    small = thumbnail_file(run, sha256)
    if not small.is_file():
        return ""
    copy = folder / "images" / small.name
    if not copy.is_file():
        copy.parent.mkdir(exist_ok=True)
        shutil.copyfile(small, copy)
    return f"images/{small.name}"
