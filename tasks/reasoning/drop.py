from dataclasses import dataclass

from gemma_eval.metrics import drop
from gemma_eval.task import JSON, DatasetRef, Generation, Grade, Row, register


@register
@dataclass
class DROP(Generation):
    """DROP (Dua et al., 2019, arXiv 1903.00161): questions about a passage that need counting, sorting or adding.

    Licence: CC BY-SA 4.0. Card row: "DROP", 1-shot.

    The report states token F1 and 1-shot sampling. It gives neither the example nor how an answer of several spans is read: we draw
    the example from train, and read a line as one span or as a list of spans, whichever scores better. `f1_one_span` never reads a
    list.

    F1 and exact match are the official ones, the best over all annotators' answers. The answer is a whole line: stopping at "." would
    truncate decimals.
    """

    dataset: DatasetRef = DatasetRef(
        "EleutherAI/drop", split="validation", fewshot_split="train", pinned="619386fc7ffe6dace3cc6d3483c69b164ebf6bf3"
    )
    num_fewshot: int = 1

    name = "drop"
    card = "DROP"
    undisclosed = (
        "Google does not say which example it used or how it read several spans; we draw the example from train (seed 1234 by default), "
        "and read a line as one span or as a list, whichever scores better (f1_one_span: never as a list)."
    )
    primary = "f1"

    @property
    def metrics(self) -> tuple[str, ...]:
        return ("f1", "exact_match", "f1_one_span")

    def query(self, row: Row) -> str:
        return f"Passage: {row['passage']}\nQuestion: {row['question']}\nAnswer:"

    def golds(self, row: Row) -> list[str]:
        return [_as_text(spans) for spans in _answers(row)]

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
    """Each annotator's answer as its spans: a number, a date, or one or more spans. The exemplar shows the first answer."""
    others = row["validated_answers"]
    parts = zip(others["number"], others["date"], others["spans"], strict=True)
    candidates = [row["answer"], *({"number": number, "date": date, "spans": spans} for number, date, spans in parts)]
    return list(dict.fromkeys(spans for spans in map(_spans, candidates) if any(map(drop.normalize, spans))))


def _spans(answer: Row) -> tuple[str, ...]:
    if answer["number"]:
        return (str(answer["number"]),)
    date = " ".join(part for part in (answer["date"][unit] for unit in ("day", "month", "year")) if part)
    return tuple(answer["spans"]) or (date,)


def _as_text(spans: tuple[str, ...]) -> str:
    """The spans as a list that `drop.readings` takes apart again."""
    return ("; " if any("," in span for span in spans) else ", ").join(spans)
