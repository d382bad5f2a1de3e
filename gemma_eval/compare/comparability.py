"""Did two runs ask the same? Prompts, data and protocol task by task, and the engine settings that differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

from gemma_eval.compare.results import Results, TaskResults
from gemma_eval.data.dataset import current_name
from gemma_eval.types import Record

WHERE_FROM = {"repo", "split", "rows_sha256"}
Change = tuple[Any, Any]
"""A value in A and in B."""


@dataclass(frozen=True)
class Joined:
    """The items that both runs answered with the same prompt, in A's order, and counts of the others."""

    pairs: list[tuple[Record, Record]]
    only_a: int
    only_b: int
    other_prompts: int


@dataclass(frozen=True)
class Agreement:
    """How one task differs between two runs. Everything is empty or 0 if it does not."""

    joined: Joined
    protocol: dict[str, Change] = field(default_factory=dict)
    data: dict[str, Change] = field(default_factory=dict)
    unanswered_a: int = 0
    unanswered_b: int = 0

    @property
    def same_prompts(self) -> bool:
        """Whether every item that both answered had the same prompt."""
        return not self.joined.other_prompts

    @property
    def same_question(self) -> bool:
        """Whether prompts, data and protocol are the same for every item that both answered."""
        return self.same_prompts and not self.protocol and not self.data

    @cached_property
    def remarks(self) -> list[str]:
        """The differences in words."""
        return list(self._remarks())

    def _remarks(self) -> Iterator[str]:
        joined = self.joined
        for what, changes in (("protocol", self.protocol), ("data", self.data)):
            if changes:
                yield f"{what} differs: " + ", ".join(f"{key} {_short(a)} / {_short(b)}" for key, (a, b) in changes.items())
        if joined.other_prompts:
            yield f"{joined.other_prompts} items have other prompts and are left out"
        for name, only, unanswered in (("A", joined.only_a, self.unanswered_a), ("B", joined.only_b, self.unanswered_b)):
            if only:
                yield f"{only} items are in {name} alone"
            if unanswered:
                yield f"{unanswered} items of {name} have no scored answer"


def agreement(a: TaskResults, b: TaskResults) -> Agreement:
    """Compare what one task asked in two runs."""
    return Agreement(
        joined=_join(a.records, b.records),
        protocol=changes(_protocol(a), _protocol(b)),
        data=changes(_data(a), _data(b)),
        unanswered_a=a.asked - a.answered,
        unanswered_b=b.asked - b.answered,
    )


def _join(a: list[Record], b: list[Record]) -> Joined:
    theirs = {record.id: record for record in b}
    both = [(record, theirs[record.id]) for record in a if record.id in theirs]
    pairs = [(one, other) for one, other in both if one.prompt_sha256 == other.prompt_sha256]
    return Joined(pairs, len(a) - len(both), len(b) - len(both), len(both) - len(pairs))


def _protocol(results: TaskResults) -> dict[str, Any]:
    return {key: value for key, value in flat(results.task.protocol()).items() if not key.startswith("dataset.")}


def _data(results: TaskResults) -> dict[str, Any]:
    data = replace(results.data, repo=current_name(results.data.repo))
    return {key: value for key, value in asdict(data).items() if key in WHERE_FROM}


def engine_changes(a: Results, b: Results) -> dict[str, Change]:
    """How models and engines differ, by dotted key: the subject of a comparison."""
    return changes(flat(a.engine), flat(b.engine))


def changes(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Change]:
    """The keys whose values differ, those of `a` first."""
    return {key: (a.get(key), b.get(key)) for key in [*a, *(key for key in b if key not in a)] if a.get(key) != b.get(key)}


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by dotted key."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 24 else f"{text[:16]}..."
