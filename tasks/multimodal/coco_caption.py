from collections.abc import Sequence
from dataclasses import dataclass, replace

from gemma_eval.metrics import cider, squad
from gemma_eval.task import DatasetRef, GenerateResponse, Parts, Record, Row, register

from .visual_question import ImageTask


@register
@dataclass
class COCOCaption(ImageTask):
    """COCO captions (Chen et al., 2015, arXiv 1504.00325): describe a photograph in a sentence; each has five references.

    Licence: CC BY 4.0 (the captions). Card row: "COCOcap".

    The report states 4-shot sampling and CIDEr. It gives neither split, prompt nor examples: we use the 5,000 images of val2017,
    since no copy of Karpathy's split on the Hub has its images, and draw four of them as examples, which are not scored.

    `cider` is CIDEr-D, from 0 to 10; the card shows it times 100. It weights words by how few images have them in their references.
    So `limit` changes the score itself, and the interval takes the weights as fixed. `f1` is the F1 of the words shared with the
    closest reference. An exemplar shows its first reference.
    """

    dataset: DatasetRef = DatasetRef(
        "lmms-lab-encoder/COCO-Caption2017", split="val", fewshot_split="val", pinned="3bdd5827e243cc3084ac69a1111e69c3ab9193ff"
    )
    max_tokens: int = 48

    name = "coco_caption"
    card = "COCOcap"
    undisclosed = (
        "Google does not say which split, prompt or examples it used; we use the 5,000 images of val2017, since no copy of Karpathy's "
        "split on the Hub has images, and draw four as unscored examples (seed 1234 by default). Words are split without coco-caption's "
        "Java tokenizer."
    )
    scale = cider.PERFECT
    primary = "f1"  # the metric of one caption; CIDEr needs all captions

    @property
    def metrics(self) -> tuple[str, ...]:
        return ("cider", "f1")

    def query(self, row: Row) -> Parts:
        return (*self.row_images(row), "Caption:")

    def golds(self, row: Row) -> list[str]:
        return [" ".join(caption.split()) for caption in row["answer"]]

    def image_key(self, row: Row, id: str) -> str:
        return id

    def judge(self, answer: str, golds: list[str]) -> float:
        return self.scale * squad.token_f1(answer, golds)

    def records_to_average(self, records: Sequence[Record]) -> Sequence[Record]:
        """The same records with their CIDEr-D, which depends on all of them."""
        found = cider.scores([_caption(record) for record in records], [_references(record) for record in records])
        return [replace(record, scores={**record.scores, "cider": score}) for record, score in zip(records, found, strict=True)]


def _caption(record: Record) -> str:
    assert isinstance(record.response, GenerateResponse)
    return record.response.texts[0]


def _references(record: Record) -> list[str]:
    assert isinstance(record.target, list)
    return [str(reference) for reference in record.target]
