import re
from dataclasses import dataclass

from gemma_eval.metrics import remi
from gemma_eval.task import JSON, Average, DatasetRef, Grade, Parts, Row, register

from .visual_question import VisualQuestion, place_images

MARK = re.compile(r"<image(\d)>")


@register
@dataclass
class ReMI(VisualQuestion):
    """ReMI (Kazemi et al., 2024, arXiv 2406.09175): reasoning over two to six images, in 13 tasks of 200 items.

    Licence: Creative Commons. Card row: "ReMI".

    The report states 4-shot sampling without chain of thought. It gives neither prompt nor examples: the authors ask for JSON with an
    explanation, we ask for the answer alone. We draw four items of each task of the test split and do not score them, since train has
    only two. A prompt may thus hold 30 images. The score is the mean over the 13 tasks.

    The report does not say whether it applies the authors' tolerances. We do: they depend on the task.
    """

    dataset: DatasetRef = DatasetRef("mehrankazemi/ReMI", split="test", fewshot_split="test")

    name = "remi"
    card = "ReMI"
    undisclosed = (
        "Google does not publish its prompt or examples, or say whether it applied the authors' tolerances; we ask for the bare answer "
        "and apply them. Four items of each task are drawn from test as unscored examples (seed 1234 by default), since train has only "
        "two."
    )
    average = Average.macro
    fewshot_by_subset = True

    def subset(self, row: Row, config: str) -> str:
        return str(row["task"])

    def question(self, row: Row) -> str:
        return str(row["question"]).strip()

    def query(self, row: Row) -> Parts:
        return place_images(f"{self.question(row)}\nAnswer:", row, MARK)

    def golds(self, row: Row) -> list[str]:
        label = str(row["label"])
        if not remi.correct(label, label, row["task"]):
            raise ValueError(f"label {label!r} is no answer that task {row['task']!r} can have")
        return [label]

    def target(self, row: Row) -> JSON:
        return {"label": self.golds(row)[0], "task": str(row["task"])}

    def grade(self, text: str, target: JSON) -> Grade:
        assert isinstance(target, dict)
        answer = text.strip()
        return Grade({self.primary: remi.correct(answer, str(target["label"]), str(target["task"]))}, answer or None)
