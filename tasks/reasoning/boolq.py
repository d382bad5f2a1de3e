import hashlib
from dataclasses import dataclass

from gemma_eval.task import DatasetRef, MultipleChoice, Row, register


@register
@dataclass
class BoolQ(MultipleChoice):
    """BoolQ (Clark et al., 2019, arXiv 1905.10044): yes/no questions about a passage.

    Licence: CC BY-SA 3.0. Card row: "BoolQ", 0-shot.

    The report states zero-shot scoring with Char-Len, which divides the log-likelihood of " no" by 2 and that of " yes" by 3. It does
    not give the prompt: we use lm-eval's. Its passages come from SuperGLUE, which puts a title before each; google/boolq does not.

    About 62 % of the answers are "yes", so the smallest models score no better than always saying so.
    """

    dataset: DatasetRef = DatasetRef(
        "google/boolq", split="validation", fewshot_split="train", pinned="35b264d03638db9f4ce671b711558bf7ff0f80d5"
    )

    name = "boolq"
    card = "BoolQ"
    undisclosed = (
        "Google does not publish its prompt; we use lm-eval's, with the passages of google/boolq (SuperGLUE puts a title before each). "
        "Char-Len divides ' no' by 2 and ' yes' by 3; acc does not divide."
    )

    def query(self, row: Row) -> str:
        return f"{row['passage']}\nQuestion: {row['question']}?\nAnswer:"

    def choices(self, row: Row) -> list[str]:
        return ["no", "yes"]

    def answer(self, row: Row) -> int:
        return int(row["answer"])

    def cluster(self, row: Row, config: str, id: str) -> str:
        return hashlib.sha256(row["passage"].encode()).hexdigest()[:16]  # questions about one passage
