from dataclasses import dataclass

from gemma_eval.task import DatasetRef, MultipleChoice, Row, register


@register
@dataclass
class SocialIQA(MultipleChoice):
    """Social IQa (Sap et al., 2019, arXiv 1904.09728): why people act, and how they feel.

    Licence: not stated by the authors. Card row: "SocialIQA", 0-shot.

    The report states zero-shot scoring with Char-Len. It does not give the prompt: we use lm-eval's. Labels are strings and count
    from 1.
    """

    dataset: DatasetRef = DatasetRef(
        "lighteval/siqa", split="validation", fewshot_split="train", pinned="54c6a1f8cb6daf4f5abf24a601852612fb35eb25"
    )

    name = "social_iqa"
    card = "SocialIQA"
    undisclosed = "Google does not publish its prompt; we use lm-eval's. Scores near 50 depend much on the prompt."

    def query(self, row: Row) -> str:
        return f"Q: {row['context']} {row['question']}\nA:"

    def choices(self, row: Row) -> list[str]:
        return [row["answerA"], row["answerB"], row["answerC"]]

    def answer(self, row: Row) -> int:
        return int(row["label"]) - 1

    def cluster(self, row: Row, config: str, id: str) -> str:
        return str(row["context"])  # several questions are asked about one scene
