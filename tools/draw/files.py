"""Where the bundled image samples are written."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, TypeAlias

from PIL import Image

from gemma_eval.runtime import paths

FOLDER = paths.TASKS / "multimodal" / "samples"
Row: TypeAlias = dict[str, Any]


def save(image: Image.Image, name: str, **options: Any) -> Row:
    """The picture in a file of its own, as a row names it. PNG in few colours; JPEG for what a camera or a scanner would give."""
    file = FOLDER / name
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".png" and image.mode == "RGB":
        image = image.quantize(32)
    image.save(file, optimize=True, **options)
    return {"path": name}


def write(task: str, items: Iterable[tuple[str, str, Row]]) -> None:
    """Rows as (configuration, split, row)."""
    lines = [json.dumps({"config": config, "split": split, "row": row}, ensure_ascii=False) for config, split, row in items]
    (FOLDER / f"{task}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def votes(text: str) -> list[str]:
    """Ten answers, from "red*9|dark red"."""
    answers = []
    for part in text.split("|"):
        answer, _, count = part.partition("*")
        answers += [answer] * int(count or 1)
    assert len(answers) == 10, text
    return answers
