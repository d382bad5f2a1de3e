"""Runs of one configuration one after the other, as CI leaves them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator

from gemma_eval.card.rebuilt import Card, CardRun
from gemma_eval.report.figures.style import Drawn, Value, look, panels, plain, points, value_of

FEWEST = 3  # runs that make a history


def histories(card: Card) -> Iterator[Drawn]:
    groups: dict[str, list[int]] = defaultdict(list)
    for index, run in enumerate(card.runs):
        groups[json.dumps(run.model, sort_keys=True)].append(index)
    long = [members for members in groups.values() if len(members) >= FEWEST]
    for number, members in enumerate(long, 1):
        if tasks := _shared(card, members):
            yield _drawn(card, members, tasks, f"history_{number}" if len(long) > 1 else "history")


def _shared(card: Card, members: list[int]) -> list[str]:
    """Tasks that all these runs have, in one protocol."""
    first = card.runs[members[0]].tasks
    return [name for name in first if all(_protocol(card.runs[index], name) == _protocol(card.runs[members[0]], name) for index in members)]


def _protocol(run: CardRun, task: str) -> tuple[object, ...] | None:
    entry = run.tasks.get(task)
    return (entry["primary"], entry["num_fewshot"], entry["changed"], entry["source"]) if entry else None


def _drawn(card: Card, members: list[int], tasks: list[str], name: str) -> Drawn:
    figure, axes = panels(len(tasks), columns=4, width=2.1, height=1.5, sharex=True)
    for one, task in zip(axes, tasks, strict=True):
        values = [(place, value) for place, index in enumerate(members) if (value := _value(card.runs[index], task))]
        one.plot([place for place, _ in values], [value.value for _, value in values], color=look(0)["color"], linewidth=0.8)
        points(one, 0, [place for place, _ in values], [value for _, value in values])
        one.set_title(plain(task), fontsize=8)
    step = 1 + len(members) // 12
    axes[0].set_xticks(range(0, len(members), step), [card.runs[index].letter for index in members[::step]])  # all share them
    title = card.runs[members[0]].title
    caption = f"{title}: {len(members)} runs in the order given, with 95 % intervals. Tasks of one protocol in all of them."
    return Drawn(name, "History", caption, figure)


def _value(run: CardRun, task: str) -> Value | None:
    return value_of(task, run.tasks[task], run.tasks[task]["primary"])
