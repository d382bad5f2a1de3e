"""The common part of the translation pages: WMT24++, FLORES and Flores-IN."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from gemma_eval.metrics import chrf
from gemma_eval.task import JSON, Average, CorpusScore, Generation, Grade, Row


class Direction(Enum):
    """From which language texts are translated."""

    from_english = "from_english"
    into_english = "into_english"


@dataclass
class Translation(Generation):
    """Translates texts between English and other languages. Each language is a subset, and the score is the mean over languages of
    corpus chrF.

    Each text is put on one line, because a newline ends a translation. chrF ignores white space.
    """

    max_tokens: int = 256
    direction: Direction = Direction.from_english

    primary = "chrf"
    scale = 100.0
    signature = chrf.SIGNATURE
    average = Average.macro
    fewshot_by_subset = True

    @abstractmethod
    def texts(self, row: Row) -> tuple[str, str]:
        """The text in English and in the other language."""

    @abstractmethod
    def language(self, row: Row) -> str:
        """English name of the other language."""

    def subset(self, row: Row, config: str) -> str:
        return config

    def query(self, row: Row) -> str:
        source, _ = self._ordered(self.texts(row))
        given, wanted = self._ordered(("English", self.language(row)))
        return f"{given}: {' '.join(source.split())}\n{wanted}:"

    def golds(self, row: Row) -> list[str]:
        _, target = self._ordered(self.texts(row))
        return [" ".join(target.split())]

    def _ordered(self, pair: tuple[str, str]) -> tuple[str, str]:
        """A pair (English, other) as (source, target)."""
        return pair if self.direction is Direction.from_english else (pair[1], pair[0])

    @property
    def metrics(self) -> tuple[str, ...]:
        return ("chrf", "chrf_sentence")

    def corpus_metrics(self) -> dict[str, CorpusScore]:
        return {"chrf": chrf.score}

    def grade(self, text: str, target: JSON) -> Grade:
        assert isinstance(target, Sequence)
        answer = text.strip()
        counts = chrf.counts(answer, [str(gold) for gold in target])
        return Grade({"chrf": counts, "chrf_sentence": chrf.of_counts(counts)}, answer)
