"""The metrics written here as `evaluate.Metric`s, for use outside this program.

    from gemma_eval.metrics import TriviaQAExactMatch
    TriviaQAExactMatch().compute(predictions=["the Beatles"], references=[["Beatles"]])

Nothing is fetched: `evaluate.load` needs the Hub, these classes do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import datasets
import evaluate

from gemma_eval.metrics import (
    agieval,
    anls,
    chartqa,
    choice,
    chrf,
    cider,
    counting,
    drop,
    eclektic,
    ifeval,
    letters,
    math,
    minerva,
    mmmu,
    qa,
    remi,
    ruler,
    squad,
    vqa,
)
from gemma_eval.sandbox import runner as sandbox
from gemma_eval.sandbox.runner import Outcome
from gemma_eval.settings import Sandbox


class _AnswerMetric(evaluate.Metric):  # type: ignore[misc]
    """Mean over items of a score of one answer against its golds. predictions: texts; references: lists of texts."""

    key: ClassVar[str] = "exact_match"

    @staticmethod
    def score(answer: str, golds: list[str]) -> float:
        """Score of one answer; each metric below defines its own."""
        return float(answer in golds)

    def _info(self) -> evaluate.MetricInfo:
        features = datasets.Features({"predictions": datasets.Value("string"), "references": datasets.Sequence(datasets.Value("string"))})
        return evaluate.MetricInfo(description=type(self).__doc__ or "", citation="", inputs_description="", features=features)

    def _compute(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
        scores = [type(self).score(answer, list(golds)) for answer, golds in zip(predictions, references, strict=True)]
        return {self.key: sum(scores) / len(scores)}


class TriviaQAExactMatch(_AnswerMetric):
    """Exact match with any alias after TriviaQA's own normalisation (Joshi et al., 2017)."""

    @staticmethod
    def score(answer: str, golds: list[str]) -> float:
        return qa.exact_match(answer, golds, qa.trivia_normalize)


class SquadExactMatch(_AnswerMetric):
    """Exact match with any answer after SQuAD 1.1's normalisation (Rajpurkar et al., 2016); used by Natural Questions."""

    @staticmethod
    def score(answer: str, golds: list[str]) -> float:
        return qa.exact_match(answer, golds)


class NumberMatch(_AnswerMetric):
    """Numerical equality with any gold; separators, currency and percent signs do not matter. Used by GSM8K."""

    @staticmethod
    def score(answer: str, golds: list[str]) -> float:
        return math.same_number(answer, golds)


class AGIEvalValue(_AnswerMetric):
    """Values in LaTeX that are the same string after the MATH authors' normalisation (Hendrycks et al., 2021), as in AGIEval."""

    @staticmethod
    def score(answer: str, golds: list[str]) -> float:
        return max(agieval.same_value(answer, gold) for gold in golds)


class DROPF1(evaluate.Metric):  # type: ignore[misc]
    """Token F1 and exact match of answers of one or several spans (Dua et al., 2019), best over the golds.

    predictions: the spans of each answer; references: for each item its golds, each a list of spans.
    """

    def _info(self) -> evaluate.MetricInfo:
        spans = datasets.Sequence(datasets.Value("string"))
        features = datasets.Features({"predictions": spans, "references": datasets.Sequence(spans)})
        return evaluate.MetricInfo(description=type(self).__doc__ or "", citation="", inputs_description="", features=features)

    def _compute(self, predictions: Any, references: Any) -> dict[str, float]:
        pairs = list(zip(predictions, references, strict=True))
        scores = {"f1": drop.f1, "exact_match": drop.exact_match}
        return {
            name: sum(max(score(spans, gold) for gold in golds) for spans, golds in pairs) / len(pairs) for name, score in scores.items()
        }


class SquadTokenF1(_AnswerMetric):
    """Token F1 with the closest answer after SQuAD 1.1's normalisation (Rajpurkar et al., 2016); XQuAD's own metric."""

    key = "f1"

    @staticmethod
    def score(answer: str, golds: list[str]) -> float:
        return squad.token_f1(answer, golds)


class SentenceChrF(_AnswerMetric):
    """Mean of the answers' chrF (Popovic, 2015), 0 to 100, each against its closest gold."""

    key = "chrf"

    @staticmethod
    def score(answer: str, golds: list[str]) -> float:
        return chrf.sentence(answer, golds)


class CorpusChrF(_AnswerMetric):
    """chrF (Popovic, 2015), 0 to 100, of n-grams counted over the whole corpus, as sacrebleu's `corpus_chrf`."""

    def _compute(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
        return {"chrf": chrf.corpus(predictions, references)}


class LocalNumberMatch(_AnswerMetric):
    """Numerical equality with any gold, the answer written with the digits and separators of any language. Used by MGSM."""

    @staticmethod
    def score(answer: str, golds: list[str]) -> float:
        return math.same_local_number(answer, golds)


class MinervaMatch(_AnswerMetric):
    """Equality of LaTeX answers as text after Minerva's normalisation or by computer algebra (Lewkowycz et al., 2022). Used by MATH."""

    @staticmethod
    def score(answer: str, golds: list[str]) -> float:
        return float(any(minerva.equivalent(answer, gold) for gold in golds))


class MathVerify(_AnswerMetric):
    """Whether the library math-verify finds any gold LaTeX answer in a text; MATH's diagnostic."""

    @staticmethod
    def score(answer: str, golds: list[str]) -> float:
        return float(any(minerva.verified(answer, gold) for gold in golds))


class StringMatchAll(_AnswerMetric):
    """Share of the golds that stand in the answer, ignoring case (RULER; Hsieh et al., 2024)."""

    key = "string_match"

    @staticmethod
    def score(answer: str, golds: list[str]) -> float:
        return ruler.match_all(answer, golds)


class StringMatchPart(_AnswerMetric):
    """Whether any gold stands in the answer, ignoring case: RULER's score of its questions on documents."""

    key = "string_match"

    @staticmethod
    def score(answer: str, golds: list[str]) -> float:
        return ruler.match_part(answer, golds)


class ANLS(_AnswerMetric):
    """Average normalised Levenshtein similarity with threshold 0.5 (Biten et al., 2019), best over golds. Used by DocVQA and InfoVQA."""

    key = "anls"

    @staticmethod
    def score(answer: str, golds: list[str]) -> float:
        return anls.similarity(answer, golds)


class VQAAccuracy(_AnswerMetric):
    """Soft accuracy against ten annotators, by the VQA challenge's script (Antol et al., 2015). Used by VQAv2 and OK-VQA."""

    key = "vqa"

    @staticmethod
    def score(answer: str, golds: list[str]) -> float:
        return vqa.accuracy(answer, golds)


class TextVQAAccuracy(_AnswerMetric):
    """Soft accuracy against ten annotators after TextVQA's own text processor (Singh et al., 2019)."""

    key = "vqa"

    @staticmethod
    def score(answer: str, golds: list[str]) -> float:
        return vqa.textvqa_accuracy(answer, golds)


class RelaxedAccuracy(_AnswerMetric):
    """Numbers within 5 % of a gold, texts equal to one (ChartQA; Masry et al., 2022)."""

    key = "relaxed_accuracy"

    @staticmethod
    def score(answer: str, golds: list[str]) -> float:
        return max(chartqa.relaxed(answer, gold) for gold in golds)


class CountMatch(_AnswerMetric):
    """The whole answer is a gold count, in digits or as a word up to twenty. Used by TallyQA and CountBenchQA."""

    @staticmethod
    def score(answer: str, golds: list[str]) -> float:
        return float(counting.whole(answer) in golds)


class LetterMatch(_AnswerMetric):
    """The option letter that an answer begins with is a gold one. Used by AI2D."""

    @staticmethod
    def score(answer: str, golds: list[str]) -> float:
        return float(letters.leading(answer) in golds)


class YesNoMatch(_AnswerMetric):
    """The yes or no that an answer begins with is a gold one. Used by SpatialSense."""

    @staticmethod
    def score(answer: str, golds: list[str]) -> float:
        return float(letters.yes_or_no(answer) in golds)


class MMMUOpenMatch(_AnswerMetric):
    """What an answer concludes holds a gold text or number, by the parser of MMMU's authors (Yue et al., 2024)."""

    @staticmethod
    def score(answer: str, golds: list[str]) -> float:
        return mmmu.open_answer(answer, golds)


class MMMUChoice(_AnswerMetric):
    """The option an answer names, by the parser of MMMU's authors without its random guess, is a gold letter. `options`: their texts."""

    def _compute(self, predictions: Any, references: Any, options: Sequence[Sequence[str]]) -> dict[str, float]:  # type: ignore[override]
        found = [mmmu.choice(answer, texts) in golds for answer, golds, texts in zip(predictions, references, options, strict=True)]
        return {self.key: sum(found) / len(found)}


class ReMIMatch(_AnswerMetric):
    """An answer is right by the rule of its task of ReMI (Kazemi et al., 2024). references: one label each; `tasks`: names of tasks."""

    def _compute(self, predictions: Any, references: Any, tasks: Sequence[str]) -> dict[str, float]:  # type: ignore[override]
        found = [remi.correct(answer, golds[0], task) for answer, golds, task in zip(predictions, references, tasks, strict=True)]
        return {self.key: sum(found) / len(found)}


class CIDErD(_AnswerMetric):
    """CIDEr-D (Vedantam et al., 2015), 0 to 10, of captions among all that are given. In need of no Java."""

    def _compute(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
        found = cider.scores(predictions, references)
        return {"cider": sum(found) / len(found)}


class InstructionFollowing(evaluate.Metric):  # type: ignore[misc]
    """Shares of prompts and of instructions followed, strictly and loosely (IFEval; Zhou et al., 2023).

    predictions: responses; references: lists of instruction names; `arguments`: for each of them its arguments.
    """

    def _info(self) -> evaluate.MetricInfo:
        features = datasets.Features({"predictions": datasets.Value("string"), "references": datasets.Sequence(datasets.Value("string"))})
        return evaluate.MetricInfo(description=type(self).__doc__ or "", citation="", inputs_description="", features=features)

    def _compute(self, predictions: Any, references: Any, arguments: Sequence[Sequence[dict[str, Any]]]) -> dict[str, float]:
        found = {}
        for name, check in (("strict", ifeval.follows), ("loose", ifeval.follows_loosely)):
            followed = [
                [check(instruction, response, given) for instruction, given in zip(instructions, givens, strict=True)]
                for response, instructions, givens in zip(predictions, references, arguments, strict=True)
            ]
            found[f"prompt_{name}"] = sum(map(all, followed)) / len(followed)
            found[f"instruction_{name}"] = sum(map(sum, followed)) / sum(map(len, followed))
        return found


class WordRecall(evaluate.Metric):  # type: ignore[misc]
    """Mean share of the gold's words (characters in Japanese and Chinese) found in the answer: ECLeKTic's string baseline (2025).

    predictions, references: texts; `languages`: their codes.
    """

    def _info(self) -> evaluate.MetricInfo:
        features = datasets.Features({"predictions": datasets.Value("string"), "references": datasets.Value("string")})
        return evaluate.MetricInfo(description=type(self).__doc__ or "", citation="", inputs_description="", features=features)

    def _compute(self, predictions: Sequence[str], references: Sequence[str], languages: Sequence[str]) -> dict[str, float]:
        scores = [eclektic.recall(*item) for item in zip(predictions, references, languages, strict=True)]
        return {"recall": sum(scores) / len(scores)}


class ChoiceAccuracy(evaluate.Metric):  # type: ignore[misc]
    """Accuracy of multiple choice from log-likelihoods: `acc`, and `acc_norm` after division by characters ("Char-Len").

    predictions: log-likelihoods (nats) of an item's choices; references: index of the gold choice; `choices`: the choices' texts.
    """

    def _info(self) -> evaluate.MetricInfo:
        features = datasets.Features({"predictions": datasets.Sequence(datasets.Value("float64")), "references": datasets.Value("int64")})
        return evaluate.MetricInfo(description=type(self).__doc__ or "", citation="", inputs_description="", features=features)

    def _compute(self, predictions: Any, references: Any, choices: Sequence[Sequence[str]]) -> dict[str, float]:
        scores = [
            choice.accuracy(logprobs, gold, [len(text) for text in texts])
            for logprobs, gold, texts in zip(predictions, references, choices, strict=True)
        ]
        return {name: sum(score[name] for score in scores) / len(scores) for name in ("acc", "acc_norm")}


class PassAt1(evaluate.Metric):  # type: ignore[misc]
    """Share of programs whose tests pass (Chen et al., 2021), each run in a sandbox; used by HumanEval and MBPP.

    predictions: programs; references: tests, run after the program in its namespace.
    """

    def _info(self) -> evaluate.MetricInfo:
        features = datasets.Features({"predictions": datasets.Value("string"), "references": datasets.Value("string")})
        return evaluate.MetricInfo(description=type(self).__doc__ or "", citation="", inputs_description="", features=features)

    def _compute(self, predictions: Sequence[str], references: Sequence[str], isolation: str = "bubblewrap") -> dict[str, float]:
        sandbox.check(Sandbox(isolation))
        outcomes = [sandbox.run(program, tests, sandbox=Sandbox(isolation)) for program, tests in zip(predictions, references, strict=True)]
        return {"pass@1": sum(outcome is Outcome.passed for outcome in outcomes) / len(outcomes)}
