from dataclasses import dataclass

from gemma_eval.task import DatasetRef, MultipleChoice, Row, register


@dataclass
class ARC(MultipleChoice):
    """AI2 Reasoning Challenge (Clark et al., 2018, arXiv 1803.05457): grade-school science questions. CC BY-SA 4.0.

    Choices are scored as text, never as letters. Keys are letters or digits, and a few items have 3 or 5 choices.
    """

    def query(self, row: Row) -> str:
        return f"Question: {row['question']}\nAnswer:"

    def choices(self, row: Row) -> list[str]:
        return list(row["choices"]["text"])

    def answer(self, row: Row) -> int:
        return list(row["choices"]["label"]).index(row["answerKey"])


@register
@dataclass
class ARCChallenge(ARC):
    """ARC, challenge set (see `ARC`). The report states 25-shot scoring with Char-Len."""

    dataset: DatasetRef = DatasetRef("allenai/ai2_arc", config="ARC-Challenge", split="test", fewshot_split="train")
    num_fewshot: int = 25

    name = "arc_challenge"
    card = "ARC-c"
    undisclosed = "Exemplars are not stated: a seeded draw from train, the same for all items. The prompt's form is lm-eval's."


@register
@dataclass
class ARCEasy(ARC):
    """ARC, easy set (see `ARC`). The report states 0-shot scoring with Char-Len."""

    dataset: DatasetRef = DatasetRef("allenai/ai2_arc", config="ARC-Easy", split="test", fewshot_split="train")

    name = "arc_easy"
    card = "ARC-e"
    undisclosed = "The prompt's form is lm-eval's."


@register
@dataclass
class ARCChallengeIT(ARCChallenge):
    """ARC Challenge zero-shot, as the card of the instruction-tuned 270M model states it. Else as `arc_challenge`."""

    num_fewshot: int = 0

    name = "arc_challenge_it"
    bundled = "arc_challenge"
    undisclosed = "The prompt's form is lm-eval's. Whether a chat template is used is not stated: it is, the answer beginning the reply."
