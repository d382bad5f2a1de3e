"""The metrics of this package as `evaluate.Metric`s, for use outside of this program.

    from gemma_eval.metrics.hf_evaluate import TriviaQAExactMatch
    TriviaQAExactMatch().compute(predictions=["the Beatles"], references=[["Beatles"]])

Unlike `evaluate.load`, these classes fetch nothing from the Hub. Unless a class says otherwise, predictions are texts, references are
lists of texts, and the result is the mean over items, 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

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
    math_answer,
    minerva,
    mmmu,
    options,
    qa,
    remi,
    ruler,
    squad,
    vqa,
)
from gemma_eval.sandbox import runner as sandbox
from gemma_eval.sandbox.runner import Outcome
from gemma_eval.settings import Sandbox

Score: TypeAlias = Callable[[str, list[str]], float]
"""Scores one answer against its golds."""

Compute: TypeAlias = Callable[..., dict[str, float]]
"""Scores all items: called with predictions, references and further inputs of the metric, each [items]."""

TEXT = datasets.Value("string")
TEXTS = datasets.Sequence(TEXT)


def _metric(name: str, compute: Compute, description: str, *, predictions: Any = TEXT, references: Any = TEXTS) -> type[evaluate.Metric]:
    """A class of this name. `predictions` and `references` are the features of one item."""

    def info(self: evaluate.Metric) -> evaluate.MetricInfo:
        features = datasets.Features({"predictions": predictions, "references": references})
        return evaluate.MetricInfo(description=description, citation="", inputs_description="", features=features)

    body = {"__doc__": description, "__module__": __name__, "_info": info, "_compute": staticmethod(compute)}
    return type(name, (evaluate.Metric,), body)


def _answers(name: str, score: Score, description: str, key: str = "exact_match") -> type[evaluate.Metric]:
    """A class whose result, under `key`, is the mean of the items' scores."""

    def compute(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
        return {key: _mean([score(answer, list(golds)) for answer, golds in zip(predictions, references, strict=True)])}

    return _metric(name, compute, description)


def _mean(scores: Sequence[float]) -> float:
    return sum(scores) / len(scores)


# -- one answer against its golds -------------------------------------------------------------------------------

TriviaQAExactMatch = _answers(
    "TriviaQAExactMatch",
    lambda answer, golds: qa.exact_match(answer, golds, qa.trivia_normalize),
    "Exact match with any alias after TriviaQA's own normalisation (Joshi et al., 2017).",
)
SquadExactMatch = _answers(
    "SquadExactMatch",
    qa.exact_match,
    "Exact match with any answer after SQuAD 1.1's normalisation (Rajpurkar et al., 2016); used by Natural Questions.",
)
NumberMatch = _answers(
    "NumberMatch",
    math.same_number,
    "Numerical equality with any gold; separators, currency and percent signs do not matter. Used by GSM8K.",
)
LocalNumberMatch = _answers(
    "LocalNumberMatch",
    math.same_local_number,
    "Numerical equality with any gold, the answer written with the digits and separators of any language. Used by MGSM.",
)
AGIEvalValue = _answers(
    "AGIEvalValue",
    lambda answer, golds: max(agieval.same_value(answer, gold) for gold in golds),
    "Values in LaTeX that are the same string after the MATH authors' normalisation (Hendrycks et al., 2021), as in AGIEval.",
)
MinervaMatch = _answers(
    "MinervaMatch",
    lambda answer, golds: float(any(minerva.equivalent(answer, gold) for gold in golds)),
    "Equality of LaTeX answers as text after Minerva's normalisation or by computer algebra (Lewkowycz et al., 2022); MATH's diagnostic.",
)
MathAnswerMatch = _answers(
    "MathAnswerMatch",
    lambda answer, golds: float(any(math_answer.right(answer, gold) for gold in golds)),
    "LaTeX answers that the authors of MATH accept (Hendrycks et al., 2021), or that differ in LaTeX alone or by algebra in nothing.",
)
MathVerify = _answers(
    "MathVerify",
    lambda answer, golds: float(any(minerva.verified(answer, gold) for gold in golds)),
    "Whether the library math-verify finds any gold LaTeX answer in a text; MATH's diagnostic.",
)
SquadTokenF1 = _answers(
    "SquadTokenF1",
    squad.token_f1,
    "Token F1 with the closest answer after SQuAD 1.1's normalisation (Rajpurkar et al., 2016); XQuAD's own metric.",
    key="f1",
)
SentenceChrF = _answers(
    "SentenceChrF",
    chrf.sentence,
    "Mean of the answers' chrF (Popovic, 2015), 0 to 100, each against its closest gold.",
    key="chrf",
)
StringMatchAll = _answers(
    "StringMatchAll",
    ruler.match_all,
    "Share of the golds that are found in the answer, ignoring case (RULER; Hsieh et al., 2024).",
    key="string_match",
)
StringMatchPart = _answers(
    "StringMatchPart",
    ruler.match_part,
    "Whether any gold is found in the answer, ignoring case: RULER's score of its questions on documents.",
    key="string_match",
)
ANLS = _answers(
    "ANLS",
    anls.similarity,
    "Average normalised Levenshtein similarity with threshold 0.5 (Biten et al., 2019), best over golds. Used by DocVQA and InfoVQA.",
    key="anls",
)
VQAAccuracy = _answers(
    "VQAAccuracy",
    vqa.accuracy,
    "Soft accuracy against ten annotators, by the VQA challenge's script (Antol et al., 2015). Used by VQAv2 and OK-VQA.",
    key="vqa",
)
TextVQAAccuracy = _answers(
    "TextVQAAccuracy",
    vqa.textvqa_accuracy,
    "Soft accuracy against ten annotators after TextVQA's own text processor (Singh et al., 2019).",
    key="vqa",
)
RelaxedAccuracy = _answers(
    "RelaxedAccuracy",
    lambda answer, golds: max(chartqa.relaxed(answer, gold) for gold in golds),
    "Numbers within 5 % of a gold, texts equal to one (ChartQA; Masry et al., 2022).",
    key="relaxed_accuracy",
)
CountMatch = _answers(
    "CountMatch",
    lambda answer, golds: float(counting.whole(answer) in golds),
    "The whole answer is a gold count, in digits or as a word up to twenty. Used by TallyQA and CountBenchQA.",
)
LetterMatch = _answers(
    "LetterMatch",
    lambda answer, golds: float(options.letter(answer) in golds),
    "The option letter that an answer gives is a gold one. Used by AI2D.",
)
YesNoMatch = _answers(
    "YesNoMatch",
    lambda answer, golds: float(letters.yes_or_no(answer) in golds),
    "The yes or no that an answer gives is a gold one. Used by SpatialSense.",
)
MMMUOpenMatch = _answers(
    "MMMUOpenMatch",
    mmmu.open_answer,
    "What an answer concludes holds a gold text or number, by the parser of MMMU's authors (Yue et al., 2024).",
)


# -- metrics with inputs, or a corpus score, of their own -------------------------------------------------------


def _corpus_chrf(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    return {"chrf": chrf.corpus(predictions, references)}


def _cider(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    return {"cider": _mean(cider.scores(predictions, references))}


def _drop(predictions: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]) -> dict[str, float]:
    pairs = list(zip(predictions, references, strict=True))
    return {
        name: _mean([max(score(spans, gold) for gold in golds) for spans, golds in pairs])
        for name, score in (("f1", drop.f1), ("exact_match", drop.exact_match))
    }


def _mmmu_choice(predictions: Sequence[str], references: Sequence[Sequence[str]], options: Sequence[Sequence[str]]) -> dict[str, float]:
    items = zip(predictions, references, options, strict=True)
    return {"exact_match": _mean([mmmu.choice(answer, texts) in golds for answer, golds, texts in items])}


def _remi(predictions: Sequence[str], references: Sequence[Sequence[str]], tasks: Sequence[str]) -> dict[str, float]:
    items = zip(predictions, references, tasks, strict=True)
    return {"exact_match": _mean([remi.correct(answer, golds[0], task) for answer, golds, task in items])}


def _instructions_followed(
    predictions: Sequence[str], references: Sequence[Sequence[str]], arguments: Sequence[Sequence[dict[str, Any]]]
) -> dict[str, float]:
    found = {}
    for name, check in (("strict", ifeval.follows), ("loose", ifeval.follows_loosely)):
        followed = [
            [check(instruction, response, given) for instruction, given in zip(instructions, givens, strict=True)]
            for response, instructions, givens in zip(predictions, references, arguments, strict=True)
        ]
        found[f"prompt_{name}"] = _mean([all(each) for each in followed])
        found[f"instruction_{name}"] = _mean([one for each in followed for one in each])
    return found


def _word_recall(predictions: Sequence[str], references: Sequence[str], languages: Sequence[str]) -> dict[str, float]:
    return {"recall": _mean([eclektic.recall(*item) for item in zip(predictions, references, languages, strict=True)])}


def _choice_accuracy(
    predictions: Sequence[Sequence[float]], references: Sequence[int], choices: Sequence[Sequence[str]]
) -> dict[str, float]:
    items = zip(predictions, references, choices, strict=True)
    scores = [choice.accuracy(logprobs, gold, [len(text) for text in texts]) for logprobs, gold, texts in items]
    return {name: _mean([score[name] for score in scores]) for name in ("acc", "acc_norm")}


def _pass_at_1(predictions: Sequence[str], references: Sequence[str], isolation: str = "bubblewrap") -> dict[str, float]:
    settings = Sandbox(isolation)
    sandbox.check(settings)
    outcomes = [sandbox.run(program, tests, sandbox=settings) for program, tests in zip(predictions, references, strict=True)]
    return {"pass@1": _mean([outcome is Outcome.passed for outcome in outcomes])}


CorpusChrF = _metric(
    "CorpusChrF",
    _corpus_chrf,
    "chrF (Popovic, 2015), 0 to 100, of n-grams counted over the whole corpus, as sacrebleu's `corpus_chrf`.",
)
CIDErD = _metric(
    "CIDErD",
    _cider,
    "CIDEr-D (Vedantam et al., 2015), 0 to 10, of captions among all that are given. It needs no Java.",
)
DROPF1 = _metric(
    "DROPF1",
    _drop,
    """Token F1 and exact match of answers of one or several spans (Dua et al., 2019), best over the golds.

    predictions: the spans of each answer; references: for each item its golds, each a list of spans.
    """,
    predictions=TEXTS,
    references=datasets.Sequence(TEXTS),
)
MMMUChoice = _metric(
    "MMMUChoice",
    _mmmu_choice,
    "The option an answer names, by the parser of MMMU's authors without its random guess, is a gold letter. `options`: their texts.",
)
ReMIMatch = _metric(
    "ReMIMatch",
    _remi,
    "An answer is right by the rule of its task of ReMI (Kazemi et al., 2024). references: one label each; `tasks`: names of tasks.",
)
InstructionFollowing = _metric(
    "InstructionFollowing",
    _instructions_followed,
    """Shares of prompts and of instructions followed, strictly and loosely (IFEval; Zhou et al., 2023).

    predictions: responses; references: lists of instruction names; `arguments`: for each of them its arguments.
    """,
)
WordRecall = _metric(
    "WordRecall",
    _word_recall,
    """Mean share of the gold's words (characters in Japanese and Chinese) found in the answer: ECLeKTic's string baseline (2025).

    predictions, references: texts; `languages`: their codes.
    """,
    references=TEXT,
)
ChoiceAccuracy = _metric(
    "ChoiceAccuracy",
    _choice_accuracy,
    """Accuracy of multiple choice from log-likelihoods: `acc`, and `acc_norm` after division by characters ("Char-Len").

    predictions: log-likelihoods (nats) of an item's choices; references: index of the gold choice; `choices`: the choices' texts.
    """,
    predictions=datasets.Sequence(datasets.Value("float64")),
    references=datasets.Value("int64"),
)
PassAt1 = _metric(
    "PassAt1",
    _pass_at_1,
    """Share of programs whose tests pass (Chen et al., 2021), each run in a sandbox; used by HumanEval and MBPP.

    predictions: programs; references: tests, run after the program in its namespace. `isolation`: the sandbox's, "bubblewrap" by default.
    """,
    references=TEXT,
)
