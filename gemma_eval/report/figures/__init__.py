"""The figures of a report, drawn by matplotlib. One with nothing to show is left out."""

from __future__ import annotations

from gemma_eval.report.figures.draw import figures
from gemma_eval.report.figures.export import inline_svg, save
from gemma_eval.report.figures.style import Drawn

__all__ = ["Drawn", "figures", "inline_svg", "save"]
