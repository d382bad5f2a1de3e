"""A gate that drives its run: how far it goes, with answers that are known beforehand instead of a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemma_eval.commands.sequential_gate import drive
from gemma_eval.compare import load
from gemma_eval.gate import Decision, GateResult, Policy
from gemma_eval.settings import RunConfig
from gemma_eval.store.run_dir import RunDir
from tests.runs import answers, write_run
from tests.settings import compose

RIGHT = [i % 3 > 0 for i in range(2000)]


class Driven:
    """Answers the first `limit` items of each task; some of those that the baseline has right are wrong."""

    def __init__(self, folder: Path, lost: dict[str, int]) -> None:
        self.folder, self.lost = folder, lost
        self.limits: list[dict[str, int]] = []

    def answer(self, config: RunConfig) -> RunDir:
        limits = {task.name: task.limit for task in config.tasks}
        self.limits.append(limits)
        records = {}
        for name, limit in limits.items():
            every = self.lost.get(name, 10**9)
            records[name] = answers([right and i % every != every - 1 for i, right in enumerate(RIGHT[:limit])], name)
        return write_run(self.folder / str(len(self.limits)), records, dtype="int8")


def driven(tmp_path: Path, lost: dict[str, int], size: int = 2000) -> tuple[GateResult, Driven]:
    base = write_run(tmp_path / "base", {name: answers(RIGHT[:size], name) for name in ("piqa", "boolq")})
    driver = Driven(tmp_path, lost)
    return drive(compose("suite=piqa,boolq", "weights=gguf_q4_k_m"), load(base), Policy(), driver.answer), driver


def test_equal_answers_pass_early(tmp_path: Path) -> None:
    result, driver = driven(tmp_path, {})
    assert result.decision is Decision.passed and max(driver.limits[-1].values()) < 1000
    assert all(a[name] <= b[name] for a, b in zip(driver.limits, driver.limits[1:], strict=False) for name in a)


def test_a_clear_regression_ends_it_at_once(tmp_path: Path) -> None:
    result, driver = driven(tmp_path, {"piqa": 5})
    assert result.decision is Decision.failed and max(driver.limits[-1].values()) <= 150


def test_a_decided_task_costs_nothing_more(tmp_path: Path) -> None:
    """One point and a half is neither harmless nor a regression of two for a long time: the other task waits at its limit."""
    result, driver = driven(tmp_path, {"piqa": 44})
    assert driver.limits[-1]["boolq"] < driver.limits[-1]["piqa"] == 2000
    verdicts = {task.name: task.decision for task in result.tasks}
    assert verdicts["boolq"] is Decision.passed and result.decision is verdicts["piqa"]


def test_it_ends_with_the_items(tmp_path: Path) -> None:
    result, driver = driven(tmp_path, {}, size=100)
    assert driver.limits[-1] == {"piqa": 100, "boolq": 100}
    assert result.decision is Decision.passed and result.pooled  # too few each, enough together


@pytest.mark.parametrize("policy", [Policy(tasks=["humaneval"])])
def test_nothing_to_judge_is_refused(tmp_path: Path, policy: Policy) -> None:
    from gemma_eval.errors import ConfigError

    base = write_run(tmp_path / "base", {"piqa": answers(RIGHT[:10])})
    with pytest.raises(ConfigError, match="counts none"):
        drive(compose("suite=piqa", "weights=gguf_q4_k_m"), load(base), policy, Driven(tmp_path, {}).answer)
