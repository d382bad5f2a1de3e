"""Non-inferiority of a run to a baseline, on the paired drop of each task.

A task passes if a drop as large as its margin is refuted, at level alpha. As every task must pass, that needs no correction for their
number: a drop of a whole margin passes with chance alpha at most. A task fails if it dropped by more than its margin and the noise
floor, and "it did not drop at all" is refuted at level alpha after Holm's correction over all tasks: a harmless build fails with
chance alpha at most. What is neither is inconclusive; tasks with too few items to be decided alone are judged
together, by the mean of their drops.
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
    passed = "pass"
    failed = "fail"
    inconclusive = "inconclusive"


@dataclass(frozen=True)
class TaskVerdict:
    """One task, or the pool of small ones. Differences are B - A, as shares of the scale; a drop is a negative one.

    `bound`: the one-sided lower limit of the difference; `p_regressed`: Holm-adjusted, of "it did not drop"; `needed`: items that would
    show, with the policy's power, that a harmless build is one; None where that is unknown.
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
        """Too few items to pass with the policy's power, had nothing changed."""
        return self.needed is None or self.needed > self.difference.n


@dataclass(frozen=True)
class GateResult:
    decision: Decision
    tasks: list[TaskVerdict]
    pooled: TaskVerdict | None
    comparison: Comparison
    policy: Policy

    @property
    def all_verdicts(self) -> list[TaskVerdict]:
        return [*self.tasks, *([self.pooled] if self.pooled else [])]


def judge(comparison: Comparison, policy: Policy, *, tuned_for: Mapping[str, float] | None = None, pool_small: bool = True) -> GateResult:
    """The verdict on B, with A as the baseline. Raises `RunError` where they may not be compared.

    tuned_for: where items are still coming in and the gate has been asked before, the items by task that its tests are tuned for.
    """
    drafts = []
    for task in _comparable(comparison, policy):
        floor, tuned = comparison.a.noise.get(task.name, 0.0), tuned_for[task.name] if tuned_for else None
        drafts.append(replace(draft(task.name, task.difference, policy.margin_of(task.task), floor, policy, tuned), compared=task))
    decision, tasks, pooled = decide(drafts, policy, pool_small=pool_small)
    return GateResult(decision, tasks, pooled, comparison, policy)


def decide(drafts: list[TaskVerdict], policy: Policy, *, pool_small: bool = True) -> tuple[Decision, list[TaskVerdict], TaskVerdict | None]:
    """The verdict on all tasks, each task's own, and that of the small ones together, where there are several."""
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
    """A task's verdict on its own: passed or not. Whether it failed depends on the others too. `tuned_for`: see `judge`."""
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
        bound=found.interval(1 - 2 * level)[0],
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
    """Items with which this task, had nothing changed, would pass with the policy's power; None from fewer than two clusters."""
    if not found.known:
        return None
    by_spread = found.n * (reach(policy.alpha, policy.power, sides=1) * found.stderr / margin) ** 2
    z = NormalDist().inv_cdf(1 - policy.alpha)
    without_flips = z * z * (1 - margin) / margin  # below this not even equal answers throughout would do
    return math.ceil(max(by_spread, without_flips))


def noise_floor(repeat: Comparison) -> dict[str, float]:
    """By task, the difference that a repetition of the baseline may show: no smaller one is called a regression.

    repeat: the baseline against a second run of the same model and engine, in another batch order or on other hardware.
    """
    if repeat.same_run:
        raise RunError(f"{repeat.b.name}: is the baseline itself; repeat it under another name (run=NAME)")
    if repeat.a.engine.get("checkpoint") != repeat.b.engine.get("checkpoint"):
        raise RunError(f"{repeat.b.name}: is not a repetition of {repeat.a.name}: it has another checkpoint")
    if not repeat.same_question:
        raise RunError(f"{repeat.b.name}: is not a repetition of {repeat.a.name}; `gemma-eval compare` says what differs")
    return {
        task.name: abs(task.difference.value) + (normal_quantile() * task.difference.stderr if task.difference.known else 0.0)
        for task in repeat.tasks
    }


def _comparable(comparison: Comparison, policy: Policy) -> list[TaskComparison]:
    """The tasks that count, all of them asked alike of both runs."""
    counted = [name for name, found in comparison.a.tasks.items() if policy.counts(found.task)]
    by_name = {task.name: task for task in comparison.tasks}
    problems = [f"{name}: {comparison.b.name} does not have it" for name in counted if name not in comparison.b.tasks]
    problems += [why for name, why in comparison.incomparable.items() if name in counted]
    for name in counted:
        if name in by_name:
            agreed = by_name[name].agreement
            if not agreed.same_question or agreed.unanswered_a or agreed.unanswered_b:
                problems.append(f"{name}: {'; '.join(agreed.remarks)}")
    known = {name for found in comparison.a.tasks.values() for name in (found.task.name, family(found.task))}
    problems += [f"{name}: the policy counts it, but the baseline does not have it" for name in policy.tasks if name not in known]
    if not counted and not problems:
        problems.append("the policy counts no task of the baseline")
    if problems:
        raise RunError(f"{comparison.b.name} may not be judged against {comparison.a.name}:\n  " + "\n  ".join(problems))
    return [by_name[name] for name in counted]
