"""What the pages with questions about pictures have in common."""

import hashlib
import re
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from gemma_eval.task import Generation, Row, VisionTask
from gemma_eval.types import Image, Parts, as_parts


@dataclass
class OnPictures(VisionTask, Generation):
    """Something generated from pictures. Gemma's processor sets each off by blank lines, so that pages add none.

    Where the Hub's copy of a benchmark has no train split, exemplars are drawn by seed from the scored split, and no item
    on their pictures is scored. Items on one picture are one cluster of the interval.
    """

    num_fewshot: int = 4

    text_only_shots: ClassVar[bool] = False

    @abstractmethod
    def query(self, row: Row) -> Parts: ...

    def pictures(self, row: Row) -> list[Image]:
        return [present(row["image"], "image")]

    def shot(self, row: Row) -> Parts:
        parts = as_parts(super().shot(row))
        if not self.text_only_shots:
            return parts
        text = "".join(part for part in parts if isinstance(part, str))
        return ("\n".join(line.strip() for line in text.split("\n")),)

    def picture(self, row: Row, id: str) -> str:
        """What names the row's pictures. By default their content, which has to be read."""
        pictures = [part.sha256 for part in self.query(row) if isinstance(part, Image)]
        return hashlib.sha256("".join(pictures).encode()).hexdigest()[:16]

    def cluster(self, row: Row, config: str, id: str) -> str:
        return self.picture(row, id)

    def overlap_key(self, row: Row, config: str, id: str) -> str:
        return self.picture(row, id)


@dataclass
class VisualQuestion(OnPictures):
    """Pictures, a question, "Answer:", and a few words on one line."""

    @abstractmethod
    def question(self, row: Row) -> str:
        """The question, with all that belongs to it but its pictures."""

    def query(self, row: Row) -> Parts:
        return (*self.pictures(row), f"{self.question(row)}\nAnswer:")


def present(image: Image | None, column: str) -> Image:
    if image is None:
        raise ValueError(f"no picture in column {column!r}")
    return image


def placed(text: str, row: Row, marks: re.Pattern[str]) -> Parts:
    """The text with the row's pictures where their marks stand. Group 1 of a mark is the number in `image_1`, `image_2`, ..."""
    pieces = marks.split(text)
    mixed: list[str | Image] = list(pieces)
    mixed[1::2] = [present(row[f"image_{number}"], f"image_{number}") for number in pieces[1::2]]
    return tuple(piece for piece in mixed if piece != "")


def lettered(options: list[str]) -> str:
    return "\n".join(f"{letter}. {option}" for letter, option in zip("ABCDEFGHIJ", options, strict=False))
