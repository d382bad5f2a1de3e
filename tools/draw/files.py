"""Writes the bundled samples: images, and rows as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, TypeAlias

from PIL import Image

from gemma_eval.runtime import paths

FOLDER = paths.TASKS / "multimodal" / "samples"
SampleRow: TypeAlias = dict[str, Any]


def save(image: Image.Image, name: str, **options: Any) -> SampleRow:
    """Save the image to `FOLDER / name`, and return how a row names it. PNGs get 32 colours; JPEGs stand for photographs and scans."""
    file = FOLDER / name
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".png" and image.mode == "RGB":
        image = image.quantize(32)
    image.save(file, optimize=True, **options)
    return {"path": name}


def write(task: str, items: Iterable[tuple[str, str, SampleRow]]) -> None:
    """Write the rows of a task. Each item is (configuration, split, row)."""
    lines = [json.dumps({"config": config, "split": split, "row": row}, ensure_ascii=False) for config, split, row in items]
    (FOLDER / f"{task}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def votes(text: str) -> list[str]:
    """The answers of ten annotators. "red*9|dark red" means nine times "red" and once "dark red"."""
    answers = []
    for part in text.split("|"):
        answer, _, count = part.partition("*")
        answers += [answer] * int(count or 1)
    assert len(answers) == 10, text
    return answers
