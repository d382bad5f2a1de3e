import hashlib
from dataclasses import dataclass, field

from gemma_eval.metrics import letters
from gemma_eval.task import DatasetRef, Generation, Lettered, LetteredChat, Row, register

LETTERS = "ABCD"
CORRECT = "Correct Answer"
OPTIONS = [CORRECT, "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3"]


@register
@dataclass
class GPQA(Lettered, Generation):
    """GPQA Diamond (Rein et al., 2023, arXiv 2311.12022): 198 graduate-level questions. CC BY 4.0; gated: its items must not
    be shown in public, so none stands in this repository.

    The report states 5-shot sampling with chain of thought. Options are shuffled per item by seed. The exemplars, with the
    authors' explanations, are drawn by seed and not scored. The answer is the letter of the last "answer is (X)"; an
    answer without one is wrong. `anywhere`, the last letter that stands alone, is a diagnostic.
    """

    dataset: DatasetRef = DatasetRef("Idavidrein/gpqa", config="gpqa_diamond", split="train", fewshot_split="train")
    num_fewshot: int = 5
    max_tokens: int = 1024
    stop: list[str] = field(default_factory=lambda: ["Question:"])

    name = "gpqa"
    card = "GPQA"
    undisclosed = (
        "The card says GPQA, the report GPQA Diamond. Exemplars are not stated: five items drawn by seed, with their "
        "explanations, which leaves 193 to score."
    )

    def header(self, row: Row) -> str:
        return (
            "Here are some example questions from experts. Answer the final question yourself, following the format of the "
            "previous questions exactly.\n"
        )

    def order(self, row: Row) -> list[str]:
        """The option columns in the order shown, shuffled by seed and question."""

        def rank(column: str) -> bytes:
            return hashlib.sha256(f"{self.seed or 0}/{row['Question']}/{column}".encode()).digest()

        return sorted(OPTIONS, key=rank)

    def query(self, row: Row) -> str:
        options = "\n".join(f"({letter}) {row[column].strip()}" for letter, column in zip(LETTERS, self.order(row), strict=True))
        return f"Question: {row['Question'].strip()}\nChoices:\n{options}\nLet's think step by step:"

    def solution(self, row: Row) -> str:
        explanation = (row["Explanation"] or "").strip()
        return f"{explanation} The answer is ({self.golds(row)[0]}).".lstrip()

    def golds(self, row: Row) -> list[str]:
        return [LETTERS[self.order(row).index(CORRECT)]]

    def extract(self, text: str) -> str | None:
        return letters.last_stated(text)


@register
@dataclass
class GPQAIT(LetteredChat, GPQA):
    """GPQA Diamond zero-shot with chain of thought, for instruction-tuned models. Data, licence and shuffled options as `gpqa`.

    Without exemplars all 198 items are scored.
    """

    name = "gpqa_it"
    bundled = "gpqa"
    card = "GPQA Diamond"
    undisclosed = "Prompt and order of the options are not stated: shuffled per item by seed. What cannot be parsed counts as wrong."

    def question(self, row: Row) -> str:
        return str(row["Question"])

    def options(self, row: Row) -> list[str]:
        return [row[column].strip() for column in self.order(row)]
