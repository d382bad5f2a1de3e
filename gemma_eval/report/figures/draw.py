"""Which figures a report has, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import matplotlib

from gemma_eval.card.rebuilt import Card
from gemma_eval.report.figures.calibration import reliability
from gemma_eval.report.figures.cost import against_cost
from gemma_eval.report.figures.failures import failure_rates
from gemma_eval.report.figures.history import histories
from gemma_eval.report.figures.published import against_published, differences
from gemma_eval.report.figures.size import against_size
from gemma_eval.report.figures.style import STYLE, Drawn
from gemma_eval.report.figures.subsets import by_subset
from gemma_eval.report.figures.weights import weights_against_weights
from gemma_eval.store.run_dir import RunDir


def figures(card: Card, runs: Sequence[RunDir]) -> Iterator[Drawn]:
    with matplotlib.rc_context(STYLE):
        yield from against_published(card)
        yield from differences(card)
        yield from against_size(card)
        yield from weights_against_weights(card, runs)
        yield from by_subset(card)
        yield from reliability(card, runs)
        yield from failure_rates(card)
        yield from against_cost(card)
        yield from histories(card)
