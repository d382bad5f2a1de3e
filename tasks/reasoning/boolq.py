import hashlib
from dataclasses import dataclass

from gemma_eval.task import DatasetRef, MultipleChoice, Row, register


@register
@dataclass
class BoolQ(MultipleChoice):
    """BoolQ (Clark et al., 2019, arXiv 1905.10044): yes/no questions about a passage. CC BY-SA 3.0.

    The report states 0-shot scoring with Char-Len, which divides " no" by 2 and " yes" by 3. About 62 % of the
    answers are "yes", so the smallest models sit at the majority class.
    """

    dataset: DatasetRef = DatasetRef("google/boolq", split="validation", fewshot_split="train")

    name = "boolq"
    card = "BoolQ"
    undisclosed = (
        "Char-Len is taken literally (' no' / 2, ' yes' / 3); acc is without it. The prompt's form is lm-eval's, "
        "with passages as in google/boolq (SuperGLUE's copy begins each with its title)."
    )

    def query(self, row: Row) -> str:
        return f"{row['passage']}\nQuestion: {row['question']}?\nAnswer:"

    def choices(self, row: Row) -> list[str]:
        return ["no", "yes"]

    def answer(self, row: Row) -> int:
        return int(row["answer"])

    def cluster(self, row: Row, config: str, id: str) -> str:
        return hashlib.sha256(row["passage"].encode()).hexdigest()[:16]  # questions about one passage
