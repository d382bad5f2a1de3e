from dataclasses import dataclass

from gemma_eval.task import DatasetRef, MultipleChoice, Row, register


@register
@dataclass
class SocialIQA(MultipleChoice):
    """Social IQa (Sap et al., 2019, arXiv 1904.09728): why people act and how they feel. No licence stated by the authors.

    The report states 0-shot scoring with Char-Len. Labels are strings and count from 1.
    """

    dataset: DatasetRef = DatasetRef("lighteval/siqa", split="validation", fewshot_split="train")

    name = "social_iqa"
    card = "SocialIQA"
    undisclosed = "The prompt's form is lm-eval's, and scores near 50 are sensitive to it."

    def query(self, row: Row) -> str:
        return f"Q: {row['context']} {row['question']}\nA:"

    def choices(self, row: Row) -> list[str]:
        return [row["answerA"], row["answerB"], row["answerC"]]

    def answer(self, row: Row) -> int:
        return int(row["label"]) - 1

    def cluster(self, row: Row, config: str, id: str) -> str:
        return str(row["context"])  # several questions are asked about one scene
