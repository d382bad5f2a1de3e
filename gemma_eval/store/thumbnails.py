"""`images/<sha256>.jpg`: small copies of the images in a run's prompts. The data set may be gone when someone looks at the items."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from gemma_eval.errors import PromptError
from gemma_eval.prompt.images import thumbnail
from gemma_eval.runtime.disk import naming
from gemma_eval.store.run_dir import RunDir
from gemma_eval.types import Image


def thumbnail_file(run: RunDir, sha256: str) -> Path:
    """Where the thumbnail of an image is, if the run kept one."""
    return run.path / "images" / f"{sha256}.jpg"


class Thumbnails:
    """Keeps a small copy of each image, no side longer than `side` pixels; 0 keeps none. Copies are made as answers arrive."""

    def __init__(self, run: RunDir, side: int) -> None:
        self._run = run
        self._side = side
        self._kept: set[str] = set()

    def keep(self, images: Iterable[Image]) -> None:
        """Write the copies that are not there yet. An image that cannot be read is left out: its own answer says why."""
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
            return
        file.parent.mkdir(exist_ok=True)
        scratch = file.with_suffix(f".{os.getpid()}.part")  # another process of the run may be writing the same image
        with naming(file):
            scratch.write_bytes(small)
            scratch.replace(file)
