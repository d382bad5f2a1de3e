from dataclasses import dataclass

from gemma_eval import metrics as scoring
from gemma_eval.task import DatasetRef, Generation, Row, register


@register
@dataclass
class NaturalQuestions(Generation):
    """Natural Questions, open domain (Kwiatkowski et al., 2019; Lee et al., 2019): questions asked to a search engine. CC BY-SA 3.0.

    The report states 5-shot sampling. One line, exact match with any answer after SQuAD's normalisation.
    """

    dataset: DatasetRef = DatasetRef("google-research-datasets/nq_open", config="nq_open", split="validation", fewshot_split="train")
    num_fewshot: int = 5
    max_tokens: int = 24

    name = "natural_questions"
    card = "Natural Questions"
    undisclosed = "Exemplars are not stated: a seeded draw from train. The prompt's form is lm-eval's."
    shot_separator = "\n"

    def header(self, row: Row) -> str:
        return "Answer these questions:\n\n"

    def query(self, row: Row) -> str:
        return f"Q: {row['question']}?\nA:"

    def golds(self, row: Row) -> list[str]:
        return list(row["answer"])

    def judge(self, answer: str, golds: list[str]) -> float:
        return scoring.qa.exact_match(answer, golds)
