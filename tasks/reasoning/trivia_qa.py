from dataclasses import dataclass

from gemma_eval.metrics import qa
from gemma_eval.task import DatasetRef, Generation, Row, register


@register
@dataclass
class TriviaQA(Generation):
    """TriviaQA (Joshi et al., 2017, arXiv 1705.03551): trivia questions, closed book.

    Licence: not stated on the Hub. Card row: "TriviaQA", 5-shot.

    The report states 5-shot sampling. It gives neither subset, prompt nor examples: we use `rc.nocontext`, and draw five rows of
    train. The answer is one line, because stopping at "." would truncate "St. Louis". It must match an alias after the official
    normalization, which drops articles.
    """

    dataset: DatasetRef = DatasetRef(
        "mandarjoshi/trivia_qa",
        config="rc.nocontext",
        split="validation",
        fewshot_split="train",
        pinned="0f7faf33a3908546c6fd5b73a660e0f8ff173c2f",
    )
    num_fewshot: int = 5
    max_tokens: int = 24

    name = "trivia_qa"
    card = "TriviaQA"
    undisclosed = (
        "Google does not say which subset or examples it used; we use rc.nocontext and draw the examples from train (seed 1234 by "
        "default). The subset dataset.config=rc.wikipedia.nocontext is several points easier."
    )

    def query(self, row: Row) -> str:
        return f"Question: {row['question'].strip()}\nAnswer:"

    def golds(self, row: Row) -> list[str]:
        return list(dict.fromkeys([row["answer"]["value"], *row["answer"]["aliases"]]))

    def judge(self, answer: str, golds: list[str]) -> float:
        return qa.exact_match(answer, golds, qa.trivia_normalize)

    def cluster(self, row: Row, config: str, id: str) -> str:
        return str(row["question"])  # rc has one row for each evidence document of a question
