"""How fast earlier runs of a model were."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gemma_eval.errors import RunError
from gemma_eval.store.run_dir import RunDir
from gemma_eval.store.usage import Spent, read_spent


@dataclass(frozen=True)
class Rates:
    """Tokens per second. `read`: of prompts and scored continuations. `generated`: of texts; None if it is not known."""

    read: float
    generated: float | None

    def seconds(self, read: int, generated: int) -> float | None:
        """The time for so many tokens of either kind; None if it is not known."""
        if not generated:
            return read / self.read
        return None if self.generated is None else read / self.read + generated / self.generated


def measured_rates(results: Path, fingerprint: Mapping[str, Any]) -> Rates | None:
    """The rates of all runs in `results` with the same model and engine; None if there is none, or none that kept its time.

    Tasks that only score give the rate of reading. The time that tasks spent generating is what is left of their time after reading their
    prompts at that rate. Without a task that scores, the two cannot be told apart, and both rates are that of all tokens.
    """
    scoring, generating = Spent(), Spent()
    for spent in _spent_by(results, fingerprint):
        for task in spent.values():
            if task.generated:
                generating += task
            else:
                scoring += task
    if scoring.seconds and scoring.computed:
        read = scoring.computed / scoring.seconds
        return Rates(read, _generated_rate(generating, read) if generating.seconds else None)
    if generating.seconds and generating.computed:
        overall = generating.computed / generating.seconds
        return Rates(overall, overall)
    return None


def _generated_rate(spent: Spent, read: float) -> float:
    """Generated tokens per second, when prompts are read at `read` tokens per second. No model generates faster than it reads."""
    seconds = spent.seconds - (spent.computed - spent.generated) / read
    return min(spent.generated / seconds, read) if seconds > 0 else read


def _spent_by(results: Path, fingerprint: Mapping[str, Any]) -> Iterator[dict[str, Spent]]:
    """What each run of this model has spent, by task.

    The time of a whole run is right even if that of its tasks is not known. It can be used if all tasks score, or all generate.
    """
    for file in results.glob("*/environment.json"):
        run = RunDir(file.parent)
        with suppress(RunError):  # a damaged run says nothing
            spent = read_spent(run) if run.environment.model == fingerprint else {}
            kinds = {task.generated > 0 for task in spent.values()}
            if len(kinds) == 1 or all(task.timed for task in spent.values()):
                yield spent
