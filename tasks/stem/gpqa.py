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
    """GPQA Diamond (Rein et al., 2023, arXiv 2311.12022): 198 questions at graduate level.

    Licence: CC BY 4.0, gated; its items must not be shown in public, so this repository holds none. Card row: "GPQA", 5-shot.

    The report says GPQA Diamond, 5-shot sampling with chain of thought. It does not give the examples: we draw five items, with their
    authors' explanations, and do not score them. The options of each item are shuffled by seed.

    The answer is the letter of the last "answer is (X)". A text without one is wrong. The diagnostic `anywhere` takes the last letter
    standing alone.
    """

    dataset: DatasetRef = DatasetRef(
        "Idavidrein/gpqa", config="gpqa_diamond", split="train", fewshot_split="train", pinned="633f5ee89ab8ad4522a9f850766b73f62147ffdd"
    )
    num_fewshot: int = 5
    max_tokens: int = 1024
    stop: list[str] = field(default_factory=lambda: ["Question:"])

    name = "gpqa"
    card = "GPQA"
    undisclosed = (
        "The card says GPQA, the report GPQA Diamond; we use Diamond. Google does not say which examples it used; we draw five items "
        "(seed 1234 by default), with their explanations, and score the other 193."
    )

    def header(self, row: Row) -> str:
        return (
            "Here are some example questions from experts. Answer the final question yourself, following the format of the "
            "previous questions exactly.\n"
        )

    def order(self, row: Row) -> list[str]:
        """The columns of the options in the order shown, shuffled by seed and question."""

        def rank(column: str) -> bytes:
            return hashlib.sha256(f"{self.seed or 0}/{row['Question']}/{column}".encode()).digest()

        return sorted(OPTIONS, key=rank)

    def query(self, row: Row) -> str:
        options = "\n".join(f"({letter}) {row[column].strip()}" for letter, column in zip(LETTERS, self.order(row), strict=True))
        return f"Question: {row['Question'].strip()}\nChoices:\n{options}\nLet's think step by step:"

    def solution(self, row: Row) -> str:
        explanation = (row.get("Explanation") or "").strip()
        return f"{explanation} The answer is ({self.golds(row)[0]}).".lstrip()

    def golds(self, row: Row) -> list[str]:
        return [LETTERS[self.order(row).index(CORRECT)]]

    def extract(self, text: str) -> str | None:
        return letters.last_stated(text)


@register
@dataclass
class GPQAIT(LetteredChat, GPQA):
    """GPQA Diamond zero-shot with chain of thought, for instruction-tuned models. Card row: "GPQA Diamond", 0-shot.

    Data, licence and shuffled options as `gpqa`. Without exemplars, all 198 items are scored.
    """

    name = "gpqa_it"
    bundled = "gpqa"
    card = "GPQA Diamond"
    undisclosed = (
        "Google does not publish its prompt or the order of the options; we shuffle the options of each item by seed. Answers that cannot "
        "be parsed count as wrong."
    )

    def question(self, row: Row) -> str:
        return str(row["Question"])

    def options(self, row: Row) -> list[str]:
        return [row[column].strip() for column in self.order(row)]
