"""Which figures a report has, in order; each is drawn by itself, so that one that fails does not cost the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import matplotlib

from gemma_eval.card.rebuilt import Card
from gemma_eval.errors import GemmaEvalError
from gemma_eval.report.figures import calibration, cost, failures, history, published, size, subsets, weights
from gemma_eval.report.figures.export import encoded
from gemma_eval.report.figures.style import STYLE, Chart, Drawn
from gemma_eval.store.run_dir import RunDir

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Failed:
    """A figure that could not be drawn, and why."""

    name: str
    title: str
    reason: str

    def __str__(self) -> str:
        return f"{self.title}: this figure could not be drawn ({self.reason})"


def figures(card: Card, runs: Sequence[RunDir], render: Callable[[Drawn], T]) -> Iterator[tuple[Drawn, T] | Failed]:
    """Every figure that has something to show, with what `render` makes of it. `runs`: those of the card, in its order."""
    for chart in _charts(card, runs):
        try:
            with matplotlib.rc_context(STYLE):
                drawn = chart.draw()
            found = (drawn, render(drawn)) if drawn else None
        except Exception as error:  # whatever goes wrong in one figure, the report has others
            log.debug("%s", chart.title, exc_info=True)
            yield Failed(chart.name, chart.title, str(error) if isinstance(error, GemmaEvalError) else f"{type(error).__name__}: {error}")
        else:
            if found:
                yield found


def save_figures(card: Card, runs: Sequence[RunDir], folder: Path, form: str) -> Iterator[Path | Failed]:
    """Write every figure to a file in `folder`. `form`: svg, png or pdf. Yields the files, and the figures that failed, as it goes."""
    folder.mkdir(parents=True, exist_ok=True)
    for found in figures(card, runs, partial(encoded, form=form)):
        if isinstance(found, Failed):
            yield found
        else:
            drawn, content = found
            file = folder / f"{drawn.name}.{form}"
            file.write_bytes(content)
            yield file


def _charts(card: Card, runs: Sequence[RunDir]) -> Iterator[Chart]:
    yield from published.charts(card)
    yield from size.charts(card)
    yield from weights.charts(card, runs)
    yield from subsets.charts(card)
    yield from calibration.charts(card, runs)
    yield from failures.charts(card)
    yield from cost.charts(card)
    yield from history.charts(card)
