from dataclasses import dataclass

from gemma_eval.metrics import letters
from gemma_eval.task import DatasetRef, Row, register

from .visual_question import VisualQuestion


@register
@dataclass
class SpatialSense(VisualQuestion):
    """SpatialSense (Yang et al., 2019, arXiv 1908.02660): whether a spatial relation holds between two things in a photograph. CC BY 4.0.

    The report states 4-shot sampling on the validation split, as questions whose form is Google's own. Half are true. No
    copy is on the Hub: put the authors' annotations.json (zenodo.org/records/8104370) into
    FOLDER/princeton-vl/SpatialSense as train.jsonl and validation.jsonl, a picture a line, with "image": {"path": "images/..."}
    added to each, and set data.root=FOLDER.
    """

    dataset: DatasetRef = DatasetRef("princeton-vl/SpatialSense", split="validation", fewshot_split="train", each="annotations")
    max_tokens: int = 8

    name = "spatialsense"
    card = "SpatialSense VQA"
    undisclosed = (
        "The question's form, prompt and exemplars are not stated: 'Is the <subject> <predicate> the <object>?', yes or no; four "
        "relations drawn by seed from train."
    )

    def question(self, row: Row) -> str:
        return f"Is the {row['subject']['name']} {row['predicate']} the {row['object']['name']}?"

    def golds(self, row: Row) -> list[str]:
        return ["yes" if row["label"] else "no"]

    def picture(self, row: Row, id: str) -> str:
        return id.rpartition("-")[0]

    def extract(self, text: str) -> str | None:
        return letters.yes_or_no(text)

    def judge(self, answer: str, golds: list[str]) -> float:
        return float(answer in golds)
