"""Non-inferiority of a run to a baseline, by the paired differences of each task.

A task passes if a drop as large as its margin is refuted at level alpha. Every task must pass, so this needs no correction for the number
of tasks: a drop of a whole margin passes with chance alpha at most. A task fails if it dropped by more than its margin and its noise
floor, and "it did not drop at all" is refuted at level alpha after Holm's correction over all tasks. So a harmless build fails with
chance alpha at most. Any other task is inconclusive. Tasks with too few items to be decided alone are also judged together, by the mean
of their differences.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from statistics import NormalDist

from gemma_eval.compare import Comparison, TaskComparison
from gemma_eval.errors import RunError
from gemma_eval.gate.policy import Policy, family
from gemma_eval.stats.difference import Difference, holm, pooled
from gemma_eval.stats.intervals import normal_quantile
from gemma_eval.stats.power import reach
from gemma_eval.stats.sequential import anytime, single_look

POOLED = "small tasks together"


class Decision(Enum):
    """What the gate says of a task, or of the whole run."""

    passed = "pass"
    failed = "fail"
    inconclusive = "inconclusive"


@dataclass(frozen=True)
class TaskVerdict:
    """The verdict on one task, or on the small tasks together.

    All values are shares of the scale. `difference` is B - A, so a drop is negative. `margin` is the drop that the policy does not allow.
    `floor` is the noise floor: a smaller drop is never called a regression. `bound` is the one-sided lower limit of the difference.
    `p_within` is the p-value against "it dropped by its margin or more". `p_regressed` is the p-value against "it did not drop", adjusted
    by Holm. `needed` is the number of items with which a harmless build passes with the policy's power; None if that is not known.
    `compared` is the comparison of the task; None for the small tasks together.
    """

    name: str
    decision: Decision
    difference: Difference
    margin: float
    floor: float
    bound: float
    p_within: float
    p_regressed: float
    needed: int | None = None
    compared: TaskComparison | None = None

    @property
    def small(self) -> bool:
        """Whether the items are too few for a build without any change to pass with the policy's power."""
        return self.needed is None or self.needed > self.difference.n


@dataclass(frozen=True)
class GateResult:
    """The gate's decision, and the verdicts that led to it. `pooled`: on the small tasks together, if there are several."""

    decision: Decision
    tasks: list[TaskVerdict]
    pooled: TaskVerdict | None
    comparison: Comparison
    policy: Policy

    @property
    def all_verdicts(self) -> list[TaskVerdict]:
        """The tasks' verdicts, and that of the small tasks together if there is one."""
        return [*self.tasks, *([self.pooled] if self.pooled else [])]


def judge(comparison: Comparison, policy: Policy, *, tuned_for: Mapping[str, float] | None = None, pool_small: bool = True) -> GateResult:
    """The verdict on B, with A as the baseline. Raises `RunError` if they may not be compared.

    tuned_for: if the gate looks again while items come in, the number of items by task for which its tests are most powerful. It must be
    chosen before any answer is seen. pool_small: whether the small tasks are judged together too.
    """
    drafts = []
    for task in _comparable(comparison, policy):
        floor, tuned = comparison.a.noise.get(task.name, 0.0), tuned_for[task.name] if tuned_for else None
        drafts.append(replace(draft(task.name, task.difference, policy.margin_of(task.task), floor, policy, tuned), compared=task))
    decision, tasks, pooled = decide(drafts, policy, pool_small=pool_small)
    return GateResult(decision, tasks, pooled, comparison, policy)


def decide(drafts: list[TaskVerdict], policy: Policy, *, pool_small: bool = True) -> tuple[Decision, list[TaskVerdict], TaskVerdict | None]:
    """The decision on the run, each task's verdict, and the verdict on the small tasks together, if there are several."""
    small = [verdict for verdict in drafts if pool_small and verdict.small and verdict.decision is not Decision.passed]
    together = list(drafts)
    if len(small) > 1:
        floor = math.fsum(verdict.floor for verdict in small) / len(small)
        mean = pooled({verdict.name: verdict.difference for verdict in small})
        together.append(draft(POOLED, mean, policy.pooled_margin, floor, policy))
    adjusted = holm({verdict.name: verdict.p_regressed for verdict in together})
    judged = [_fail(replace(verdict, p_regressed=adjusted[verdict.name]), policy) for verdict in together]
    return _overall(judged), judged[: len(drafts)], judged[-1] if len(small) > 1 else None


def _overall(judged: Sequence[TaskVerdict]) -> Decision:
    if any(verdict.decision is Decision.failed for verdict in judged):
        return Decision.failed
    pool_passed = any(verdict.name == POOLED and verdict.decision is Decision.passed for verdict in judged)
    passed = (verdict.decision is Decision.passed or (verdict.small and pool_passed) for verdict in judged)
    return Decision.passed if all(passed) else Decision.inconclusive


def draft(name: str, found: Difference, margin: float, floor: float, policy: Policy, tuned_for: float | None = None) -> TaskVerdict:
    """The verdict on a task before the others are known: whether it passed. Whether it failed depends on the others too.

    Values are as in `TaskVerdict`; `p_regressed` is not adjusted yet. tuned_for: as in `judge`, for this task.
    """
    within, regressed, level = found.p_above(-margin), found.p_below(0.0), policy.alpha
    if tuned_for:
        within, regressed = (anytime(p, found.clusters, tuned_for) for p in (within, regressed))
        level = single_look(policy.alpha, found.clusters, tuned_for)
    return TaskVerdict(
        name=name,
        decision=Decision.passed if within <= policy.alpha else Decision.inconclusive,
        difference=found,
        margin=margin,
        floor=floor,
        bound=found.lower_limit(level),
        p_within=within,
        p_regressed=regressed,
        needed=items_to_decide(found, margin, policy),
    )


def _fail(verdict: TaskVerdict, policy: Policy) -> TaskVerdict:
    dropped = -verdict.difference.value > max(verdict.margin, verdict.floor)
    if dropped and verdict.p_regressed <= policy.alpha:
        return replace(verdict, decision=Decision.failed)
    return verdict


def items_to_decide(found: Difference, margin: float, policy: Policy) -> int | None:
    """The number of items with which a build without any change passes this task with the policy's power.

    None for fewer than two clusters, which do not show the spread of the differences.
    """
    if not found.known:
        return None
    by_spread = found.n * (reach(policy.alpha, policy.power, sides=1) * found.stderr / margin) ** 2
    z = NormalDist().inv_cdf(1 - policy.alpha)
    without_flips = z * z * (1 - margin) / margin  # fewer items do not pass even if all answers are the same
    return math.ceil(max(by_spread, without_flips))


def noise_floor(repeat: Comparison) -> dict[str, float]:
    """By task, the largest difference that a repetition of the baseline is likely to show, as a share of the scale.

    repeat: the baseline compared with a second run of the same model, in another batch order or on other hardware. Raises `RunError` if
    the second run is not such a repetition.
    """
    if repeat.same_run:
        raise RunError(f"{repeat.b.name} is the baseline itself; repeat it under another name (run=NAME)")
    if repeat.a.engine.get("checkpoint") != repeat.b.engine.get("checkpoint"):
        raise RunError(f"{repeat.b.name} is not a repetition of {repeat.a.name}: it has another checkpoint")
    if not repeat.same_question:
        raise RunError(f"{repeat.b.name} is not a repetition of {repeat.a.name}; `gemma-eval compare` says what differs")
    return {
        task.name: abs(task.difference.value) + (normal_quantile() * task.difference.stderr if task.difference.known else 0.0)
        for task in repeat.tasks
    }


def _comparable(comparison: Comparison, policy: Policy) -> list[TaskComparison]:
    """The tasks that the policy counts. Raises `RunError`, naming every problem, if any was not asked in the same way of both runs."""
    counted = [name for name, found in comparison.a.tasks.items() if policy.counts(found.task)]
    by_name = {task.name: task for task in comparison.tasks}
    problems = [f"{name}: {comparison.b.name} does not have it" for name in counted if name not in comparison.b.tasks]
    problems += [why for name, why in comparison.incomparable.items() if name in counted]
    for name in counted:
        if name in by_name:
            agreed = by_name[name].agreement
            if not agreed.same_question or agreed.unanswered_a or agreed.unanswered_b:
                problems.append(f"{name}: {'; '.join(agreed.remarks)}")
    known = {name for found in comparison.a.tasks.values() for name in (found.task.name, family(type(found.task)))}
    problems += [f"{name}: the policy counts it, but the baseline does not have it" for name in policy.tasks if name not in known]
    if not counted and not problems:
        problems.append("the policy counts no task of the baseline")
    if problems:
        raise RunError(f"{comparison.b.name} may not be judged against {comparison.a.name}:\n  " + "\n  ".join(problems))
    return [by_name[name] for name in counted]
