"""What a run goes without, by task, in words: whole tasks, subsets, samples and scores."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping

log = logging.getLogger(__name__)

NAMED = 20  # samples in a message


class Missing:
    """Reasons by task. Each is logged when it is noted; reports print them in the end."""

    def __init__(self, reasons: Mapping[str, list[str]] | None = None) -> None:
        self._reasons: dict[str, list[str]] = {name: list(found) for name, found in (reasons or {}).items()}

    def __bool__(self) -> bool:
        return bool(self._reasons)

    def task(self, task: str, error: Exception) -> None:
        """The whole task cannot be had."""
        self._note(task, f"skipped: {str(error).removeprefix(f'{task}: ')}")

    def subsets(self, task: str, reasons: Mapping[str, str]) -> None:
        """The task goes on without some subsets. `reasons`: by subset; those with one reason are named together."""
        if reasons:
            self._note(task, without(reasons))

    def prompts(self, task: str, refused: Mapping[str, str], of: int) -> None:
        """Some of the task's prompts cannot be sent. `refused`: why, by sample id."""
        if refused:
            reasons = {sample: why.removeprefix(f"{task}: ") for sample, why in refused.items()}
            self._note(task, f"{len(reasons)} of {of} prompts cannot be sent; {_first(reasons)}")

    def answers(self, unanswered: Iterable[tuple[str, str, str]]) -> None:
        """Some samples cannot be answered: task, sample id and reason of each."""
        by_task: dict[str, dict[str, str]] = defaultdict(dict)
        for task, sample, why in unanswered:
            by_task[task][sample] = why
        for task, reasons in by_task.items():
            self._note(task, f"{len(reasons)} samples cannot be answered; {_first(reasons)}")

    def scores(self, unscored: Mapping[str, Mapping[str, str]]) -> None:
        """Some answers are kept without a score: why, by task and sample id."""
        for task, reasons in unscored.items():
            self._note(
                task,
                f"{len(reasons)} answers are kept without a score; {_first(reasons)}. Mend the cause and run `gemma-eval rescore`",
            )

    def joined(self, other: Missing) -> Missing:
        """What either goes without."""
        names = [*self._reasons, *(name for name in other._reasons if name not in self._reasons)]
        return Missing({name: [*self._reasons.get(name, []), *other._reasons.get(name, [])] for name in names})

    def by_task(self) -> dict[str, str]:
        """One message for each task, which begins with its name."""
        return {name: f"{name}: {'; '.join(reasons)}" for name, reasons in self._reasons.items()}

    def _note(self, task: str, what: str) -> None:
        what = what.removeprefix(f"{task}: ")
        log.warning("%s: %s", task, what)
        self._reasons.setdefault(task, []).append(what)


def without(reasons: Mapping[str, str]) -> str:
    """ "without deu, fra: not in the folder; without ita: ...": subsets with one reason are named together."""
    subsets: dict[str, list[str]] = defaultdict(list)
    for subset, why in reasons.items():
        subsets[why].append(subset)
    return "; ".join(f"without {', '.join(names)}: {why}" for why, names in subsets.items())


def _first(reasons: Mapping[str, str]) -> str:
    """The first sample with its reason, and the names of the others."""
    (sample, why), *others = reasons.items()
    named = ", ".join(name for name, _ in others[:NAMED]) + (f" and {len(others) - NAMED} more" if len(others) > NAMED else "")
    return f"sample {sample}: {why}" + (f" (the others: {named})" if others else "")
