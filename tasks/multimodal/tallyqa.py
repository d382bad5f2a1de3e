from dataclasses import dataclass

from gemma_eval.task import DatasetRef, Row, register

from .counted import Counted


@register
@dataclass
class TallyQA(Counted):
    """TallyQA (Acharya et al., 2019, arXiv 1810.12440): counting questions, simple and complex. Apache 2.0; the photographs' own terms.

    The report states 4-shot sampling. The score is over all questions of the test split; simple and complex ones are subsets.
    """

    dataset: DatasetRef = DatasetRef("vikhyatk/tallyqa-test", split="test", fewshot_split="test", each="qa")

    name = "tallyqa"
    card = "TallyQA"
    undisclosed = (
        "Prompt, exemplars and which part of the test split are not stated: all questions (there is no validation split), four drawn by "
        "seed as exemplars, whose pictures are not scored."
    )

    def subset(self, row: Row, config: str) -> str:
        return "simple" if row["is_simple"] else "complex"

    def golds(self, row: Row) -> list[str]:
        return [str(row["answer"])]

    def picture(self, row: Row, id: str) -> str:
        return id.rpartition("-")[0]
