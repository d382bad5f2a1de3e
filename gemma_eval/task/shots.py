"""Exemplars that are asked for and cannot be had, as far as a task's page and settings tell. The data may have fewer still."""

from __future__ import annotations

from gemma_eval.data.sources import open_source
from gemma_eval.errors import ConfigError, DataError
from gemma_eval.task.base import Task
from gemma_eval.task.fewshot import Fewshot


def check_shots(task: Task) -> None:
    """Raise `ConfigError`, naming the key, if prompts would have other exemplars than the settings say."""
    key, page = f"tasks.{task.name}", type(task)()
    if not task.num_fewshot:
        _check_unused(key, task, page)
    elif task.fewshot is Fewshot.published:
        _check_published(key, task, page)
    elif task.dataset.generated:
        raise ConfigError(f"{key}.num_fewshot={task.num_fewshot}: the task makes its items and has no exemplars; leave it out")
    elif task.dataset.fewshot_split is None:
        raise ConfigError(
            f"{key}.num_fewshot={task.num_fewshot}: the task names no split to draw exemplars from; set {key}.dataset.fewshot_split"
        )


def _check_unused(key: str, task: Task, page: Task) -> None:
    """Settings of exemplars mean nothing where there are none."""
    without = f"has no effect with {key}.num_fewshot=0; leave it out, or set that too"
    if task.fewshot is not page.fewshot:
        raise ConfigError(f"{key}.fewshot={task.fewshot.value}: {without}")
    if task.dataset.fewshot_split != page.dataset.fewshot_split:
        raise ConfigError(f"{key}.dataset.fewshot_split={task.dataset.fewshot_split}: {without}")


def _check_published(key: str, task: Task, page: Task) -> None:
    if type(task).published_shots is Task.published_shots:
        others = ", ".join(policy.value for policy in Fewshot if policy is not Fewshot.published)
        raise ConfigError(f"{key}.fewshot=published: the task has no published exemplars; choose {others}")
    if task.dataset.fewshot_split != page.dataset.fewshot_split:
        raise ConfigError(
            f"{key}.dataset.fewshot_split={task.dataset.fewshot_split}: has no effect with {key}.fewshot=published; choose first or seeded"
        )
    if task.num_fewshot > page.num_fewshot and (most := _published(page)) is not None and task.num_fewshot > most:
        raise ConfigError(
            f"{key}.num_fewshot={task.num_fewshot}: {most} exemplars are published; set it lower, or draw them with {key}.fewshot=seeded"
        )


def _published(page: Task) -> int | None:
    """Exemplars published for every bundled item; None if there is no item to tell."""
    try:
        table = open_source(root=None, samples=True).table(page.dataset, page.dataset.split, page.samples_file())
        return min((len(page.published_shots(row)) for row in table.rows), default=None)
    except (DataError, ArithmeticError, LookupError, TypeError, ValueError):
        return None
