"""The card as a LaTeX document of booktabs tables. `pdflatex` compiles it; each table can also be copied into a paper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from gemma_eval.card.rebuilt import Card
from gemma_eval.report.grid import EXPLAINED, LEGEND, Column, Grid, GridCell, grid, legend, split

ABREAST = 5  # runs that fit a landscape page
WIDTHS = {"Remarks": 6.0}  # centimetres of columns of words
WIDTH = 2.6  # of the others

PREAMBLE = r"""\documentclass[a4paper]{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}
\usepackage{textcomp,amssymb,array,booktabs}
\usepackage[landscape,margin=15mm]{geometry}
\setlength{\tabcolsep}{4pt}
\setlength{\parindent}{0pt}
\newcolumntype{w}[1]{>{\raggedright\arraybackslash}p{#1}}
\begin{document}
\footnotesize"""

SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
    "-": "{-}",  # two of them are no dash
    "✓": r"$\checkmark$",
    "✗": r"$\times$",
} | {sign: f"\\{sign}" for sign in "&%$#_{}"}


def to_latex(card: Card) -> str:
    parts = [PREAMBLE]
    for part in split(card, ABREAST):
        alone = len(card.runs) == 1
        about = [f"{run.title}; run {run.name}" for run in part.runs] if alone else [*legend(part.runs), f"{LEGEND}."]
        parts += [_lines(about), *("\n".join(_table(grid(sheet, part.runs))) for sheet in part.sheets)]
    return "\n\n".join([*parts, escape(EXPLAINED.replace("*", "")), r"\end{document}"]) + "\n"


def _table(shown: Grid) -> Iterator[str]:
    filled = [index for index in range(len(shown.columns)) if index == 0 or any(row[index].text for row in shown.rows)]
    columns = [shown.columns[index] for index in filled]
    yield rf"\textbf{{{escape(shown.title)}}}\par\nopagebreak\smallskip"
    yield rf"\begin{{tabular}}{{@{{}}l{_alignments(columns[1:])}@{{}}}}"
    yield r"\toprule"
    yield from _headings(columns)
    yield _row([escape(column.name) for column in columns])
    yield r"\midrule"
    for row in shown.rows:
        yield _row([_cell(row[index]) for index in filled])
    yield r"\bottomrule"
    yield r"\end{tabular}\par\smallskip"
    yield _lines([f"[{number}] {note}" for number, note in enumerate(shown.notes, 1)]) + r"\bigskip"


def _alignments(columns: Sequence[Column]) -> str:
    return "".join(f"w{{{WIDTHS.get(column.name, WIDTH)}cm}}" if column.words else "r" for column in columns)


def _headings(columns: Sequence[Column]) -> Iterator[str]:
    """The line of headings over several columns, with a rule under each."""
    groups = [(name, len(list(members))) for name, members in groupby(column.group for column in columns)]
    if not any(name for name, _ in groups):
        return
    yield _row([rf"\multicolumn{{{count}}}{{c}}{{{escape(name)}}}" for name, count in groups])
    start = 1
    for name, count in groups:
        if name:
            yield rf"\cmidrule(lr){{{start}-{start + count - 1}}}"
        start += count


def _cell(entry: GridCell) -> str:
    text = rf"\textbf{{{escape(entry.text)}}}" if entry.own else escape(entry.text)
    return rf"{text}\textsuperscript{{{entry.note}}}" if entry.note else text


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _lines(texts: Sequence[str]) -> str:
    return "".join(escape(text) + "\\par\n" for text in texts)


def escape(text: str) -> str:
    """Plain text for pdflatex: its signs as signs, and characters its fonts lack by their number."""
    return "".join(SPECIAL.get(sign, sign if _known(sign) else f"[U+{ord(sign):04X}]") for sign in text.replace("\n", " "))


def _known(sign: str) -> bool:
    """ASCII and Latin-1."""
    return " " <= sign <= "~" or "\u00a1" <= sign <= "\u00ff"
