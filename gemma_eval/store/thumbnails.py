"""`images/<sha256>.jpg`: small pictures of what the prompts of a run show. The data set itself may be gone when someone looks."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from gemma_eval.errors import PromptError
from gemma_eval.prompt.images import thumbnail
from gemma_eval.store.run_dir import RunDir
from gemma_eval.types import Image


def thumbnail_file(run: RunDir, sha256: str) -> Path:
    return run.path / "images" / f"{sha256}.jpg"


class Thumbnails:
    """Keeps one picture of each image, made as answers arrive, so that a run begins no later for them."""

    def __init__(self, run: RunDir, side: int) -> None:
        self._run = run
        self._side = side
        self._kept: set[str] = set()

    def keep(self, images: Iterable[Image]) -> None:
        for image in images:
            if self._side and image.sha256 not in self._kept:
                self._kept.add(image.sha256)
                self._write(image)

    def _write(self, image: Image) -> None:
        file = thumbnail_file(self._run, image.sha256)
        if file.is_file():
            return
        try:
            small = thumbnail(image, self._side)
        except PromptError:
            return  # the answer says what is wrong with it
        file.parent.mkdir(exist_ok=True)
        scratch = file.with_suffix(f".{os.getpid()}.part")  # another process of the run may be at the same picture
        scratch.write_bytes(small)
        scratch.replace(file)
