"""Comparisons as one HTML page without scripts or outside files."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from gemma_eval.compare import Comparison
from gemma_eval.report.comparison import EXPLAINED, TextTable, headline, tables

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
table { border-collapse: collapse; margin: 0 0 1.5rem }
caption { text-align: left; font-weight: 600; padding: .3rem 0 }
th, td { padding: .2rem .7rem; border-bottom: 1px solid #ddd; text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
th:first-child, td:first-child { text-align: left; padding-left: 0 }
p.note { color: #555; max-width: 60rem }
"""


def comparison_html(comparisons: Sequence[Comparison]) -> str:
    body = [part for found in comparisons for part in _section(found)]
    head = f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Comparison</title><style>{STYLE}</style></head>'
    return "\n".join([head, "<body>", *body, f'<p class="note">{escape(EXPLAINED)}</p>', "</body></html>"]) + "\n"


def _section(found: Comparison) -> list[str]:
    lines = "".join(f"<li>{escape(line.removeprefix('- '))}</li>" for line in headline(found))
    return [
        f"<h2>{escape(found.b.name)} against {escape(found.a.name)}</h2>",
        f"<ul>{lines}</ul>",
        *(_table(table) for table in tables(found)),
    ]


def _table(table: TextTable) -> str:
    header = "".join(f"<th>{escape(name)}</th>" for name in table.header)
    rows = "\n".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows)
    return f"<table><caption>{escape(table.title)}</caption><thead><tr>{header}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>"
