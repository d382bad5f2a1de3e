import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gemma_eval.metrics import eclektic
from gemma_eval.task import JSON, Chat, DatasetRef, Fewshot, Generation, Grade, Record, Row, register

LANGUAGES = ["de", "en", "es", "fr", "he", "hi", "id", "it", "ja", "ko", "pt", "zh"]


@register
@dataclass
class ECLeKTic(Generation):
    """ECLeKTic (Goldman et al., 2025, arXiv 2502.21228): 384 facts, each from the Wikipedia of one language, asked in 12 languages.

    Licence: CC BY-SA 4.0. Card row: "ECLeKTic".

    The report states 2-shot sampling, and the first line of the answer, stripped. It gives neither judge nor examples: we use two
    common facts in the question's language, written for this page.

    The ECLeKTic score is over questions asked in a language other than their source: the mean of being right there *and* in the
    source language. A judge model should say what is right. We use the paper's string-matching baseline instead, the recall of the
    gold answer's words. `recall` and `source_recall` are the two factors; the paper's transfer score is `eclektic` divided by
    `source_recall`.
    """

    dataset: DatasetRef = field(
        default_factory=lambda: DatasetRef(
            "ura-hcmut/ECLeKTic",
            split="train",
            configs=list(LANGUAGES),
            views=True,
            files="eclektic_main.jsonl",
            pinned="86650a00986420df9939b5f29d256aebad04c767",
        )
    )
    num_fewshot: int = 2
    fewshot: Fewshot = Fewshot.published
    max_tokens: int = 64

    name = "eclektic"
    card = "ECLeKTic"
    undisclosed = (
        "Google does not name its judge or examples; we score by word recall instead of a judge model, so our score is not comparable "
        "with the card's. Our examples are two common facts in the question's language, written for this page."
    )
    comparable = False
    primary = "recall"  # the metric of one answer; `eclektic` needs two

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
        return _question(row[f"{row['config']}_q"])

    def golds(self, row: Row) -> list[str]:
        return [row[f"{row['config']}_a"]]

    def target(self, row: Row) -> JSON:
        source = LANGUAGES[LANGUAGES.index(row["original_lang"])]
        return {"gold": self.golds(row)[0], "language": row["config"], "source": source}

    def published_shots(self, row: Row) -> list[str]:
        exemplars = json.loads(Path(__file__).with_name("eclektic_exemplars.json").read_text(encoding="utf-8"))
        return [f"{_question(question)} {answer}" for question, answer in exemplars[row["config"]]]

    def extract(self, text: str) -> str | None:
        return text.strip() or None

    def grade(self, text: str, target: JSON) -> Grade:
        assert isinstance(target, dict)
        line = self.extract(text)
        return Grade({"recall": eclektic.recall(line or "", str(target["gold"]), str(target["language"]))}, line)

    def records_to_average(self, records: Sequence[Record]) -> Sequence[Record]:
        """The questions asked in a language other than their source, each with the score of the same question in its source language."""
        source_recall = {record.cluster: record.scores["recall"] for record in records if record.subset == _source(record)}
        return [
            _with_source(record, source_recall[record.cluster])
            for record in records
            if record.subset != _source(record) and record.cluster in source_recall
        ]


@register
@dataclass
class ECLeKTicIT(Chat, ECLeKTic):
    """ECLeKTic zero-shot, for instruction-tuned models. Card row: "ECLeKTic", 0-shot. Data, licence and score as `eclektic`.

    The prompt is the question alone. The whole reply is the answer, so a longer reply finds more of the gold answer's words.
    """

    name = "eclektic_it"
    bundled = "eclektic"
    undisclosed = (
        "Google does not name its judge; we score by word recall instead of a judge model, so our score is not comparable with the card's."
    )

    def query(self, row: Row) -> str:
        return str(row[f"{row['config']}_q"]).strip()


def _question(question: str) -> str:
    return f"Question: {question}\nAnswer:"


def _source(record: Record) -> JSON:
    """The language of the Wikipedia that the fact is from."""
    assert isinstance(record.target, dict)
    return record.target["source"]


def _with_source(record: Record, source_recall: float | list[int]) -> Record:
    recall = record.scores["recall"]
    assert not isinstance(source_recall, list) and not isinstance(recall, list)
    return replace(record, scores={"eclektic": source_recall * recall, "recall": recall, "source_recall": source_recall})
