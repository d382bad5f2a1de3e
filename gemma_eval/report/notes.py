"""Lines below the card that hold for a whole run: what was checked, and answers that only a diagnostic reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gemma_eval.card.rebuilt import CardRun
from gemma_eval.report.checks import checked

FAR_MORE = 0.05  # share of the answers that a diagnostic alone reads, above which the report warns


def run_notes(runs: Sequence[CardRun]) -> list[str]:
    """The lines of these runs; where there are several, each begins with its run's letter."""
    several = len(runs) > 1
    return checked(runs) + [(f"{run.letter}: " if several else "") + line for run in runs for line in _read_alone(run)]


def _read_alone(run: CardRun) -> Iterator[str]:
    """A line for each diagnostic that reads far more answers than the primary extractor does."""
    for name, task in run.tasks.items():
        for metric, found in (task.readers.alone if task.readers else {}).items():
            if found.items > FAR_MORE * task.n:
                yield (
                    f"{name}: {metric} alone reads {found.items} of {task.n} answers and has {found.right} of them right, where "
                    f"{task.primary} finds no answer: gemma-eval rescore RUN --explain {name} lists them."
                )
