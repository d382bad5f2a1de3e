from dataclasses import dataclass

from gemma_eval.task import DatasetRef, Row, register

from .counted import Counted


@register
@dataclass
class CountBenchQA(Counted):
    """CountBenchQA: counts of two to ten in 491 web pictures (Paiss et al., 2023, arXiv 2302.12066; questions: Beyer et al., 2024,
    arXiv 2407.07726). Licence not stated; the pictures' own terms.

    The report states 0-shot sampling. The pictures' captions hold the count and are not shown. The strict reading, like
    Google's own, wants the number alone, which an untaught model need not give: see `first_number`.
    """

    dataset: DatasetRef = DatasetRef("vikhyatk/CountBenchQA", split="test")
    num_fewshot: int = 0

    name = "countbenchqa"
    card = "CountBenchQA"
    undisclosed = "Prompt and split are not stated: the bare question, all pictures that the Hub's copy has."

    def golds(self, row: Row) -> list[str]:
        return [str(row["number"])]
