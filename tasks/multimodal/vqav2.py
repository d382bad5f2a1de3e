from dataclasses import dataclass

from gemma_eval.task import DatasetRef, Row, register

from .soft_accuracy import SoftAccuracy


@register
@dataclass
class VQAv2(SoftAccuracy):
    """VQA v2 (Goyal et al., 2017, arXiv 1612.00837): short questions about COCO photographs, with ten annotators.

    Licence: CC BY 4.0. Card row: "VQAv2".

    The report states 4-shot sampling on the validation split. It gives neither prompt, examples nor the number of items: we score all
    214,354, except those with the images of four questions drawn as examples, since the Hub's copy has no train split. With
    `limit=10000`, the standard error is below half a point.

    The score is the challenge's soft accuracy over all items. The kinds of answers (yes/no, number, other) are its subsets.
    """

    dataset: DatasetRef = DatasetRef(
        "lmms-lab-encoder/VQAv2", split="validation", fewshot_split="validation", pinned="32665d35052eb4a6d4414851c3c829a72754915a"
    )
    max_tokens: int = 16

    name = "vqav2"
    card = "VQAv2"
    undisclosed = (
        "Google does not say which prompt, examples or how many items it used; we score all items, but not the images of four questions "
        "drawn as examples (seed 1234 by default), since the Hub's copy has no train split."
    )

    def subset(self, row: Row, config: str) -> str:
        return str(row["answer_type"])

    def answers(self, row: Row) -> list[str]:
        return [str(annotation["answer"]) for annotation in row["answers"]]

    def image_key(self, row: Row, id: str) -> str:
        return str(row["image_id"])
