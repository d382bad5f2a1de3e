from dataclasses import dataclass, field

from gemma_eval.metrics import letters
from gemma_eval.task import DatasetRef, Fewshot, Generation, Lettered, LetteredChat, Row, chosen, register

LETTERS = "ABCDEFGHIJ"


@register
@dataclass
class MMLUPro(Lettered, Generation):
    """MMLU-Pro (Wang et al., 2024, arXiv 2406.01574): exam questions in 14 categories, with up to ten options.

    Licence: MIT. Card row: "MMLU (Pro COT)", 5-shot.

    The report states 5-shot sampling with chain of thought. It gives neither prompt nor extraction: we use the authors'. The
    exemplars are the five validation rows of the category, in order, with their worked answers. The score is the mean over items.

    The answer is the letter of the first "answer is (X)". A text without one is wrong; the authors' script would guess. The diagnostic
    `anywhere` also takes the authors' later steps.
    """

    dataset: DatasetRef = DatasetRef(
        "TIGER-Lab/MMLU-Pro", split="test", fewshot_split="validation", pinned="b189ec765aa7ed75c8acfea42df31fdae71f97be"
    )
    num_fewshot: int = 5
    fewshot: Fewshot = Fewshot.first
    max_tokens: int = 2048
    stop: list[str] = field(default_factory=lambda: ["Question:"])

    name = "mmlu_pro"
    card = "MMLU (Pro COT)"
    undisclosed = (
        "Google does not publish its prompt, or say how it extracted answers; we use the authors' way, except that an answer that cannot "
        "be parsed counts as wrong and is not guessed."
    )
    fewshot_by_subset = True

    def subset(self, row: Row, config: str) -> str:
        return str(row["category"])

    def header(self, row: Row) -> str:
        return (
            f"The following are multiple choice questions (with answers) about {row['category']}. Think step by step and then finish "
            'your answer with "the answer is (X)" where X is the correct letter choice.\n'
        )

    def query(self, row: Row) -> str:
        options = "\n".join(f"{letter}. {text}" for letter, text in zip(LETTERS, _options(row), strict=False))
        return f"Question:\n{row['question']}\nOptions:\n{options}\nAnswer: Let's think step by step."

    def solution(self, row: Row) -> str:
        worked = row["cot_content"].removeprefix("A: Let's think step by step. ")
        return worked or f"The answer is ({self.golds(row)[0]})."

    def golds(self, row: Row) -> list[str]:
        return [chosen(LETTERS[: len(_options(row))], row["answer_index"])]

    def extract(self, text: str) -> str | None:
        return letters.stated(text)


def _options(row: Row) -> list[str]:
    """The options without padding."""
    return [text.strip() for text in row["options"] if text != "N/A"]  # early revisions pad with N/A


@register
@dataclass
class MMLUProIT(LetteredChat, MMLUPro):
    """MMLU-Pro zero-shot, for instruction-tuned models. Card row: "MMLU (Pro)", 0-shot. Data, licence and average as `mmlu_pro`.

    The report's protocol table has no row for it.
    """

    name = "mmlu_pro_it"
    bundled = "mmlu_pro"
    card = "MMLU (Pro)"
    undisclosed = (
        "Google does not publish its prompt, or say whether it asked for reasoning; ours does. Answers that cannot be parsed count as "
        "wrong."
    )

    def question(self, row: Row) -> str:
        return str(row["question"])

    def options(self, row: Row) -> list[str]:
        return _options(row)
