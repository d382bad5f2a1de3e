"""What the translation pages have in common."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from gemma_eval.metrics import chrf
from gemma_eval.task import Average, Generation, Row
from gemma_eval.types import JSON, CorpusScore, Grade


class Direction(Enum):
    from_english = "from_english"
    into_english = "into_english"


@dataclass
class Translation(Generation):
    """Texts in English and in other languages, one subset per language; the score is the mean over languages of corpus chrF.

    A text is put on one line, so that the newline ends a translation; chrF does not see white space.
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
        """English and the other, as source and target."""
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
