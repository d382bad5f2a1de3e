from dataclasses import dataclass

from gemma_eval.metrics import letters
from gemma_eval.task import DatasetRef, Row, register

from .visual_question import VisualQuestion, lettered


@register
@dataclass
class AI2D(VisualQuestion):
    """AI2D (Kembhavi et al., 2016, arXiv 1603.07396): school science diagrams, four options. CC BY-SA 4.0.

    The report states 4-shot sampling. Options are lettered, the answer is the letter it begins with.
    """

    dataset: DatasetRef = DatasetRef("lmms-lab/ai2d", split="test", fewshot_split="test")
    max_tokens: int = 16

    name = "ai2d"
    card = "AI2D"
    undisclosed = (
        "Split, prompt, exemplars and form of the pictures are not stated: test (there is no validation split), the diagrams whose "
        "labels are replaced by letters, four questions drawn by seed, whose diagrams are not scored."
    )

    def question(self, row: Row) -> str:
        return f"{row['question'].strip()}\n{lettered(row['options'])}"

    def golds(self, row: Row) -> list[str]:
        return ["ABCDEFGHIJ"[: len(row["options"])][int(row["answer"])]]

    def extract(self, text: str) -> str | None:
        return letters.leading(text)

    def judge(self, answer: str, golds: list[str]) -> float:
        return float(answer in golds)
