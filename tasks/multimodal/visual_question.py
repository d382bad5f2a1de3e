"""The common part of the pages with images, and helpers for their prompts."""

import hashlib
import re
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from gemma_eval.task import Generation, Image, Parts, Row, VisionTask, as_parts


@dataclass
class ImageTask(VisionTask, Generation):
    """Generates text about images. Gemma's processor puts a blank line before and after each image, so pages add none.

    If the Hub's copy of a benchmark has no train split, exemplars are drawn by seed from the scored split, and no item with one of their
    images is scored. Items with the same images are one cluster.
    """

    num_fewshot: int = 4

    text_only_shots: ClassVar[bool] = False  # True: exemplars are shown without their images

    @abstractmethod
    def query(self, row: Row) -> Parts: ...

    def row_images(self, row: Row) -> list[Image]:
        """The row's images, in the order shown. Raises `ValueError` if one is missing."""
        return [required_image(row["image"], "image")]

    def shot(self, row: Row) -> Parts:
        parts = as_parts(super().shot(row))
        if not self.text_only_shots:
            return parts
        text = "".join(part for part in parts if isinstance(part, str))
        return ("\n".join(line.strip() for line in text.split("\n")),)

    def image_key(self, row: Row, id: str) -> str:
        """A name for the row's images. By default a hash of their bytes, which must be read for it."""
        hashes = [part.sha256 for part in self.query(row) if isinstance(part, Image)]
        return hashlib.sha256("".join(hashes).encode()).hexdigest()[:16]

    def cluster(self, row: Row, config: str, id: str) -> str:
        return self.image_key(row, id)

    def overlap_key(self, row: Row, config: str, id: str) -> str:
        return self.image_key(row, id)


@dataclass
class VisualQuestion(ImageTask):
    """Images, a question and "Answer:". The answer is a few words on one line."""

    @abstractmethod
    def question(self, row: Row) -> str:
        """The question, with everything that belongs to it except its images."""

    def query(self, row: Row) -> Parts:
        return (*self.row_images(row), f"{self.question(row)}\nAnswer:")


def required_image(image: Image | None, column: str) -> Image:
    """The image. Raises `ValueError` if there is none."""
    if image is None:
        raise ValueError(f"no image in column {column!r}")
    return image


def place_images(text: str, row: Row, marks: re.Pattern[str]) -> Parts:
    """The text with the row's images in place of its marks. Group 1 of a mark is the number in `image_1`, `image_2`, ..."""
    pieces = marks.split(text)
    parts: list[str | Image] = list(pieces)
    parts[1::2] = [required_image(row[f"image_{number}"], f"image_{number}") for number in pieces[1::2]]
    return tuple(part for part in parts if part != "")


def lettered_options(options: list[str]) -> str:
    """The options as lines "A. ...", "B. ...", ..."""
    return "\n".join(f"{letter}. {option}" for letter, option in zip("ABCDEFGHIJ", options, strict=False))
