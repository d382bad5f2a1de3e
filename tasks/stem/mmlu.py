from dataclasses import dataclass

from gemma_eval.task import DatasetRef, Fewshot, Generation, LetteredChat, MultipleChoice, Normalization, Row, chosen, register

LETTERS = "ABCD"


@register
@dataclass
class MMLU(MultipleChoice):
    """MMLU (Hendrycks et al., 2021, arXiv 2009.03300): exam questions in 57 subjects.

    Licence: MIT. Card row: "MMLU", 5-shot.

    The report states 5-shot scoring with Char-Len. It does not say whether letters or answer texts are scored: we score letters,
    which fits the published scores. Then Char-Len changes nothing, since every choice has one character. The exemplars are the five
    dev rows of the subject, in order. The score is the mean over items; the mean over subjects and each subject's score stand beside
    it.
    """

    dataset: DatasetRef = DatasetRef(
        "cais/mmlu", config="all", split="test", fewshot_split="dev", pinned="c30699e8356da336a370243923dbaf21066bb9fe"
    )
    num_fewshot: int = 5
    fewshot: Fewshot = Fewshot.first
    normalization: Normalization = Normalization.none

    name = "mmlu"
    card = "MMLU"
    undisclosed = (
        "Google does not say whether it scored letters or answer texts; we score letters, which fits its scores. The score is the mean "
        "over items; those of the subjects are shown beside it."
    )
    fewshot_by_subset = True

    def subset(self, row: Row, config: str) -> str:
        return str(row["subject"])

    def header(self, row: Row) -> str:
        subject = row["subject"].replace("_", " ")
        return f"The following are multiple choice questions (with answers) about {subject}.\n\n"

    def query(self, row: Row) -> str:
        options = "\n".join(f"{letter}. {text}" for letter, text in zip(LETTERS, row["choices"], strict=True))
        return f"{row['question'].strip()}\n{options}\nAnswer:"

    def choices(self, row: Row) -> list[str]:
        return list(LETTERS)

    def answer(self, row: Row) -> int:
        return int(row["answer"])


@register
@dataclass
class MMLUIT(LetteredChat, Generation):
    """MMLU zero-shot with a generated answer, for instruction-tuned models (report, table 18). Data, licence and average as `mmlu`.

    The prompt is ours: it asks for reasoning, then for the letter.
    """

    dataset: DatasetRef = MMLU.dataset

    name = "mmlu_it"
    bundled = "mmlu"
    card = "MMLU"
    undisclosed = (
        "Google does not publish its prompt, or say whether it asked for reasoning; ours does. Answers that cannot be parsed count as "
        "wrong."
    )

    def subset(self, row: Row, config: str) -> str:
        return str(row["subject"])

    def question(self, row: Row) -> str:
        return str(row["question"])

    def options(self, row: Row) -> list[str]:
        return list(row["choices"])

    def golds(self, row: Row) -> list[str]:
        return [chosen(LETTERS[: len(row["choices"])], int(row["answer"]))]
