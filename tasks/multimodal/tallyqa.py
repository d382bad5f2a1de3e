from dataclasses import dataclass

from gemma_eval.task import DatasetRef, Row, register

from .counted import Counted


@register
@dataclass
class TallyQA(Counted):
    """TallyQA (Acharya et al., 2019, arXiv 1810.12440): simple and complex counting questions.

    Licence: Apache 2.0; each photograph has its own terms. Card row: "TallyQA".

    The report states 4-shot sampling. It gives neither prompt, examples nor the part of the data: we use all questions of the test
    split, since there is no validation split. Four of them are drawn as examples, and their images are not scored. Simple and complex
    questions are subsets.
    """

    dataset: DatasetRef = DatasetRef(
        "vikhyatk/tallyqa-test", split="test", fewshot_split="test", each="qa", pinned="2636200d9845bf54d545ed9e66b2957532c5bf13"
    )

    name = "tallyqa"
    card = "TallyQA"
    undisclosed = (
        "Google does not say which prompt, examples or part of the data it used; we use all questions of test (there is no validation "
        "split). Four are drawn as examples (seed 1234 by default), and their images are not scored."
    )

    def subset(self, row: Row, config: str) -> str:
        return "simple" if row["is_simple"] else "complex"

    def golds(self, row: Row) -> list[str]:
        return [str(row["answer"])]

    def image_key(self, row: Row, id: str) -> str:
        return id.rpartition("-")[0]
