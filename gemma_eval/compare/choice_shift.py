"""How multiple-choice answers shift: continuous measures, which show a difference on far fewer items than accuracy does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gemma_eval.compare.results import is_scored_choice
from gemma_eval.metrics.choice import pick
from gemma_eval.stats.intervals import Estimate, clustered_stderr, mean_and_pulls, student_quantile
from gemma_eval.task.base import MultipleChoice, Normalization, Task
from gemma_eval.types import Record, ScoreResponse


@dataclass(frozen=True)
class Choice:
    """One multiple-choice answer: the log-likelihoods (nats) of its choices, the index of the gold one, and of the one picked."""

    logprobs: tuple[float, ...]
    gold: int
    picked: int

    @property
    def margin(self) -> float:
        """Log-likelihood of the gold choice less that of the best other one, in nats."""
        return self.logprobs[self.gold] - max(value for index, value in enumerate(self.logprobs) if index != self.gold)

    @cached_property
    def distribution(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Log-probabilities [choices] of the choices, given that one of them is picked."""
        values = np.array(self.logprobs)
        shifted = values - values.max()
        return np.asarray(shifted - math.log(np.exp(shifted).sum()))

    def divergence(self, other: Choice) -> float:
        """KL(self || other) between the distributions over choices, in nats."""
        ours = self.distribution
        return max(0.0, float((np.exp(ours) * (ours - other.distribution)).sum()))


@dataclass(frozen=True)
class ChoiceShift:
    """From A to B: mean change of the margin (nats), mean KL(A || B), and the share of items whose pick changed."""

    margin: Estimate
    divergence: Estimate
    changed: float
    p_value: float  # of "the margin did not change"


def choice_of(task: Task, record: Record) -> Choice | None:
    """The record as a multiple-choice answer; None if it is not one."""
    response = record.response
    if not is_scored_choice(record) or not isinstance(response, ScoreResponse) or not isinstance(record.target, dict):
        return None
    values, gold, characters = list(response.logprobs), record.target["gold"], record.target.get("characters")
    assert isinstance(gold, int)
    if len(values) < 2 or not 0 <= gold < len(values):
        return None
    if isinstance(task, MultipleChoice) and task.normalization is Normalization.characters and isinstance(characters, list):
        counts = [count for count in characters if isinstance(count, int)]
        if len(counts) != len(values):
            return None
        values = [value / max(count, 1) for value, count in zip(values, counts, strict=True)]
    return Choice(response.logprobs, gold, pick(values))


def choice_shift(
    task: Task, a: Sequence[Record], b: Sequence[Record], clusters: Sequence[str], subsets: Sequence[str] | None
) -> ChoiceShift | None:
    """The shift from A's records to B's, paired in order; None if some are no multiple-choice answers."""
    pairs = [(choice_of(task, one), choice_of(task, other)) for one, other in zip(a, b, strict=True)]
    both = [(one, other) for one, other in pairs if one and other and len(one.logprobs) == len(other.logprobs)]
    if len(both) < len(pairs):
        return None
    margin = _mean([other.margin - one.margin for one, other in both], clusters, subsets)
    divergence = _mean([one.divergence(other) for one, other in both], clusters, subsets)
    changed, _ = mean_and_pulls([float(one.picked != other.picked) for one, other in both], clusters, subsets)
    return ChoiceShift(margin, divergence, changed, _student_p(margin))


def _mean(values: Sequence[float], clusters: Sequence[str], subsets: Sequence[str] | None) -> Estimate:
    """The mean of unbounded values, with Student's interval."""
    value, pulls = mean_and_pulls(values, clusters, subsets)
    stderr = clustered_stderr(pulls.values())
    reach = math.nan if math.isnan(stderr) else student_quantile(len(pulls) - 1) * stderr
    return Estimate(value, len(values), stderr, value - reach, value + reach, len(pulls))


def _student_p(found: Estimate) -> float:
    if math.isnan(found.stderr):
        return math.nan
    smallest = 0.5 ** (found.clusters - 1)  # what flipping the signs of all clusters could reach at best
    if found.stderr == 0:
        return smallest if found.value else 1.0
    from scipy.special import stdtr

    return min(1.0, max(smallest, 2 * float(stdtr(found.clusters - 1, -abs(found.value / found.stderr)))))
