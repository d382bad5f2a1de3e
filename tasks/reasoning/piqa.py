from dataclasses import dataclass

from gemma_eval.task import DatasetRef, MultipleChoice, Row, register


@register
@dataclass
class PIQA(MultipleChoice):
    """PIQA (Bisk et al., 2020, arXiv 1911.11641): which of two ways reaches a physical goal. AFL 3.0.

    The report states 0-shot scoring with Char-Len; the solutions are scored as text.
    """

    dataset: DatasetRef = DatasetRef("baber/piqa", split="validation", fewshot_split="train")

    name = "piqa"
    card = "PIQA"
    undisclosed = "The prompt's form is lm-eval's."

    def query(self, row: Row) -> str:
        return f"Question: {row['goal']}\nAnswer:"

    def choices(self, row: Row) -> list[str]:
        return [row["sol1"], row["sol2"]]

    def answer(self, row: Row) -> int:
        return int(row["label"])

    def cluster(self, row: Row, config: str, id: str) -> str:
        return str(row["goal"])  # one goal may stand in several items
