from dataclasses import dataclass

from gemma_eval.metrics import drop
from gemma_eval.task import DatasetRef, Generation, Row, register
from gemma_eval.types import JSON, Grade


@register
@dataclass
class DROP(Generation):
    """DROP (Dua et al., 2019, arXiv 1903.00161): reading that needs counting, sorting or adding up. CC BY-SA 4.0.

    The report states token F1, 1-shot sampling. F1 and exact match are the official ones, best over the annotators'
    answers. Stopping at "." would cut decimals, so the answer is one line, read as one span or as a list of spans, whichever
    is nearer to the gold; `f1_one_span` never splits it.
    """

    dataset: DatasetRef = DatasetRef("EleutherAI/drop", split="validation", fewshot_split="train")
    num_fewshot: int = 1

    name = "drop"
    card = "DROP"
    undisclosed = (
        "Exemplar and reading of several spans are not stated: a seeded draw from train; a line is read as one span or as a list, "
        "whichever scores better (f1_one_span: never as a list)."
    )
    primary = "f1"

    @property
    def metrics(self) -> tuple[str, ...]:
        return ("f1", "exact_match", "f1_one_span")

    def query(self, row: Row) -> str:
        return f"Passage: {row['passage']}\nQuestion: {row['question']}\nAnswer:"

    def golds(self, row: Row) -> list[str]:
        return [_written(spans) for spans in _answers(row)]

    def target(self, row: Row) -> JSON:
        return [list(spans) for spans in _answers(row)]

    def extract(self, text: str) -> str | None:
        return text.strip() or None

    def grade(self, text: str, target: JSON) -> Grade:
        assert isinstance(target, list)
        golds = [[str(span) for span in spans] for spans in target if isinstance(spans, list)]
        line = self.extract(text)
        lists = drop.readings(line) if line else []
        scores = {
            "f1": max((drop.f1(spans, gold) for spans in lists for gold in golds), default=0.0),
            "exact_match": max((drop.exact_match(spans, gold) for spans in lists for gold in golds), default=0.0),
            "f1_one_span": max((drop.f1([line], gold) for gold in golds if line), default=0.0),
        }
        return Grade(scores, line)

    def cluster(self, row: Row, config: str, id: str) -> str:
        return str(row["section_id"])  # the passage


def _answers(row: Row) -> list[tuple[str, ...]]:
    """Every annotator's answer as its spans: a number, a date, or one or several spans. The exemplar shows the first."""
    others = row["validated_answers"]
    parts = zip(others["number"], others["date"], others["spans"], strict=True)
    candidates = [row["answer"], *({"number": number, "date": date, "spans": spans} for number, date, spans in parts)]
    return list(dict.fromkeys(spans for spans in map(_spans, candidates) if any(map(drop.normalize, spans))))


def _spans(answer: Row) -> tuple[str, ...]:
    if answer["number"]:
        return (str(answer["number"]),)
    date = " ".join(part for part in (answer["date"][unit] for unit in ("day", "month", "year")) if part)
    return tuple(answer["spans"]) or (date,)


def _written(spans: tuple[str, ...]) -> str:
    return ("; " if any("," in span for span in spans) else ", ").join(spans)
