import re
from dataclasses import dataclass

from gemma_eval.task import DatasetRef, MultipleChoice, Row, register


@register
@dataclass
class HellaSwag(MultipleChoice):
    """HellaSwag (Zellers et al., 2019, arXiv 1905.07830): pick the ending of an everyday scene. MIT.

    The report states 10-shot scoring with Char-Len. Endings are scored as text; scoring letters is another benchmark.
    """

    dataset: DatasetRef = DatasetRef("Rowan/hellaswag", split="validation", fewshot_split="train")
    num_fewshot: int = 10

    name = "hellaswag"
    card = "HellaSwag"
    undisclosed = "Exemplars are not stated: a seeded draw from train, the same for all items. The prompt's form is lm-eval's."

    def query(self, row: Row) -> str:
        # capitalize() lower-cases the rest of ctx_b: kept, since published third-party scores have it too.
        return _clean(f"{row['activity_label']}: {row['ctx_a']} {row['ctx_b'].capitalize()}")

    def choices(self, row: Row) -> list[str]:
        return [_clean(ending) for ending in row["endings"]]

    def answer(self, row: Row) -> int:
        return int(row["label"])

    def cluster(self, row: Row, config: str, id: str) -> str:
        return row.get("source_id") or id  # several items are cut from one video or article


def _clean(text: str) -> str:
    """Remove WikiHow's mark-up: titles become sentence ends, other brackets go, double spaces are squeezed once."""
    text = text.strip().replace(" [title]", ". ")
    return re.sub(r"\[.*?\]", "", text).replace("  ", " ")


@register
@dataclass
class HellaSwagIT(HellaSwag):
    """HellaSwag zero-shot, as the card of the instruction-tuned 270M model states it. Else as `hellaswag`."""

    num_fewshot: int = 0

    name = "hellaswag_it"
    bundled = "hellaswag"
    undisclosed = "The prompt's form is lm-eval's. Whether a chat template is used is not stated: it is, the ending beginning the reply."
