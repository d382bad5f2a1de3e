"""Suites: which tasks a choice such as `suite=card_pt` or `suite=piqa,arc_easy` stands for, and what it is called.

The page of a suite (`conf/suite/NAME.yaml`) lists its tasks under `parts.NAME`, and every task is a suite of its own. Hydra merges the
parts of all suites chosen, in their order, so several suites make one run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from omegaconf import OmegaConf

LONGEST_NAME = 60  # characters of a joined name, which becomes part of a folder's
SHOWN = 3  # members that a longer one still names


def register_resolvers() -> None:
    """Let `conf/config.yaml` fill `suite.name` and `suite.tasks` from `suite.parts`."""
    OmegaConf.register_new_resolver("suite_name", suite_name, replace=True)
    OmegaConf.register_new_resolver("suite_tasks", suite_tasks, replace=True)


def single_task(name: str) -> dict[str, Any]:
    """The page of the suite that is one task."""
    return {"parts": {name: [name]}}


def suite_name(parts: Mapping[str, Any]) -> str:
    """The names of the suites chosen, joined by `+`: `piqa+arc_easy`.

    A name that would be too long names its first members, the number of the others and a hash of them all:
    `piqa+boolq+drop+12-more-1f3a9c02`.
    """
    names = [str(name) for name in parts]
    whole = "+".join(names)
    if len(whole) <= LONGEST_NAME or len(names) <= SHOWN:
        return whole
    return "+".join([*names[:SHOWN], f"{len(names) - SHOWN}-more"]) + f"-{sha256(whole.encode()).hexdigest()[:8]}"


def suite_tasks(parts: Mapping[str, Any]) -> list[str]:
    """The tasks of all parts in their order, each once."""
    return list(dict.fromkeys(_tasks(parts)))


def _tasks(part: Mapping[str, Any] | Sequence[str]) -> Iterator[str]:
    if isinstance(part, Mapping):
        for smaller in part.values():
            yield from _tasks(smaller)
    else:
        yield from part
