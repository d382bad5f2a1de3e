from dataclasses import dataclass

from gemma_eval.metrics import qa
from gemma_eval.task import DatasetRef, Generation, Row, register


@register
@dataclass
class NaturalQuestions(Generation):
    """Natural Questions, open domain (Kwiatkowski et al., 2019; Lee et al., 2019): questions typed into a search engine.

    Licence: CC BY-SA 3.0. Card row: "Natural Questions", 5-shot.

    The report states 5-shot sampling. It gives neither prompt nor examples: we use lm-eval's prompt, and draw five rows of train. The
    answer is one line. It must match one of the right answers after SQuAD's normalization.
    """

    dataset: DatasetRef = DatasetRef(
        "google-research-datasets/nq_open",
        config="nq_open",
        split="validation",
        fewshot_split="train",
        pinned="5dd9790a83002ad084ddeb7c420dc716852c6f28",
    )
    num_fewshot: int = 5
    max_tokens: int = 24

    name = "natural_questions"
    card = "Natural Questions"
    undisclosed = (
        "Google does not publish its prompt or examples; we use lm-eval's prompt and draw the examples from train (seed 1234 by default)."
    )
    shot_separator = "\n"

    def header(self, row: Row) -> str:
        return "Answer these questions:\n\n"

    def query(self, row: Row) -> str:
        return f"Q: {row['question']}?\nA:"

    def golds(self, row: Row) -> list[str]:
        return list(row["answer"])

    def judge(self, answer: str, golds: list[str]) -> float:
        return qa.exact_match(answer, golds)
