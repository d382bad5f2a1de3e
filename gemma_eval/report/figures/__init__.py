"""The figures of a report, drawn by matplotlib. A figure with nothing to show is left out; one that fails is named with the reason."""

from __future__ import annotations

from gemma_eval.report.figures.draw import Failed, figures, save_figures
from gemma_eval.report.figures.export import inline_svg
from gemma_eval.report.figures.style import Drawn

__all__ = ["Drawn", "Failed", "figures", "inline_svg", "save_figures"]
