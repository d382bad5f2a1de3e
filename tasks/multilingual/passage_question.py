"""The common part of the pages with questions about a passage: XQuAD, and XQuAD-IN and XorQA-IN of IndicGenBench."""

from collections.abc import Sequence
from dataclasses import dataclass

from gemma_eval.metrics import chrf, squad
from gemma_eval.task import JSON, Average, CorpusScore, Generation, Grade, Row


@dataclass
class PassageQuestion(Generation):
    """Answers a question from a passage. Each language is a subset, and the score is the mean over languages.

    `chrf` scores each answer against the right answer that it is closest to, and averages these scores. `chrf_corpus` is the chrF of
    all answers of a language together, and `f1` the F1 of their tokens.
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
