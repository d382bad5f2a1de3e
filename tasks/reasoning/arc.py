from dataclasses import dataclass

from gemma_eval.task import DatasetRef, MultipleChoice, Row, register


@dataclass
class ARC(MultipleChoice):
    """AI2 Reasoning Challenge (Clark et al., 2018, arXiv 1803.05457): science questions from school exams.

    Licence: CC BY-SA 4.0.

    Choices are scored as text, never as letters. Some answer keys are digits, and a few items have three or five choices.
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
    """ARC, challenge set (see `ARC`). Card row: "ARC-c", 25-shot.

    The report states 25-shot scoring with Char-Len. It gives neither prompt nor examples: we use lm-eval's prompt, and draw 25 rows
    of train, the same for all items.
    """

    dataset: DatasetRef = DatasetRef(
        "allenai/ai2_arc", config="ARC-Challenge", split="test", fewshot_split="train", pinned="210d026faf9955653af8916fad021475a3f00453"
    )
    num_fewshot: int = 25

    name = "arc_challenge"
    card = "ARC-c"
    undisclosed = (
        "Google does not publish its prompt or examples; we use lm-eval's prompt and draw the examples from train (seed 1234 by default)."
    )


@register
@dataclass
class ARCEasy(ARC):
    """ARC, easy set (see `ARC`). Card row: "ARC-e", 0-shot.

    The report states zero-shot scoring with Char-Len. It does not give the prompt: we use lm-eval's.
    """

    dataset: DatasetRef = DatasetRef(
        "allenai/ai2_arc", config="ARC-Easy", split="test", fewshot_split="train", pinned="210d026faf9955653af8916fad021475a3f00453"
    )

    name = "arc_easy"
    card = "ARC-e"
    undisclosed = "Google does not publish its prompt; we use lm-eval's."


@register
@dataclass
class ARCChallengeIT(ARCChallenge):
    """ARC-c zero-shot, as on the card of the instruction-tuned 270M model. Data, licence and scoring as `arc_challenge`.

    The card does not say whether a chat template was used. We use it; each choice is scored as the beginning of the reply.
    """

    num_fewshot: int = 0

    name = "arc_challenge_it"
    bundled = "arc_challenge"
    undisclosed = (
        "Google does not say whether it used a chat template; we do, and score each choice as the beginning of the reply. The prompt is "
        "lm-eval's."
    )
