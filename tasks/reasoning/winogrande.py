from dataclasses import dataclass

from gemma_eval.task import DatasetRef, MultipleChoice, Normalization, Row, register
from gemma_eval.types import Continuation


@register
@dataclass
class WinoGrande(MultipleChoice):
    """WinoGrande (Sakaguchi et al., 2020, arXiv 1907.10641): whom does the pronoun mean. CC BY.

    The report states 5-shot scoring with Char-Len. Partial scoring (Trinh & Le, 2018): each option is put in the
    blank and the *rest* of the sentence is scored, so both choices score the same text and Char-Len changes nothing.
    """

    dataset: DatasetRef = DatasetRef("allenai/winogrande", config="winogrande_xl", split="validation", fewshot_split="train")
    num_fewshot: int = 5
    normalization: Normalization = Normalization.none

    name = "winogrande"
    card = "WinoGrande"
    undisclosed = "Exemplars and the way of scoring are not stated: a seeded draw from train, partial scoring as in lm-eval."

    def query(self, row: Row) -> str:
        return _split(row)[0]

    def solution(self, row: Row) -> str:
        return f"{self.choices(row)[self.answer(row)]} {_split(row)[1]}"

    def shot(self, row: Row) -> str:
        return f"{self.query(row)}{self.solution(row)}{self.shot_separator}"  # the query ends in its own space

    def choices(self, row: Row) -> list[str]:
        return [row["option1"], row["option2"]]

    def answer(self, row: Row) -> int:
        return int(row["answer"]) - 1

    def continuations(self, row: Row) -> tuple[Continuation, ...]:
        return tuple(Continuation(f" {_split(row)[1]}", given=option) for option in self.choices(row))


def _split(row: Row) -> tuple[str, str]:
    before, blank, after = row["sentence"].partition("_")
    if not blank:
        raise ValueError("sentence has no blank '_'")
    return before, after.strip()


@register
@dataclass
class WinoGrandeIT(WinoGrande):
    """WinoGrande zero-shot, as the card of the instruction-tuned 270M model states it. Else as `winogrande`."""

    num_fewshot: int = 0

    name = "winogrande_it"
    bundled = "winogrande"
    undisclosed = (
        "The way of scoring and whether a chat template is used are not stated: partial scoring as in lm-eval; the option begins the reply."
    )
