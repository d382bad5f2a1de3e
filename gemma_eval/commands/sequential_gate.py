"""A gate that drives its run: items in nested random order, until every task is decided or its items end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from gemma_eval.commands.kept_answers import naming_kept_answers
from gemma_eval.compare import Results, compare
from gemma_eval.errors import ConfigError
from gemma_eval.gate import Decision, GateResult, Policy, judge
from gemma_eval.run.model import open_model
from gemma_eval.run.pipeline import run
from gemma_eval.settings import RunConfig
from gemma_eval.stats.power import items_needed, paired_variance
from gemma_eval.stats.sequential import FIRST
from gemma_eval.store.run_dir import RunDir

log = logging.getLogger(__name__)

GROWTH = 1.5  # of a task's items from one look to the next: few looks waste little, and the test does not mind many


def gate_while_running(config: RunConfig, baseline: Results, policy: Policy) -> GateResult:
    """Run the settings' tasks in growing parts, and judge them after each part. The tasks are those of `counted_tasks`."""
    model = open_model(config)
    with naming_kept_answers(config):
        return drive(config, baseline, policy, lambda part: run(part, model).run)


def counted_tasks(baseline: Results, policy: Policy) -> list[str]:
    """The baseline's tasks that the policy counts. Raises `ConfigError` if there is none."""
    counted = [name for name, found in baseline.tasks.items() if policy.counts(found.task)]
    if not counted:
        raise ConfigError(f"{baseline.name}: the policy counts none of its tasks, {', '.join(baseline.tasks)}")
    return counted


def drive(config: RunConfig, baseline: Results, policy: Policy, answer: Callable[[RunConfig], RunDir]) -> GateResult:
    """Judge the settings' tasks again and again. `answer` brings the run up to the limits of the tasks that it is given."""
    tasks = {name: baseline.tasks[name] for name in counted_tasks(baseline, policy)}
    limits = {name: min(FIRST, found.asked) for name, found in tasks.items()}
    tuned = {name: _tuned(policy.margin_of(found.task), policy, found.asked) for name, found in tasks.items()}
    while True:
        part = replace(config, tasks=tuple(replace(task, limit=limits[task.name]) for task in config.tasks))
        found = compare(baseline, answer(part))
        result = judge(found, policy, tuned_for=tuned, pool_small=False)
        undecided = [verdict.name for verdict in result.tasks if verdict.decision is Decision.inconclusive]
        growing = [name for name in undecided if limits[name] < tasks[name].asked]
        if result.decision is Decision.failed or not undecided:
            return result
        if not growing:
            return judge(found, policy, tuned_for=tuned)
        log.info("%d items: undecided are %s", sum(limits.values()), ", ".join(undecided))
        for name in growing:
            limits[name] = min(tasks[name].asked, round(limits[name] * GROWTH))


def _tuned(margin: float, policy: Policy, items: int) -> float:
    """The items for which the tests are made most powerful: fixed before any answer is seen."""
    return min(items, items_needed(margin, paired_variance(0.1), alpha=policy.alpha, power=policy.power, sides=1))
