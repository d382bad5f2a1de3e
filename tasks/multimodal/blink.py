from collections.abc import Callable
from dataclasses import dataclass, field

from gemma_eval.metrics import blink, letters
from gemma_eval.task import Average, DatasetRef, Image, Parts, Row, register

from .visual_question import VisualQuestion

TASKS = [
    "Art_Style", "Counting", "Forensic_Detection", "Functional_Correspondence", "IQ_Test", "Jigsaw", "Multi-view_Reasoning",
    "Object_Localization", "Relative_Depth", "Relative_Reflectance", "Semantic_Correspondence", "Spatial_Relation",
    "Visual_Correspondence", "Visual_Similarity"
]  # fmt: skip


@register
@dataclass
class BLINK(VisualQuestion):
    """BLINK (Fu et al., 2024, arXiv 2404.12390): 14 tasks of perception on one to four images, as multiple choice.

    Licence: Apache 2.0. Card row: "BLINK".

    The report states zero-shot sampling. It does not give the prompt: we use the authors', which lists the choices, after all images.
    The score is the mean over the 14 tasks. Chance is about 38 %, close to the card's scores.

    The answer is the letter that the reply states or begins with, else the only one that it names in parentheses or as a point. The
    diagnostic `leading` takes a letter at the start alone. `authors` is the authors' rule, a reply for which they ask a model being wrong.
    """

    dataset: DatasetRef = field(
        default_factory=lambda: DatasetRef(
            "BLINK-Benchmark/BLINK", split="val", configs=list(TASKS), pinned="a3666eb249237ba3d5eca8db21176cc47967e040"
        )
    )
    num_fewshot: int = 0

    name = "blink"
    card = "BLINK"
    undisclosed = "Google does not publish its prompt; we use the authors', followed by 'Answer:'."
    average = Average.macro

    def subset(self, row: Row, config: str) -> str:
        return config

    def row_images(self, row: Row) -> list[Image]:
        columns = [row.get(f"image_{number}") for number in range(1, 5)]
        return [image for image in columns if image is not None]

    def question(self, row: Row) -> str:
        return str(row["prompt"]).strip()

    def query(self, row: Row) -> Parts:
        if not self.row_images(row):
            raise ValueError("no image in columns image_1 to image_4")
        return super().query(row)

    def solution(self, row: Row) -> str:
        return f"({self.golds(row)[0]})"

    def golds(self, row: Row) -> list[str]:
        answer = f"({str(row['answer']).strip('()')})"
        if answer not in row["prompt"]:
            raise ValueError(f"answer {answer} is not among the options of the prompt")
        return [answer[1:-1]]

    def extract(self, text: str) -> str | None:
        return blink.letter(text)

    def diagnostics(self) -> dict[str, Callable[[str], str | None]]:
        return {"leading": letters.leading, "authors": blink.authors}

    def judge(self, answer: str, golds: list[str]) -> float:
        return float(answer in golds)
