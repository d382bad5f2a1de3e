"""What a run found out about its model before the first answer, in one line for each run."""

from __future__ import annotations

from collections.abc import Sequence

from gemma_eval.card.rebuilt import CardRun
from gemma_eval.store.environment import Check


def checked(runs: Sequence[CardRun]) -> list[str]:
    """A line for each run that has checks: what is well, what is not, and what could not be checked. Older runs have none."""
    several = len(runs) > 1
    return [(f"{run.letter}: " if several else "") + _line(run.scores.checks) for run in runs if run.scores.checks]


def _line(checks: Sequence[Check]) -> str:
    sound = ", ".join(check.name for check in checks if check.healthy)
    wrong = "; ".join(f"{check.name} ({check.detail})" for check in checks if check.healthy is False)
    unknown = "; ".join(f"{check.name} ({check.detail.removeprefix('not checked: ')})" for check in checks if check.healthy is None)
    parts = [f"Checked before the first answer: {sound or 'nothing that is well'}."]
    parts += [f"Not as it should be: {wrong}."] if wrong else []
    parts += [f"Not checked: {unknown}."] if unknown else []
    return " ".join(parts)
