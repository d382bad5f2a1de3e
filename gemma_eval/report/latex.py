"""The card as a LaTeX document of booktabs tables. `pdflatex` compiles it, and each table can be copied into a paper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from gemma_eval.card.rebuilt import Card
from gemma_eval.report.grid import EXPLAINED, LEGEND, REMARKS, Grid, GridCell, grid, legend, split
from gemma_eval.report.notes import run_notes
from gemma_eval.report.table import NO_BREAK, TextColumn

ABREAST = 5  # runs that fit a landscape page
REMARKS_WIDTH, WORDS_WIDTH = 4.0, 2.6  # centimetres of the remarks, and of other columns of words

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
    NO_BREAK: "~",
    "✓": r"$\checkmark$",
    "✗": r"$\times$",
} | {sign: f"\\{sign}" for sign in "&%$#_{}"}


def to_latex(card: Card) -> str:
    """The whole card as a document: which runs it shows, its tables with their footnotes, and how to read them."""
    parts = [PREAMBLE]
    for part in split(card, ABREAST):
        alone = len(card.runs) == 1
        about = [f"{run.title}; run {run.name}" for run in part.runs] if alone else [*legend(part.runs), f"{LEGEND}."]
        about += run_notes(part.runs)
        parts += [_lines(about), *("\n".join(_table(grid(sheet, part.runs))) for sheet in part.sheets)]
    return "\n\n".join([*parts, escape(EXPLAINED), r"\end{document}"]) + "\n"


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


def _alignments(columns: Sequence[TextColumn]) -> str:
    widths = [REMARKS_WIDTH if column.name == REMARKS else WORDS_WIDTH for column in columns]
    return "".join("r" if column.is_number else f"w{{{width}cm}}" for column, width in zip(columns, widths, strict=True))


def _headings(columns: Sequence[TextColumn]) -> Iterator[str]:
    """The line of headings over several columns, with a rule under each heading."""
    groups = [(name, len(list(members))) for name, members in groupby(column.group for column in columns)]
    if not any(name for name, _ in groups):
        return
    yield _row([rf"\multicolumn{{{count}}}{{c}}{{{escape(name)}}}" for name, count in groups])
    start = 1
    for name, count in groups:
        if name:
            yield rf"\cmidrule(lr){{{start}-{start + count - 1}}}"
        start += count


def _cell(cell: GridCell) -> str:
    text = rf"\textbf{{{escape(cell.text)}}}" if cell.own else escape(cell.text)
    return rf"{text}\textsuperscript{{{cell.note}}}" if cell.note else text


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _lines(texts: Sequence[str]) -> str:
    return "".join(escape(text) + "\\par\n" for text in texts)


def escape(text: str) -> str:
    """The text for pdflatex: its special characters escaped, and characters that its fonts lack as [U+6F22]."""
    return "".join(SPECIAL.get(sign, sign if _known(sign) else f"[U+{ord(sign):04X}]") for sign in text.replace("\n", " "))


def _known(sign: str) -> bool:
    """ASCII and Latin-1."""
    return " " <= sign <= "~" or "\u00a1" <= sign <= "\u00ff"
