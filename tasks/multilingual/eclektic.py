import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gemma_eval.metrics import eclektic
from gemma_eval.task import Chat, DatasetRef, Fewshot, Generation, Row, register
from gemma_eval.types import JSON, Grade, Record

LANGUAGES = ["de", "en", "es", "fr", "he", "hi", "id", "it", "ja", "ko", "pt", "zh"]


@register
@dataclass
class ECLeKTic(Generation):
    """ECLeKTic (Goldman et al., 2025, arXiv 2502.21228): 384 facts of one language's Wikipedia, asked in 12 languages. CC BY-SA 4.0.

    The report states 2-shot sampling, the answer's first line, stripped. The ECLeKTic score is the mean over questions
    asked in another than the source language of being right there *and* at the source. Being right is for a judge model to
    say; here it is the paper's string-matching baseline, the recall of the gold's words. `recall` and `source_recall` are
    its two factors; the transfer score is `eclektic` divided by `source_recall`.
    """

    dataset: DatasetRef = field(
        default_factory=lambda: DatasetRef("ura-hcmut/ECLeKTic", split="train", configs=list(LANGUAGES), views=True)
    )
    num_fewshot: int = 2
    fewshot: Fewshot = Fewshot.published
    max_tokens: int = 64

    name = "eclektic"
    card = "ECLeKTic"
    undisclosed = (
        "Judge and exemplars are not stated. Scored by word recall instead of a judge model, so not to be compared with the card. "
        "Exemplars: two common facts in the question's language, written for this page."
    )
    comparable = False
    primary = "recall"  # of one answer; the ECLeKTic score needs two

    @property
    def metrics(self) -> tuple[str, ...]:
        return ("eclektic", "recall", "source_recall")

    def subset(self, row: Row, config: str) -> str:
        return config

    def cluster(self, row: Row, config: str, id: str) -> str:
        return str(row["q_id"])

    def overlap_key(self, row: Row, config: str, id: str) -> str:
        return str(row["q_id"])

    def query(self, row: Row) -> str:
        return _asked(row[f"{row['config']}_q"])

    def golds(self, row: Row) -> list[str]:
        return [row[f"{row['config']}_a"]]

    def target(self, row: Row) -> JSON:
        return {"gold": self.golds(row)[0], "language": row["config"], "source": row["original_lang"]}

    def published_shots(self, row: Row) -> list[str]:
        exemplars = json.loads(Path(__file__).with_name("eclektic_exemplars.json").read_text(encoding="utf-8"))
        return [f"{_asked(question)} {answer}" for question, answer in exemplars[row["config"]]]

    def extract(self, text: str) -> str | None:
        return text.strip() or None

    def grade(self, text: str, target: JSON) -> Grade:
        assert isinstance(target, dict)
        line = self.extract(text)
        return Grade({"recall": eclektic.recall(line or "", str(target["gold"]), str(target["language"]))}, line)

    def records_to_average(self, records: Sequence[Record]) -> Sequence[Record]:
        """The questions asked in another than their source language, each scored together with its source."""
        at_source = {record.cluster: record.scores["recall"] for record in records if record.subset == _source(record)}
        return [
            _with_source(record, at_source[record.cluster])
            for record in records
            if record.subset != _source(record) and record.cluster in at_source
        ]


@register
@dataclass
class ECLeKTicIT(Chat, ECLeKTic):
    """ECLeKTic zero-shot, for instruction-tuned models: the question as it stands. Data, licence and score as `eclektic`.

    The whole reply is the answer, so one that says more finds more of the gold's words.
    """

    name = "eclektic_it"
    bundled = "eclektic"
    undisclosed = "The judge is not stated. Scored by word recall instead of a judge model, so not to be compared with the card."

    def query(self, row: Row) -> str:
        return str(row[f"{row['config']}_q"]).strip()


def _asked(question: str) -> str:
    return f"Question: {question}\nAnswer:"


def _source(record: Record) -> JSON:
    assert isinstance(record.target, dict)
    return record.target["source"]


def _with_source(record: Record, source: float | list[int]) -> Record:
    here = record.scores["recall"]
    assert not isinstance(source, list) and not isinstance(here, list)
    return replace(record, scores={"eclektic": source * here, "recall": here, "source_recall": source})
