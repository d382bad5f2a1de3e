from dataclasses import dataclass

from gemma_eval.task import DatasetRef, Row, register

from .counted import Counted


@register
@dataclass
class CountBenchQA(Counted):
    """CountBenchQA (Paiss et al., 2023, arXiv 2302.12066; questions: Beyer et al., 2024, arXiv 2407.07726): count 2 to 10 things in
    an image.

    Licence: not stated; each image has its own terms. Card row: "CountBenchQA".

    The report states zero-shot sampling. It gives neither prompt nor split: we ask the bare question about all 491 images of the
    Hub's copy. The captions of the images hold the count, so they are not shown. The strict reading, like Google's own, wants the
    number alone, which a model without examples may not give: see `first_number`.
    """

    dataset: DatasetRef = DatasetRef("vikhyatk/CountBenchQA", split="test")
    num_fewshot: int = 0

    name = "countbenchqa"
    card = "CountBenchQA"
    undisclosed = "Google does not publish its prompt or split; we ask the bare question about all images in the Hub's copy."

    def golds(self, row: Row) -> list[str]:
        return [str(row["number"])]
