from dataclasses import dataclass

from gemma_eval.task import Continuation, DatasetRef, MultipleChoice, Normalization, Row, chosen, register


@register
@dataclass
class WinoGrande(MultipleChoice):
    """WinoGrande (Sakaguchi et al., 2020, arXiv 1907.10641): whom or what does a sentence mean.

    Licence: CC BY. Card row: "WinoGrande", 5-shot.

    The report states 5-shot scoring with Char-Len. It gives neither the way of scoring nor the examples: we use partial scoring
    (Trinh & Le, 2018, arXiv 1806.02847), as lm-eval does, and draw five rows of train. Each option is put into the blank, and the
    *rest* of the sentence is scored. Both choices then score the same text, so Char-Len changes nothing.
    """

    dataset: DatasetRef = DatasetRef(
        "allenai/winogrande",
        config="winogrande_xl",
        split="validation",
        fewshot_split="train",
        pinned="01e74176c63542e6b0bcb004dcdea22d94fb67b5",
    )
    num_fewshot: int = 5
    normalization: Normalization = Normalization.none

    name = "winogrande"
    card = "WinoGrande"
    undisclosed = (
        "Google does not say how it scored or which examples it used; we use partial scoring, as lm-eval does, and draw the examples from "
        "train (seed 1234 by default)."
    )

    def query(self, row: Row) -> str:
        return _split(row)[0]

    def solution(self, row: Row) -> str:
        return f"{chosen(self.choices(row), self.answer(row))} {_split(row)[1]}"

    def shot(self, row: Row) -> str:
        return f"{self.query(row)}{self.solution(row)}{self.shot_separator}"  # the query ends in a space, so no delimiter is added

    def choices(self, row: Row) -> list[str]:
        return [row["option1"], row["option2"]]

    def answer(self, row: Row) -> int:
        return int(row["answer"]) - 1

    def continuations(self, row: Row) -> tuple[Continuation, ...]:
        return tuple(Continuation(f" {_split(row)[1]}", given=option) for option in self.choices(row))


def _split(row: Row) -> tuple[str, str]:
    """The sentence before and after its blank. Raises `ValueError` if it has none."""
    before, blank, after = row["sentence"].partition("_")
    if not blank:
        raise ValueError("sentence has no blank '_'")
    return before, after.strip()


@register
@dataclass
class WinoGrandeIT(WinoGrande):
    """WinoGrande zero-shot, as on the card of the instruction-tuned 270M model. Data, licence and scoring as `winogrande`.

    The card does not say whether a chat template was used. We use it, and the option begins the reply.
    """

    num_fewshot: int = 0

    name = "winogrande_it"
    bundled = "winogrande"
    undisclosed = (
        "Google does not say how it scored or whether it used a chat template; we use partial scoring, as lm-eval does, in a chat, where "
        "the option begins the reply."
    )
