import re
from dataclasses import dataclass

from gemma_eval.task import DatasetRef, MultipleChoice, Row, register


@register
@dataclass
class HellaSwag(MultipleChoice):
    """HellaSwag (Zellers et al., 2019, arXiv 1905.07830): choose the ending of an everyday scene.

    Licence: MIT. Card row: "HellaSwag", 10-shot.

    The report states 10-shot scoring with Char-Len. It gives neither prompt nor examples: we use lm-eval's prompt, and draw ten rows
    of train, the same for all items. Endings are scored as text, never as letters.
    """

    dataset: DatasetRef = DatasetRef(
        "Rowan/hellaswag", split="validation", fewshot_split="train", pinned="218ec52e09a7e7462a5400043bb9a69a41d06b76"
    )
    num_fewshot: int = 10

    name = "hellaswag"
    card = "HellaSwag"
    may_be_blank = ("activity_label",)  # as in some copies of train
    undisclosed = (
        "Google does not publish its prompt or examples; we use lm-eval's prompt and draw the examples from train (seed 1234 by default)."
    )

    def query(self, row: Row) -> str:
        # capitalize() also lower-cases the rest of ctx_b; lm-eval does the same.
        return _clean(f"{row['activity_label']}: {row['ctx_a']} {row['ctx_b'].capitalize()}")

    def choices(self, row: Row) -> list[str]:
        return [_clean(ending) for ending in row["endings"]]

    def answer(self, row: Row) -> int:
        return int(row["label"])

    def cluster(self, row: Row, config: str, id: str) -> str:
        return row.get("source_id") or id  # several items come from one video or article


def _clean(text: str) -> str:
    """The text without WikiHow's mark-up: " [title]" becomes ". ", other brackets are removed, double spaces become single."""
    text = text.strip().replace(" [title]", ". ")
    return re.sub(r"\[.*?\]", "", text).replace("  ", " ")


@register
@dataclass
class HellaSwagIT(HellaSwag):
    """HellaSwag zero-shot, as on the card of the instruction-tuned 270M model. Data, licence and scoring as `hellaswag`.

    The card does not say whether a chat template was used. We use it; each ending is scored as the beginning of the reply.
    """

    num_fewshot: int = 0

    name = "hellaswag_it"
    bundled = "hellaswag"
    undisclosed = (
        "Google does not say whether it used a chat template; we do, and score each ending as the beginning of the reply. The prompt is "
        "lm-eval's."
    )
