"""What tasks make of the rows of a local Hub, in a child process. The child imports this module too."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

from gemma_eval.data.hub_source import HubSource
from gemma_eval.data.sources import Source, open_source
from gemma_eval.errors import GemmaEvalError
from gemma_eval.hub.connection import connection
from gemma_eval.hub.download import fetch
from gemma_eval.task.base import Task
from gemma_eval.task.registry import registry
from gemma_eval.task.samples import build
from gemma_eval.types import Image, Sample

if TYPE_CHECKING:
    from tests.hub.log import LoggedRequest, RequestLog
    from tests.hub.server import LocalHub

Built = Mapping[str, Any]
"""What one task made of its rows: see `_summary`; or {"error": ...}."""

CODE = """
import json, sys
sys.path.insert(0, {project!r})
from tests.hub.reading import starts
value = starts(json.loads({settings!r}))
"""
OVER = "/over"  # what is asked of the Hub when a start is over, so that its log shows where the next one begins


def read(hub: LocalHub, home: Path, tasks: Mapping[str, int | None], *, offline: bool = False, **settings: Any) -> dict[str, Built]:
    """`built` in a child process. `home`, `offline`: see `LocalHub.environment`."""
    (found,) = read_each(hub, home, {"limits": tasks, **settings}, offline=offline)
    return found


def read_each(hub: LocalHub, home: Path, *settings: Mapping[str, Any], offline: bool = False) -> list[dict[str, Built]]:
    """`built` with each of these settings, one after the other in one child process, which saves time."""
    from tests.hub import children

    found: list[dict[str, Built]] = children.value(hub, home, code(*settings), offline=offline)
    return found


def by_start(log: RequestLog) -> list[list[LoggedRequest]]:
    """The requests of each start that is over."""
    found: list[list[LoggedRequest]] = [[]]
    for request in log:
        if request.path == OVER:
            found.append([])
        else:
            found[-1].append(request)
    return found[:-1]


def code(*settings: Mapping[str, Any]) -> str:
    """The child's program."""
    return CODE.format(project=str(Path(__file__).parents[2]), settings=json.dumps(settings, default=str))


def starts(settings: Sequence[Mapping[str, Any]]) -> list[dict[str, Built]]:
    """`built` with each of these settings."""
    found = []
    for one in settings:
        found.append(built(**one))
        with suppress(OSError), urlopen(f"{os.environ['HF_ENDPOINT']}{OVER}", timeout=3):
            pass
    return found


def built(
    limits: Mapping[str, int | None], *, root: str | None = None, lock: str | None = None, update: bool = False, seed: int = 0
) -> dict[str, Built]:
    """What each task makes of its rows. `limits`: by task. The others: see `open_source`. Files are fetched ahead, as a run does."""
    tasks = [_task(name, limit, seed) for name, limit in limits.items()]
    source = open_source(root=root, samples=False, lock=lock, update=update)
    if isinstance(source, HubSource):
        source.note_failed(fetch(connection(), source.wanted(read for task in tasks for read in task.reads())))
    return {task.name: _outcome(task, source) for task in tasks}


def _task(name: str, limit: int | None, seed: int) -> Task:
    task = registry()[name]()
    task.limit, task.seed = limit, seed
    return task


def _outcome(task: Task, source: Source) -> Built:
    try:
        return _summary(task, source)
    except GemmaEvalError as error:
        return {"error": str(error)}


def _summary(task: Task, source: Source) -> Built:
    """Ids of the samples, hashes of their prompts with exemplars and images, all that is recorded of the rows, and what is missing."""
    found = build(task, source)
    return {
        "ids": [sample.id for sample in found.samples],
        "prompts": [_sha256(sample) for sample in found.samples],
        "size": found.size,
        "provenance": asdict(found.provenance),
        "missing": dict(found.missing),
    }


def _sha256(sample: Sample) -> str:
    prompt = sample.request.prompt
    parts = [*prompt.header, *(part for shot in prompt.shots for part in shot), *prompt.query, prompt.reply]
    return hashlib.sha256("\0".join(_content(parts)).encode()).hexdigest()


def _content(parts: Iterable[str | Image]) -> Iterator[str]:
    """Text as it is, images by the hash of their bytes."""
    return (part.sha256 if isinstance(part, Image) else part for part in parts)
