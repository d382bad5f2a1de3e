from dataclasses import dataclass

from gemma_eval.task import DatasetRef, MultipleChoice, Row, register


@register
@dataclass
class PIQA(MultipleChoice):
    """PIQA (Bisk et al., 2020, arXiv 1911.11641): which of two solutions reaches a physical goal.

    Licence: AFL 3.0. Card row: "PIQA", 0-shot.

    The report states zero-shot scoring with Char-Len. It does not give the prompt: we use lm-eval's, and score the solutions as text.
    """

    dataset: DatasetRef = DatasetRef("baber/piqa", "validation", fewshot_split="train", pinned="142f6d7367fd9877f0fb3b5734ea6a545f54cdd1")

    name = "piqa"
    card = "PIQA"
    undisclosed = "Google does not publish its prompt; we use lm-eval's."

    def query(self, row: Row) -> str:
        return f"Question: {row['goal']}\nAnswer:"

    def choices(self, row: Row) -> list[str]:
        return [row["sol1"], row["sol2"]]

    def answer(self, row: Row) -> int:
        return int(row["label"])

    def cluster(self, row: Row, config: str, id: str) -> str:
        return str(row["goal"])  # several items may have the same goal
