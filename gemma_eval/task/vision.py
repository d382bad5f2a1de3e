"""Tasks whose prompts hold images."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from gemma_eval.data.rows import Row
from gemma_eval.settings import ImagesConfig, TaskImages
from gemma_eval.task.base import Task
from gemma_eval.types import Prompt


@dataclass
class VisionTask(Task):
    """A page may state how its images are shown (`images`); what it leaves open is the run's."""

    images: TaskImages = field(default_factory=TaskImages)

    vision = True

    def show_as(self, run: ImagesConfig) -> None:
        """Take from the run what is left open."""
        whole = self.images.within(run)
        self.images = TaskImages(**{setting.name: getattr(whole, setting.name) for setting in fields(TaskImages)})

    def prompt(self, row: Row, shots: list[Row]) -> Prompt:
        return replace(super().prompt(row, shots), images=self.images)

    def protocol(self) -> dict[str, Any]:
        """What is left open is as in the report; without Pan & Scan its thresholds change nothing."""
        report, shown = asdict(ImagesConfig()), asdict(self.images.within(ImagesConfig()))
        matter = {name for name in shown if shown["pan_and_scan"] and shown[name] != report[name]} | {"limit", "pan_and_scan"}
        plain = {name: value for name, value in super().protocol().items() if name != "images"}
        return plain | {f"images.{name}": value for name, value in shown.items() if name in matter}
