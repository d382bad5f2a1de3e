from dataclasses import dataclass

from gemma_eval.metrics import options
from gemma_eval.task import DatasetRef, Row, chosen, register

from .visual_question import VisualQuestion, lettered_options


@register
@dataclass
class AI2D(VisualQuestion):
    """AI2D (Kembhavi et al., 2016, arXiv 1603.07396): questions about diagrams from school science, with four options.

    Licence: CC BY-SA 4.0. Card row: "AI2D".

    The report states 4-shot sampling. It gives neither split, prompt, examples nor the version of the images: we use test, since
    there is no validation split, and the diagrams whose labels are replaced by letters. Four questions are drawn as examples, and
    their diagrams are not scored. Options are lettered, and the answer is the letter that the reply gives.
    """

    dataset: DatasetRef = DatasetRef(
        "lmms-lab-encoder/ai2d", split="test", fewshot_split="test", pinned="c83a9b9692933aff8349157c88a413df9d02c4e5"
    )
    max_tokens: int = 16

    name = "ai2d"
    card = "AI2D"
    undisclosed = (
        "Google does not say which split, prompt, examples or image version it used; we use test (there is no validation split) and the "
        "diagrams with letters in place of labels. Four questions are drawn as examples (seed 1234 by default), and their diagrams are "
        "not scored."
    )

    def question(self, row: Row) -> str:
        return f"{row['question'].strip()}\n{lettered_options(row['options'])}"

    def golds(self, row: Row) -> list[str]:
        return [chosen("ABCDEFGHIJ"[: len(row["options"])], int(row["answer"]))]

    def extract(self, text: str) -> str | None:
        return options.letter(text)

    def judge(self, answer: str, golds: list[str]) -> float:
        return float(answer in golds)
