"""`gemma-eval tasks`: what can be run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from gemma_eval.commands.command import CommandParser
from gemma_eval.commands.exit_codes import DONE, MISSING

if TYPE_CHECKING:
    from gemma_eval.data.sources import Source
    from gemma_eval.report.table import TextTable
    from gemma_eval.task.base import Task

NAME = "tasks"
HELP = "list tasks: card row, shots, data and whether it can be had"


def add_arguments(parser: CommandParser) -> None:
    """Take a folder of data, and plugins."""
    parser.description = "List the tasks with card row, shots, data and whether it can be had."
    parser.add_argument("--data-root", metavar="FOLDER", help="look in this folder of dataset repositories instead of the Hub's cache")
    parser.add_argument("--plugin", action="append", default=[], metavar="FILE", help="add the tasks in this Python file")


def main(arguments: argparse.Namespace) -> int:
    """Print a row for each task."""
    from gemma_eval.data.sources import open_source
    from gemma_eval.report.console import default_console, print_table
    from gemma_eval.task.registry import load_plugins, plugin_errors, registry

    load_plugins(arguments.plugin)
    source = open_source(root=arguments.data_root, samples=False)
    print_table(task_table((cls() for _, cls in sorted(registry().items())), source), default_console())
    for error in plugin_errors():
        print(f"plugin refused: {error}", file=sys.stderr)
    return MISSING if plugin_errors() else DONE


def task_table(tasks: Iterable[Task], source: Source) -> TextTable:
    """The tasks, and whether their data is in `source`."""
    from gemma_eval.report.table import Kind, TextColumn, TextTable

    columns = [
        TextColumn("Task", Kind.name),
        TextColumn("Card row", Kind.name, rank=1),
        TextColumn("Shots", rank=1),
        TextColumn("Kind", Kind.name, rank=2),
        TextColumn("Availability", Kind.words, rank=3),
        TextColumn("Data", Kind.name, rank=5),
        TextColumn("Samples", Kind.name, rank=4),
    ]
    return TextTable("", columns, [_row(task, source) for task in tasks])


def _row(task: Task, source: Source) -> list[str]:
    from gemma_eval.task.base import MultipleChoice

    bundled = task.samples_file()
    return [
        task.name,
        task.card,
        str(task.num_fewshot),
        "scoring" if isinstance(task, MultipleChoice) else "generation",
        "generated" if task.dataset.generated else source.available(task.dataset, bundled),
        f"{task.dataset.origin or task.dataset.repo}:{task.dataset.split}",
        "bundled" if bundled.is_file() else "none",
    ]
