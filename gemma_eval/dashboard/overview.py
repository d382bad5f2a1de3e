"""The runs in a folder. Each look reads it anew, but no file that has not changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from pathlib import Path
from statistics import fmean
from typing import Any
from urllib.parse import quote

from gemma_eval.card.rebuilt import Verdict, card, sheets
from gemma_eval.errors import RunError
from gemma_eval.report.markdown import to_markdown
from gemma_eval.store.progress import Snapshot, read_snapshot, score_text
from gemma_eval.store.run_dir import RunDir
from gemma_eval.store.scores import Scores

COMPARED = (Verdict.consistent, Verdict.differs)

RUN_COLUMNS = ["Run", "State", "Card diff.", "Items", "Tasks", "Model", "Weights", "Backend", "Suite", "Started (UTC)"]

PROGRESS_COLUMNS = ["Run", "Task", "Done", "Of", "%", "Score so far (95 % interval)"]


class State(Enum):
    """Whether a run goes on, has ended, or was interrupted."""

    running = "running"
    finished = "finished"
    interrupted = "interrupted"  # the same command finishes it


@dataclass(frozen=True)
class Facts:
    """What the list shows of a run. `difference`: measured less published, the mean over the card's comparable rows, in the card's
    units. `whole`: every sample asked is scored."""

    model: str
    weights: str
    backend: str
    suite: str
    tasks: int
    answered: int
    asked: int
    started: str
    whole: bool
    difference: float | None


@dataclass(frozen=True)
class ListedRun:
    """One run of the folder. `name`: its path below the folder. `snapshot`: its progress, if it is going on."""

    name: str
    directory: RunDir
    facts: Facts
    snapshot: Snapshot | None

    @property
    def state(self) -> State:
        """Whether the run goes on, has ended, or was interrupted."""
        if self.snapshot:
            return State.running
        return State.finished if self.facts.whole else State.interrupted


def entries(folder: Path) -> list[ListedRun]:
    """The runs below `folder`: first those that are going on, then the others, latest first."""
    found = [
        ListedRun(path.relative_to(folder).as_posix(), directory, facts, read_snapshot(directory))
        for path, directory, facts in _readable(folder)
    ]
    by_date = sorted(found, key=lambda entry: entry.facts.started, reverse=True)
    return sorted(by_date, key=lambda entry: entry.state is not State.running)


def _readable(folder: Path) -> Iterator[tuple[Path, RunDir, Facts]]:
    """Run directories one and two levels down, such as `results/reference/270m`. Unreadable ones are left for the next look."""
    files = [file for place in ("*/", "*/*/") for name in ("manifest", "scores") for file in folder.glob(f"{place}{name}.json")]
    for path in sorted({file.parent for file in files}):
        try:
            yield path, RunDir(path), _facts(path, _stamp(path))
        except (OSError, RunError):
            continue


def _stamp(path: Path) -> tuple[int, ...]:
    """Changes whenever a file that `_facts` reads changes."""
    files = [path / name for name in ("scores.json", "manifest.json", "environment.json")]
    return tuple(file.stat().st_mtime_ns if file.is_file() else 0 for file in files)


@lru_cache(maxsize=4096)
def _facts(path: Path, stamp: tuple[int, ...]) -> Facts:
    directory = RunDir(path)
    scores = directory.scores if directory.has_scores else None
    scored = {name: task.asked for name, task in scores.tasks.items()} if scores else {}
    manifest = directory.manifest if directory.has_manifest or not scores else None  # scores may be kept alone
    asked = {name: len(task.samples) for name, task in manifest.tasks.items()} if manifest else scored
    model = (manifest or directory.scores).model
    return Facts(
        model=f"{model.size} {model.variant}",
        weights=model.weights,
        backend=model.backend,
        suite=manifest.suite if manifest else "",
        tasks=len(asked),
        answered=sum(task.n for task in scores.tasks.values()) if scores else 0,
        asked=sum(asked.values()),
        started=directory.date.strftime("%Y-%m-%d %H:%M"),
        whole=scored == asked,
        difference=_mean_difference(scores) if scores and scores.tasks else None,
    )


def _mean_difference(scores: Scores) -> float | None:
    cells = [cell for sheet in sheets(scores) for cell in sheet.cells if cell.verdict in COMPARED]
    differences = [cell.difference for cell in cells if cell.difference is not None]
    return fmean(differences) if differences else None


# -- as rows ----------------------------------------------------------------------------------------------------


def run_rows(found: list[ListedRun]) -> list[list[Any]]:
    """A row for each run, by RUN_COLUMNS."""
    return [_run_row(entry) for entry in found]


def _run_row(entry: ListedRun) -> list[Any]:
    """Values that do not change while a run goes on, since a table that is set anew forgets how it was scrolled and sorted."""
    facts = entry.facts
    whole = entry.snapshot or facts.answered == facts.asked
    items = f"{facts.asked:,}" if whole else f"{facts.answered:,}/{facts.asked:,}"
    difference = "" if facts.difference is None else f"{facts.difference:+.1f}"
    name, state = entry.name, entry.state.value
    return [name, state, difference, items, facts.tasks, facts.model, facts.weights, facts.backend, facts.suite, facts.started]


def progress_rows(found: list[ListedRun]) -> list[list[Any]]:
    """A row for each task of the runs that are going on, by PROGRESS_COLUMNS."""
    return [
        [entry.name, name, task.done, task.total, f"{task.done / task.total:.0%}", score_text(task)]
        for entry in found
        if entry.snapshot
        for name, task in entry.snapshot.tasks.items()
    ]


def card_page(folder: Path, name: str) -> str:
    """A run's card as Markdown, with links to the pages that reports wrote for it."""
    directory = RunDir(folder / name)
    scores = directory.scores if directory.has_scores else None
    pages = {"report.html": "report", "items/index.html": "items"}
    links = [f"[{title}](/runs/{quote(name)}/{page})" for page, title in pages.items() if (directory.path / page).is_file()]
    shown = to_markdown(card([scores]).touched()) if scores and scores.tasks else "No scores yet: they are written when the run ends."
    return " · ".join([f"**{name}**", *links]) + f"\n\n{shown}"
