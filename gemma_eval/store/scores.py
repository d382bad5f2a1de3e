"""`scores.json`: what a run measured, typed. Values are in the metric's own scale: 0 to 1, chrF 0 to 100, CIDEr 0 to 10."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from gemma_eval.store.documents import read_json, schema_of, validated
from gemma_eval.store.environment import Check
from gemma_eval.types import ModelLabel, Usage

SCHEMA = 1
MEND = "run `gemma-eval rescore` on the run, which writes the file anew"


@dataclass(frozen=True)
class MetricScore:
    """A metric's value, standard error and 95 % interval; None where it is not known (fewer than two clusters, say)."""

    value: float | None
    stderr: float | None = None
    ci95: tuple[float, float] | None = None
    clusters: int = 0

    @property
    def low(self) -> float | None:
        """Lower end of the interval."""
        return self.ci95[0] if self.ci95 else None

    @property
    def high(self) -> float | None:
        """Upper end of the interval."""
        return self.ci95[1] if self.ci95 else None


@dataclass(frozen=True, kw_only=True)
class PartScores:
    """`n` items and their scores, by metric: a subset of a task."""

    n: int
    metrics: dict[str, MetricScore]


@dataclass(frozen=True)
class ReadAlone:
    """Answers that a diagnostic reads where the primary extractor finds none, and how many of them it gives credit."""

    items: int
    right: int


@dataclass(frozen=True, kw_only=True)
class Readers:
    """Answers read by the primary extractor, by a diagnostic alone, and by none; together all answers. `alone`: by diagnostic."""

    primary: int
    diagnostic: int
    none: int
    alone: dict[str, ReadAlone] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class GroupScores(PartScores):
    """Likewise, with what failed: a group of a task's subsets.

    Counts are of answers in which none was found, that were empty, or truncated by max_tokens, and of prompts that dropped exemplars.
    `asked`: items that the run asks. `size`: items of the full split. `readers`: who read the answers; None for multiple choice, and
    in files of older versions.
    """

    extraction_failures: int = 0
    empty: int = 0
    truncated: int = 0
    dropped_shots: int = 0
    asked: int = 0
    size: int = 0
    readers: Readers | None = None


@dataclass(frozen=True)
class Tokens:
    """Token counts of a task, as `types.Usage` has them. `reused`: share of the prompt tokens that needed no computing."""

    prompt: int = 0
    computed: int = 0
    generated: int = 0
    reused: float = 0.0

    @classmethod
    def of(cls, usage: Usage) -> Tokens:
        """The counts of what was spent."""
        return cls(usage.prompt, usage.computed, usage.generated, round(usage.reused, 4))


@dataclass(frozen=True, kw_only=True)
class TaskScores(GroupScores):
    """One task's scores, and all that a report says of how they came about.

    `primary` names the metric that is the task's score. `average` says how subsets make one score, if there are several; the other
    average then stands in `micro` or `macro`. `changed`: protocol settings that are not the page's own. `missing`: subsets that could
    not be had, and why. `methods`: answers by the engine's way to them. `seconds`: waited for answers; 0 where it is not known.
    """

    primary: str
    num_fewshot: int = 0
    source: str = ""
    average: Literal["micro", "macro"] | None = None
    micro: dict[str, MetricScore] | None = None
    macro: dict[str, MetricScore] | None = None
    subsets: dict[str, PartScores] = field(default_factory=dict)
    groups: dict[str, GroupScores] = field(default_factory=dict)
    signature: str = ""
    tokens: Tokens = Tokens()
    seconds: float = 0.0
    missing: dict[str, str] = field(default_factory=dict)
    methods: dict[str, int] = field(default_factory=dict)
    changed: dict[str, Any] = field(default_factory=dict)
    comparable: bool = True
    undisclosed: str = ""
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.primary not in self.metrics:
            raise ValueError(f"the primary metric {self.primary!r} is not among its metrics")

    @property
    def score(self) -> MetricScore:
        """The primary metric's."""
        return self.metrics[self.primary]

    @property
    def other_average(self) -> tuple[str, dict[str, MetricScore]] | None:
        """Name and scores of the average over subsets that is not the task's own; None if there is none."""
        return next(((name, found) for name in ("micro", "macro") if (found := getattr(self, name)) is not None), None)


@dataclass(frozen=True, kw_only=True)
class Scores:
    """All scores of a run. `peak_memory`: most bytes that a process had in use, by place (host, cuda:0, ...). `checks`: of the model."""

    schema: int = SCHEMA
    run: str
    model: ModelLabel
    peak_memory: dict[str, int] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    tasks: dict[str, TaskScores]

    def to_json(self) -> Any:
        """As scores.json holds them: parts that a task does not have are left out."""
        value = _ADAPTER.dump_python(self, mode="json")
        if not self.checks:
            del value["checks"]
        value["tasks"] = {name: _without_empty(entry) for name, entry in value["tasks"].items()}
        for entry in value["tasks"].values():
            if "groups" in entry:
                entry["groups"] = {name: _without_empty(group) for name, group in entry["groups"].items()}
        return value


_ADAPTER = TypeAdapter(Scores)
_OPTIONAL = {"signature", "micro", "macro", "subsets", "groups", "readers"}


def _without_empty(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if value or key not in _OPTIONAL}


def read_scores(file: Path) -> Scores:
    """The scores in this file. Raises `RunError` if it is damaged, or newer than this program."""
    value = read_json(file, MEND)
    schema_of(value, file, SCHEMA, MEND)
    return validated(_ADAPTER, value, file, MEND)
