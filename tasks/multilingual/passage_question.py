"""What the pages with questions about a passage have in common."""

from collections.abc import Sequence
from dataclasses import dataclass

from gemma_eval.metrics import chrf, squad
from gemma_eval.task import Average, Generation, Row
from gemma_eval.types import JSON, CorpusScore, Grade


@dataclass
class PassageQuestion(Generation):
    """Answer a question from a passage, one subset per language; the score is the mean over languages of the answers' chrF.

    Each answer is scored against the gold it is closest to, then scores are meaned; chrF of all answers of a language
    together (`chrf_corpus`) and token F1 (`f1`) stand beside it.
    """

    num_fewshot: int = 5
    max_tokens: int = 96

    primary = "chrf"
    scale = 100.0
    signature = chrf.SIGNATURE
    average = Average.macro
    fewshot_by_subset = True

    def subset(self, row: Row, config: str) -> str:
        return config

    @property
    def metrics(self) -> tuple[str, ...]:
        return ("chrf", "chrf_corpus", "f1")

    def corpus_metrics(self) -> dict[str, CorpusScore]:
        return {"chrf_corpus": chrf.score}

    def grade(self, text: str, target: JSON) -> Grade:
        assert isinstance(target, Sequence)
        golds, answer = [str(gold) for gold in target], text.strip()
        counts = chrf.counts(answer, golds)
        return Grade(
            {"chrf": chrf.of_counts(counts), "chrf_corpus": counts, "f1": self.scale * squad.token_f1(answer, golds)},
            answer,
        )
