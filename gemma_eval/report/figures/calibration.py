"""Whether the model's choices are right as often as its probabilities say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from gemma_eval.card.rebuilt import Card
from gemma_eval.compare.choice_shift import choice_of
from gemma_eval.report.figures.style import FAINT, Chart, Plot, Value, label_text, legend, look, panels, points, run_label
from gemma_eval.stats import intervals as stats
from gemma_eval.store.run_dir import RunDir
from gemma_eval.task.configured import configured_tasks

BINS = 10
FEWEST = 5  # items of a bin that is shown


@dataclass(frozen=True)
class Bin:
    """`n` items with about this confidence, and the share of them that was right, both in percent."""

    confidence: float
    n: int
    right: Value


def charts(card: Card, runs: Sequence[RunDir]) -> Iterator[Chart]:
    """The figure."""
    yield Chart("calibration", "Calibration of multiple choices", partial(_plot, card, runs))


def _plot(card: Card, runs: Sequence[RunDir]) -> Plot | None:
    found = {(task, index): bins for index, run in enumerate(runs) for task, bins in _tasks(run)}
    tasks = list(dict.fromkeys(task for task, _ in found))
    if not tasks:
        return None
    figure, axes = panels(len(tasks), columns=4, width=1.95, height=2.0, sharex=True, sharey=True)
    for one, task in zip(axes, tasks, strict=True):
        one.plot([0, 100], [0, 100], color=FAINT, linewidth=0.8)
        errors = []
        for index in (index for index in range(len(runs)) if (task, index) in found):
            bins = found[task, index]
            points(one, index, [each.confidence for each in bins], [each.right for each in bins])
            one.plot([each.confidence for each in bins], [each.right.value for each in bins], color=look(index)["color"], linewidth=0.8)
            errors.append(f"{expected_error(bins):.1f}")
        one.set(xlim=(0, 104), ylim=(0, 104), xticks=range(0, 101, 25), yticks=range(0, 101, 25))
        one.set_title(f"{label_text(task)}\nerror {', '.join(errors[:4])}{', ...' if len(errors) > 4 else ''}", fontsize=8)
    figure.supxlabel("Probability of the likeliest choice, %", fontsize=8.5)
    figure.supylabel("Right, %", fontsize=8.5)
    legend(figure, [(index, run_label(run)) for index, run in enumerate(card.runs) if any(index == i for _, i in found)])
    return Plot(
        figure,
        "The probability of an item's likeliest choice against how often it is right. The likelihoods of the choices are scaled to add up "
        f"to one; the length of a choice does not count. There are ten bins, with 95 % intervals; bins of fewer than {FEWEST} items are "
        "left out. Below the line, the model is overconfident. error: expected calibration error in points, by run.",
    )


def _tasks(run: RunDir) -> Iterator[tuple[str, list[Bin]]]:
    """The run's tasks of multiple choices, with their bins."""
    for name, task in configured_tasks(run.manifest.settings(), run.manifest.plugins).items():
        records = run.records(name)
        choices = [choice_of(task, record) for record in records]
        asked = [(choice, record.cluster) for choice, record in zip(choices, records, strict=True) if choice]
        confidences = [100 * float(np.exp(choice.distribution.max())) for choice, _ in asked]
        right = [float(int(choice.distribution.argmax()) == choice.gold) for choice, _ in asked]
        if bins := binned(confidences, right, [cluster for _, cluster in asked]):
            yield name, bins


def binned(confidences: Sequence[float], right: Sequence[float], clusters: Sequence[str]) -> list[Bin]:
    """Bins of equal width, without those of too few items. confidences (percent), right (0 or 1), clusters: [items]."""
    places = [min(int(confidence * BINS / 100), BINS - 1) for confidence in confidences]
    members = [[index for index, place in enumerate(places) if place == number] for number in range(BINS)]
    return [_bin(confidences, right, clusters, chosen) for chosen in members if len(chosen) >= FEWEST]


def _bin(confidences: Sequence[float], right: Sequence[float], clusters: Sequence[str], chosen: Sequence[int]) -> Bin:
    share = stats.estimate([right[index] for index in chosen], [clusters[index] for index in chosen])
    ends = (share.value, share.value) if math.isnan(share.stderr) else (share.low, share.high)
    return Bin(
        float(np.mean([confidences[index] for index in chosen])), len(chosen), Value(100 * share.value, *(100 * end for end in ends))
    )


def expected_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error in points: the mean distance of confidence and accuracy, over the items of the bins."""
    return sum(one.n * abs(one.confidence - one.right.value) for one in bins) / sum(one.n for one in bins)
