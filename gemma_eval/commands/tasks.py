"""Gemma-eval tasks."""

from __future__ import annotations

import argparse
import sys

from gemma_eval.commands.exit_codes import DONE, MISSING


def _tasks(arguments: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    from gemma_eval.data.sources import open_source
    from gemma_eval.task.registry import load_plugins, plugin_errors, registry

    load_plugins(arguments.plugin)
    source = open_source(root=arguments.data_root, samples=False)
    table = Table()
    for name in ["Task", "Card row", "Shots", "Kind", "Data", "Availability", "Samples"]:
        table.add_column(name, justify="right" if name == "Shots" else "left")
    for name, cls in sorted(registry().items()):
        task = cls()
        kind = "scoring" if any(base.__name__ == "MultipleChoice" for base in cls.__mro__) else "sampling"
        bundled = "bundled" if cls.samples_file().is_file() else "none"
        available = "generated" if task.dataset.generated else source.available(task.dataset, cls.samples_file())
        table.add_row(name, cls.card, str(task.num_fewshot), kind, f"{task.dataset.repo}:{task.dataset.split}", available, bundled)
    Console().print(table)
    for error in plugin_errors():
        print(f"plugin refused: {error}", file=sys.stderr)
    return MISSING if plugin_errors() else DONE
