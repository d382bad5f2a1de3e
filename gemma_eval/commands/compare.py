"""Gemma-eval compare."""

from __future__ import annotations

import argparse

from gemma_eval.commands.exit_codes import DONE
from gemma_eval.errors import ConfigError

COMPARISON_FORMS = ("markdown", "json", "html")


# -- commands without settings ----------------------------------------------------------------------------------


def _compare(arguments: argparse.Namespace) -> int:
    import json

    from gemma_eval.compare import compare, load
    from gemma_eval.report.comparison import headline, tables, to_json, to_markdown
    from gemma_eval.report.console import default_console, print_lines, print_table
    from gemma_eval.report.html import comparison_html

    if len(arguments.runs) < 2:
        raise ConfigError("compare needs two runs or more: gemma-eval compare A B")
    first, *others = (load(run) for run in arguments.runs)
    found = [compare(first, other) for other in others]
    written = {
        "markdown": lambda: to_markdown(found),
        "json": lambda: json.dumps([to_json(one) for one in found], ensure_ascii=False, indent=1) + "\n",
        "html": lambda: comparison_html(found),
    }
    forms = {form: file for form in COMPARISON_FORMS if (file := getattr(arguments, form))}
    for form, file in forms.items():
        _write(file, written[form]())
    if not forms:
        console = default_console()
        for one in found:
            print_lines(headline(one), console)
            for table in tables(one):
                print_table(table, console)
    return DONE


def _write(file: str, text: str) -> None:
    from pathlib import Path

    if file == "-":
        print(text, end="")
    else:
        Path(file).write_text(text, encoding="utf-8")
