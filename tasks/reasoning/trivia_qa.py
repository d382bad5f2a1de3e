from dataclasses import dataclass

from gemma_eval import metrics as scoring
from gemma_eval.task import DatasetRef, Generation, Row, register


@register
@dataclass
class TriviaQA(Generation):
    """TriviaQA (Joshi et al., 2017, arXiv 1705.03551): trivia questions, closed book. Hub licence: unknown.

    The report states 5-shot sampling. The answer is one line: stopping at "." or "," would cut "St. Louis". Exact match
    with any alias after the official normalisation, which drops articles.
    """

    dataset: DatasetRef = DatasetRef("mandarjoshi/trivia_qa", config="rc.nocontext", split="validation", fewshot_split="train")
    num_fewshot: int = 5
    max_tokens: int = 24

    name = "trivia_qa"
    card = "TriviaQA"
    undisclosed = (
        "Which subset is not stated: rc.nocontext (dataset.config=rc.wikipedia.nocontext is several points easier). "
        "Exemplars are a seeded draw from train."
    )

    def query(self, row: Row) -> str:
        return f"Question: {row['question'].strip()}\nAnswer:"

    def golds(self, row: Row) -> list[str]:
        return list(dict.fromkeys([row["answer"]["value"], *row["answer"]["aliases"]]))

    def judge(self, answer: str, golds: list[str]) -> float:
        return scoring.qa.exact_match(answer, golds, scoring.qa.trivia_normalize)

    def cluster(self, row: Row, config: str, id: str) -> str:
        return str(row["question"])  # rc repeats a question for each evidence document
