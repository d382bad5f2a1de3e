import re
from dataclasses import dataclass

from gemma_eval.metrics import remi
from gemma_eval.task import Average, DatasetRef, Row, register
from gemma_eval.types import JSON, Grade, Parts

from .visual_question import VisualQuestion, placed

MARK = re.compile(r"<image(\d)>")


@register
@dataclass
class ReMI(VisualQuestion):
    """ReMI (Kazemi et al., 2024, arXiv 2406.09175): reasoning over two to six pictures in 13 tasks of 200 items. Creative Commons.

    The report states 4-shot sampling without chain of thought; exemplars are of the item's own task, so that a prompt may hold
    30 pictures. The authors ask for JSON with an explanation; here for the answer alone. Their tolerances are kept. Mean
    over the 13 tasks.
    """

    dataset: DatasetRef = DatasetRef("mehrankazemi/ReMI", split="test", fewshot_split="test")

    name = "remi"
    card = "ReMI"
    undisclosed = (
        "Prompt and exemplars are not stated: the bare question and answer; four items of each task drawn by seed from test and not "
        "scored (train has two of each). Whether tolerances apply is not stated: the authors', by task."
    )
    average = Average.macro
    fewshot_by_subset = True

    def subset(self, row: Row, config: str) -> str:
        return str(row["task"])

    def question(self, row: Row) -> str:
        return str(row["question"]).strip()

    def query(self, row: Row) -> Parts:
        return placed(f"{self.question(row)}\nAnswer:", row, MARK)

    def golds(self, row: Row) -> list[str]:
        return [str(row["label"])]

    def target(self, row: Row) -> JSON:
        return {"label": str(row["label"]), "task": str(row["task"])}

    def grade(self, text: str, target: JSON) -> Grade:
        assert isinstance(target, dict)
        answer = text.strip()
        return Grade({self.primary: remi.correct(answer, str(target["label"]), str(target["task"]))}, answer or None)
