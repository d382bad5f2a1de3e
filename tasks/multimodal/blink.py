from collections.abc import Callable
from dataclasses import dataclass, field

from gemma_eval.metrics import letters
from gemma_eval.task import Average, DatasetRef, Row, register
from gemma_eval.types import Image, Parts

from .visual_question import VisualQuestion

TASKS = [
    "Art_Style", "Counting", "Forensic_Detection", "Functional_Correspondence", "IQ_Test", "Jigsaw", "Multi-view_Reasoning",
    "Object_Localization", "Relative_Depth", "Relative_Reflectance", "Semantic_Correspondence", "Spatial_Relation",
    "Visual_Correspondence", "Visual_Similarity"
]  # fmt: skip


@register
@dataclass
class BLINK(VisualQuestion):
    """BLINK (Fu et al., 2024, arXiv 2404.12390): 14 tasks of perception on one to four pictures, as multiple choice. Apache 2.0.

    The report states 0-shot sampling. All pictures stand before the authors' prompt, which lists the choices. The answer is the
    letter it begins with, else of "answer is (X)", else the first in brackets; `leading` takes the first of these alone. Mean
    over the 14 tasks. Chance is about 38 %, where the card's scores lie.
    """

    dataset: DatasetRef = field(default_factory=lambda: DatasetRef("BLINK-Benchmark/BLINK", split="val", configs=list(TASKS)))
    num_fewshot: int = 0

    name = "blink"
    card = "BLINK"
    undisclosed = "The prompt is not stated: the authors', then 'Answer:'."
    average = Average.macro

    def subset(self, row: Row, config: str) -> str:
        return config

    def pictures(self, row: Row) -> list[Image]:
        columns = [row.get(f"image_{number}") for number in range(1, 5)]
        return [image for image in columns if image is not None]

    def question(self, row: Row) -> str:
        return str(row["prompt"]).strip()

    def query(self, row: Row) -> Parts:
        if not self.pictures(row):
            raise ValueError("no picture in columns image_1 to image_4")
        return super().query(row)

    def solution(self, row: Row) -> str:
        return f"({self.golds(row)[0]})"

    def golds(self, row: Row) -> list[str]:
        return [str(row["answer"]).strip("()")]

    def extract(self, text: str) -> str | None:
        return letters.first(text)

    def diagnostics(self) -> dict[str, Callable[[str], str | None]]:
        return {"leading": letters.leading}

    def judge(self, answer: str, golds: list[str]) -> float:
        return float(answer in golds)
