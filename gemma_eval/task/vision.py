"""Tasks whose prompts hold images."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self

from gemma_eval.data.rows import Row
from gemma_eval.settings import ImagesConfig, TaskImages
from gemma_eval.task.base import Task
from gemma_eval.types import Prompt


@dataclass
class VisionTask(Task):
    """A task with images. `images` says how its prompts show them; what it leaves None is as in the run's settings."""

    images: TaskImages = field(default_factory=TaskImages)

    vision = True

    def with_images(self, run: ImagesConfig) -> Self:
        """The task with the run's image settings where its own are None."""
        images = self.images.within(run)
        return replace(self, images=TaskImages(**{setting.name: getattr(images, setting.name) for setting in fields(TaskImages)}))

    def prompt(self, row: Row, shots: list[Row]) -> Prompt:
        """As `Task.prompt`, with the image settings."""
        return replace(super().prompt(row, shots), images=self.images)

    def protocol(self) -> dict[str, Any]:
        """As `Task.protocol`, with the image settings that can change a score.

        A setting that is None counts as the report's. The thresholds of Pan & Scan count only if it is on and they differ from the
        report's.
        """
        report, own = asdict(ImagesConfig()), asdict(self.images.within(ImagesConfig()))
        relevant = {name for name in own if own["pan_and_scan"] and own[name] != report[name]} | {"limit", "pan_and_scan"}
        others = {name: value for name, value in super().protocol().items() if name != "images"}
        return others | {f"images.{name}": value for name, value in own.items() if name in relevant}
