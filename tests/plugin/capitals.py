from dataclasses import dataclass

from gemma_eval.task import DatasetRef, MultipleChoice, Row, register


@register
@dataclass
class Capitals(MultipleChoice):
    """Capitals: a task of a third party, for the tests of the plugin system. CC0."""

    dataset: DatasetRef = DatasetRef("example/capitals", split="test", fewshot_split="train")
    num_fewshot: int = 1
    hint: bool = False

    name = "capitals"

    def query(self, row: Row) -> str:
        return f"{'Hint: think. ' if self.hint else ''}The capital of {row['country']} is"

    def choices(self, row: Row) -> list[str]:
        return list(row["cities"])

    def answer(self, row: Row) -> int:
        return int(row["gold"])
