"""What the settings of a run need from the Hub, for `gemma-eval data`: listed, fetched, checked, and copied to and from mirrors.

A run that was started before goes on with the commits it has read, so these are the ones meant here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gemma_eval.checkpoint.resolve import hub_repository
from gemma_eval.data.hub_source import HubSource
from gemma_eval.data.sources import Source
from gemma_eval.errors import ConfigError, GemmaEvalError
from gemma_eval.hub import mirror
from gemma_eval.hub.download import Wanted
from gemma_eval.hub.mirror import Mirrored
from gemma_eval.hub.partial import PartialFile
from gemma_eval.run.earlier import recorded_rows, with_recorded_model
from gemma_eval.run.fetching import Needed, fetch_needed, needed
from gemma_eval.run.missing import Missing
from gemma_eval.run.model import open_model, open_renderer
from gemma_eval.run.prepare import build_all, open_data
from gemma_eval.settings import RunConfig


@dataclass(frozen=True)
class Supply:
    """A repository that a run reads. `tasks`: those that read it; none for a model. `refused`: why it cannot be had; "" if it can."""

    repo: str
    tasks: list[str]
    wanted: Wanted | None
    refused: str = ""


def listed(config: RunConfig) -> list[Supply]:
    """Every repository that these settings read, the model's first. Nothing is fetched but listings."""
    config = with_recorded_model(config)
    source = _hub(config)
    supplies = [_model(config)]
    readers: dict[str, list[str]] = defaultdict(list)
    for task in config.tasks:
        for read in task.reads():
            for repo in read.ref.repos():
                readers[repo].append(task.name)
    found = {one.snapshot.repo: one for one in source.wanted((read for task in config.tasks for read in task.reads()), whole=True)}
    for repo, tasks in readers.items():
        supplies.append(Supply(repo, list(dict.fromkeys(tasks)), found.get(repo), source.refused(repo)))
    return [supply for supply in supplies if supply is not None]


def _model(config: RunConfig) -> Supply | None:
    try:
        found = needed(config, open_data(config), data=False).model
    except GemmaEvalError as error:
        return Supply(hub_repository(config) or config.model.size, [], None, str(error))
    return Supply(found[0].snapshot.repo, [], found[0]) if found else None


@dataclass(frozen=True)
class Pulled:
    """What is in the cache now. `missing`: what could not be had, a message by task."""

    needed: Needed
    parts: list[PartialFile]
    missing: dict[str, str]


def pull(config: RunConfig) -> Pulled:
    """Fetch all that a run of these settings reads: weights, data, and the images of the rows that are drawn."""
    config = with_recorded_model(config)
    source = _hub(config)
    missing = Missing()
    found = needed(config, source)
    fetch_needed(found, source)
    for _ in build_all(config, source, recorded_rows(config), lambda: open_renderer(config, open_model(config)), missing):
        pass
    return Pulled(found, [part for part in source.parts() if part.have()], missing.by_task())


def damaged(config: RunConfig) -> Iterator[tuple[str, str]]:
    """The repositories and files whose content is not the Hub's, of all that these settings read and the cache or a mirror has."""
    if config.data.root:
        root = Path(config.data.root)
        for one in mirror.read_index(root).repositories:
            yield from ((one.repo, why) for why in mirror.damaged(one.files, one.folder(root), one.here))
        return
    for wanted in needed(with_recorded_model(config), _hub(config)).all:
        there = [name for name in wanted.names if (wanted.snapshot.folder / name).is_file()]
        yield from ((wanted.snapshot.repo, why) for why in mirror.damaged(wanted.snapshot.files, wanted.snapshot.folder, there))


def export(config: RunConfig, root: Path) -> tuple[list[Mirrored], dict[str, str]]:
    """Fetch all that these settings read and copy it into a mirror. Returns the repositories written, and what could not be had."""
    pulled = pull(config)
    whole = [Wanted(one.snapshot, tuple(name for name in one.names if one.snapshot.local(name))) for one in pulled.needed.all]
    return list(mirror.export(root, whole, pulled.parts)), pulled.missing


def _hub(config: RunConfig) -> HubSource:
    source: Source = open_data(config)
    if not isinstance(source, HubSource):
        chosen = "data=samples" if config.data.samples else f"data.root={config.data.root}"
        raise ConfigError(f"{chosen}: these settings read nothing from the Hub: leave it out")
    return source
