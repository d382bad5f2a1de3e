"""What a run goes without, by task, in words."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping

from gemma_eval.task.base import Task


def joined(first: dict[str, str], second: dict[str, str]) -> dict[str, str]:
    """Messages by task; a task in both has both."""
    return first | second | {name: f"{first[name]}; {second[name]}" for name in first.keys() & second.keys()}


log = logging.getLogger(__name__)


def _note(missing: dict[str, str], task: Task, what: str) -> None:
    """Add a part of a task that cannot be had."""
    missing[task.name] = f"{missing[task.name]}; {what}" if task.name in missing else f"{task.name}: {what}"
    log.warning("%s: %s", task.name, what)


def _left_out(missing: Mapping[str, str]) -> str:
    """The subsets that a task goes on without, those with one reason together."""
    subsets: dict[str, list[str]] = defaultdict(list)
    for subset, why in missing.items():
        subsets[why].append(subset)
    return "; ".join(f"without {', '.join(names)}: {why}" for why, names in subsets.items())
