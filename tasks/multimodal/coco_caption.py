from collections.abc import Sequence
from dataclasses import dataclass, replace

from gemma_eval.metrics import cider, squad
from gemma_eval.task import DatasetRef, Row, register
from gemma_eval.types import GenerateResponse, Parts, Record

from .visual_question import OnPictures


@register
@dataclass
class COCOCaption(OnPictures):
    """COCO captions (Chen et al., 2015, arXiv 1504.00325): one sentence on a photograph, five references. Annotations CC BY 4.0.

    The report states 4-shot sampling and CIDEr: here CIDEr-D, 0 to 10, which the card shows times 100. It weighs words by how
    few pictures have them: a `limit` changes the score itself, and the interval takes these weights as given. `f1`, the
    words shared with the closest reference, stands beside it. An exemplar shows its first reference.
    """

    dataset: DatasetRef = DatasetRef("lmms-lab/COCO-Caption2017", split="val", fewshot_split="val")
    max_tokens: int = 48

    name = "coco_caption"
    card = "COCOcap"
    undisclosed = (
        "Split, prompt and exemplars are not stated: the 5,000 pictures of val2017 (no copy on the Hub has the pixels of Karpathy's "
        "split), four of them drawn by seed as exemplars and not scored. Words are cut without coco-caption's Java tokenizer."
    )
    scale = cider.PERFECT
    primary = "f1"  # of one caption; CIDEr needs all

    @property
    def metrics(self) -> tuple[str, ...]:
        return ("cider", "f1")

    def query(self, row: Row) -> Parts:
        return (*self.pictures(row), "Caption:")

    def golds(self, row: Row) -> list[str]:
        return [" ".join(caption.split()) for caption in row["answer"]]

    def picture(self, row: Row, id: str) -> str:
        return id

    def judge(self, answer: str, golds: list[str]) -> float:
        return self.scale * squad.token_f1(answer, golds)

    def records_to_average(self, records: Sequence[Record]) -> Sequence[Record]:
        """The same records, each with its share of the set's CIDEr-D."""
        found = cider.scores([_caption(record) for record in records], [_references(record) for record in records])
        return [replace(record, scores={**record.scores, "cider": score}) for record, score in zip(records, found, strict=True)]


def _caption(record: Record) -> str:
    assert isinstance(record.response, GenerateResponse)
    return record.response.texts[0]


def _references(record: Record) -> list[str]:
    assert isinstance(record.target, list)
    return [str(reference) for reference in record.target]
