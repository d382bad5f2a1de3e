"""Scores of a benchmark's subsets: subjects, languages, tasks."""

from __future__ import annotations

from collections.abc import Iterator

from gemma_eval.card.rebuilt import Card
from gemma_eval.report.figures.style import FAINT, Drawn, Value, legend, offsets, points, rows_axes, run_label, value_of

FEWEST = 3  # subsets that are worth a chart


def by_subset(card: Card) -> Iterator[Drawn]:
    for task in dict.fromkeys(task for run in card.runs for task in run.tasks):
        values = {index: found for index, run in enumerate(card.runs) if (found := _values(task, run.tasks.get(task, {})))}
        if any(len(found) >= FEWEST for found in values.values()):
            yield _drawn(card, task, values)


def _values(task: str, entry: dict[str, object]) -> dict[str, Value]:
    subsets = entry.get("subsets", {})
    assert isinstance(subsets, dict)
    found = {name: value_of(task, subset, str(entry["primary"])) for name, subset in subsets.items()}
    return {name: value for name, value in found.items() if value}


def _drawn(card: Card, task: str, values: dict[int, dict[str, Value]]) -> Drawn:
    first = next(iter(values.values()))
    names = sorted({name for found in values.values() for name in found}, key=lambda name: -first[name].value if name in first else 1.0)
    figure, (axes,) = rows_axes(names, 0.165 + 0.03 * len(values))
    for (index, found), offset in zip(values.items(), offsets(len(values)), strict=True):
        places = [place + offset for place, name in enumerate(names) if name in found]
        points(axes, index, places, [found[name] for name in names if name in found], flat=True)
        if whole := value_of(task, card.runs[index].tasks[task], card.runs[index].tasks[task]["primary"]):
            axes.axvline(whole.value, color=FAINT, linewidth=0.8, linestyle="--")
    axes.set_xlabel("Score, in the card's unit (dashed: the whole benchmark)")
    legend(figure, [(index, run_label(card.runs[index])) for index in values])
    caption = "95 % intervals; sorted by the score of the first run that has them."
    return Drawn(f"subsets_{task}", f"{task}: {len(names)} subsets", caption, figure)
