"""What a task is: `Task`, and its two kinds `MultipleChoice` and `Generation`.

A task is a dataclass on a page of its own. Its fields are settings (`tasks.<name>.<field>=...`); its methods are the protocol. It
turns rows into samples and scores responses. It never sees a tokenizer, a backend or a run.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from operator import index
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from gemma_eval.data.dataset import DatasetRef, Read
from gemma_eval.data.rows import Row
from gemma_eval.data.sources import Source
from gemma_eval.data.table import Table
from gemma_eval.errors import ConfigError, PluginError
from gemma_eval.metrics import choice
from gemma_eval.metrics.qa import squad_normalize
from gemma_eval.ranges import Count, Natural, Seed, Stop, Temperature
from gemma_eval.task.fewshot import Fewshot
from gemma_eval.task.soundness import check_answers, listed
from gemma_eval.types import (
    JSON,
    Continuation,
    CorpusScore,
    Generate,
    GenerateResponse,
    Grade,
    ItemScore,
    Parts,
    Prompt,
    Record,
    Response,
    Sample,
    Score,
    ScoreResponse,
    TokenCounter,
    as_parts,
    as_text,
)

T = TypeVar("T")

COMMIT = {"pinned", "revision"}  # fields of a `DatasetRef` that say which commit is read


class Average(Enum):
    """How a task's score is averaged: over all items, or over the scores of its subsets."""

    micro = "micro"
    macro = "macro"


class Normalization(Enum):
    """What a log-likelihood is divided by before choices are compared."""

    none = "none"
    characters = "characters"  # the report's "Char-Len": Unicode characters of the choice, without the leading space


def chosen(choices: Sequence[T], index: int) -> T:
    """The choice with this index. Raises `ValueError` if there is none, as for -1, which marks a row without a label."""
    if not 0 <= index < len(choices):
        raise ValueError(f"answer {index} is not among {len(choices)} choices")
    return choices[index]


@dataclass
class Task(ABC):
    """Settings and protocol of one benchmark. Pages subclass `MultipleChoice` or `Generation`, and use `@register`.

    A `seed` or `limit` of None means that of the run. The class attributes describe the benchmark; a page sets those that
    differ from the defaults.
    """

    dataset: DatasetRef = DatasetRef()
    num_fewshot: Natural = 0
    fewshot: Fewshot = Fewshot.seeded
    limit: Count | None = None
    seed: Seed | None = None

    name: ClassVar[str] = ""
    bundled: ClassVar[str] = ""  # name of its file of bundled items, where two forms of a benchmark share one; by default its own name
    chat: ClassVar[bool] = False  # True for a task that asks in plain words and needs a chat template (`gemma_eval.task.chat`)
    card: ClassVar[str] = ""  # the benchmark's name on the card; "" for a task that is not on it
    undisclosed: ClassVar[str] = ""  # what Google does not say, and what the page does instead; printed as the card's footnote
    comparable: ClassVar[bool] = True  # False where so much is undisclosed that a verdict would mislead
    selection_settings: ClassVar[tuple[str, ...]] = ("limit", "seed")  # settings that choose which items run, and change none of them
    average: ClassVar[Average] = Average.micro
    scale: ClassVar[float] = 1.0  # the score of a perfect answer: 1, or 100 for chrF
    signature: ClassVar[str] = ""  # the exact variant of a metric, in its library's notation; stored in scores.json
    fewshot_by_subset: ClassVar[bool] = False  # True: exemplars come from the item's subset (MMLU: from its subject)
    vision: ClassVar[bool] = False  # True for tasks whose prompts hold images (`gemma_eval.task.vision`)
    shot_separator: ClassVar[str] = "\n\n"  # after each exemplar
    target_delimiter: ClassVar[str] = " "  # between query and solution
    may_be_blank: ClassVar[tuple[str, ...]] = ()  # columns that may be blank, though no bundled row shows that
    slow_scoring: ClassVar[bool] = False  # True if a score takes more than milliseconds: `score` then runs in several threads at once

    # -- the protocol, in terms of one row ------------------------------------------------------------------

    @abstractmethod
    def query(self, row: Row) -> str | Parts:
        """The item as the model sees it, up to where its answer begins. Must not end in a space."""

    @abstractmethod
    def solution(self, row: Row) -> str:
        """The answer as an exemplar shows it, without the delimiter before it."""

    @abstractmethod
    def sample(self, row: Row, *, id: str, config: str, shots: list[Row]) -> Sample:
        """The row as a sample, with the rows `shots` as exemplars. Raises `ValueError` if the row is not a sound item."""

    @abstractmethod
    def score(self, target: JSON, response: Response) -> Grade:
        """Scores of one response. A pure function, so that a finished run can be scored again without a model."""

    @property
    @abstractmethod
    def metrics(self) -> tuple[str, ...]:
        """Names of the scores, the primary one first."""

    def corpus_metrics(self) -> dict[str, CorpusScore]:
        """By name, the metrics that are computed from counts summed over items; `score` gives the counts of one item.

        All other metrics are means of item scores.
        """
        return {}

    def records_to_average(self, records: Sequence[Record]) -> Sequence[Record]:
        """The records whose scores are averaged. Pages whose score of one item needs other items' answers override this."""
        return records

    def table(self, source: Source, open_token_counter: Callable[[], TokenCounter] | None) -> Table:
        """The rows to score. Raises `DataError` if they cannot be read.

        A page that generates its items returns a table of recipes. `open_token_counter` loads the tokenizer of the model that will
        read them; None if no model is chosen.
        """
        return source.table(self.dataset, self.dataset.split, self.samples_file())

    def reads(self) -> list[Read]:
        """The splits that are read for the items and their exemplars, so that they can be fetched ahead."""
        dataset, drawn = self.dataset, bool(self.num_fewshot) and self.fewshot is not Fewshot.published
        if dataset.generated:
            return []
        splits = {dataset.split: self.limit is not None}  # split -> whether few of its rows are shown
        if drawn and dataset.fewshot_split is not None:
            splits.setdefault(dataset.fewshot_split, True)
        return [Read(dataset, split, few=few and self.vision) for split, few in splits.items()]

    def included(self, row: Row) -> bool:
        """False for a row that is not an item: a canary, or one that the benchmark says to skip. It is no exemplar either."""
        return True

    def header(self, row: Row) -> str:
        """Text before the exemplars."""
        return ""

    def reply(self, row: Row) -> str:
        """The beginning of the answer, if the protocol writes it into the prompt."""
        return ""

    def shots_of(self, subset: str) -> int:
        """Number of exemplars for items of `subset`: `num_fewshot`, unless the benchmark gives some subsets fewer."""
        return self.num_fewshot

    def subset(self, row: Row, config: str) -> str:
        """The part of the benchmark that the row belongs to: a subject, a language. "" if there are no parts."""
        return ""

    def group(self, subset: str) -> str:
        """The group that a subset is averaged with, beside the task's own score (RULER: its length). "" if there are no groups."""
        return ""

    def cluster(self, row: Row, config: str, id: str) -> str:
        """What names the items that are not independent of this one: a passage, an image. By default the item is alone."""
        return id

    def overlap_key(self, row: Row, config: str, id: str) -> str:
        """What a scored item must not have in common with an exemplar from the same split: a passage. By default the row itself."""
        return id

    # -- shared by all tasks --------------------------------------------------------------------------------

    def shot(self, row: Row) -> str | Parts:
        """The row as an exemplar: query, answer and separator."""
        query, answer = self.query(row), f"{self.reply(row)}{self.target_delimiter}{self.solution(row)}{self.shot_separator}"
        return query + answer if isinstance(query, str) else (*query, answer)

    def shot_rank(self, row: Row) -> int:
        """Order of the exemplar split under `fewshot=first`: smallest first. Rows of equal rank keep their order."""
        return 0

    def published_shots(self, row: Row) -> list[str]:
        """Exemplars as the benchmark's authors printed them, for items of this row's subset. Used by `fewshot=published`.

        Raises `PluginError` for a page that has none.
        """
        raise PluginError(f"{type(self).__name__}: fewshot=published needs published_shots(), which this page does not define")

    def prompt(self, row: Row, shots: list[Row]) -> Prompt:
        """The prompt of an item. The exemplars are the rows `shots`, or with `fewshot=published` the published ones."""
        header = self.header(row)
        if self.fewshot is Fewshot.published:
            published = self.published_shots(row)
            if len(published) < self.num_fewshot:
                raise ConfigError(
                    f"tasks.{self.name}.num_fewshot={self.num_fewshot}: {len(published)} exemplars are published; set it lower"
                )
            exemplars = [as_parts(f"{shot}{self.shot_separator}") for shot in published[: self.num_fewshot]]
        else:
            exemplars = [as_parts(self.shot(shot)) for shot in shots]
        return Prompt(as_parts(self.query(row)), tuple(exemplars), (header,) if header else (), self.reply(row))

    def settings(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {name: _json_value(value) for name, value in asdict(self).items()}

    def protocol(self) -> dict[str, Any]:
        """The settings that must agree for two scores to be comparable. Left out: which items run, and the data's commit."""
        protocol = {name: value for name, value in self.settings().items() if name not in self.selection_settings}
        return protocol | {"dataset": {name: value for name, value in protocol["dataset"].items() if name not in COMMIT}}

    def changed(self) -> dict[str, Any]:
        """The protocol settings that differ from the page's defaults."""
        defaults = type(self)().protocol()
        return {name: value for name, value in self.protocol().items() if value != defaults.get(name)}

    def check_scorable(self) -> None:  # noqa: B027 - most tasks need nothing
        """Raise `GemmaEvalError` if answers cannot be scored on this machine. Called before anything is generated."""

    def warnings(self) -> list[str]:
        """What a reader must know about how the scores were made, besides changed settings and failures."""
        return []

    @classmethod
    def samples_file(cls) -> Path:
        """The bundled items, in a folder beside the page."""
        return Path(inspect.getfile(cls)).parent / "samples" / f"{cls.bundled or cls.name}.jsonl"


@dataclass
class MultipleChoice(Task):
    """Compares the log-likelihoods of given continuations. The report calls this "scoring".

    `acc_norm` divides each log-likelihood by the characters of its choice; `acc` does not divide.
    """

    normalization: Normalization = Normalization.characters

    @abstractmethod
    def choices(self, row: Row) -> list[str]:
        """The continuations, without the leading space."""

    @abstractmethod
    def answer(self, row: Row) -> int:
        """Index of the right choice."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """`acc_norm` and `acc`; `acc` alone without normalization."""
        return ("acc_norm", "acc") if self.normalization is Normalization.characters else ("acc",)

    def solution(self, row: Row) -> str:
        """The right choice."""
        return chosen(self.choices(row), self.answer(row))

    def continuations(self, row: Row) -> tuple[Continuation, ...]:
        """The choices as they are scored, each after one space."""
        return tuple(Continuation(f" {text}") for text in self.choices(row))

    def sample(self, row: Row, *, id: str, config: str, shots: list[Row]) -> Sample:
        """The row as a scoring request. Raises `ValueError` if the answer is none of the choices."""
        choices, answer = listed("choices()", self.choices(row)), index(self.answer(row))
        chosen(choices, answer)
        return Sample(
            id=id,
            request=Score(self.prompt(row, shots), self.continuations(row)),
            target={"gold": answer, "characters": [len(text) for text in choices]},
            subset=self.subset(row, config),
            cluster=self.cluster(row, config, id),
            fields={"query": as_text(self.query(row)), "choices": list(choices)},
        )

    def score(self, target: JSON, response: Response) -> Grade:
        """1 if the right choice has the highest log-likelihood, else 0."""
        assert isinstance(response, ScoreResponse) and isinstance(target, dict)
        scores = choice.accuracy(response.logprobs, target["gold"], target["characters"])  # type: ignore[arg-type]
        return Grade({metric: scores[metric] for metric in self.metrics})


@dataclass
class Generation(Task):
    """Generates text, extracts an answer and compares it. The report calls this "sampling".

    Decoding is greedy unless `temperature` is above 0. A page defines `judge`, or `grade` if it has several metrics.
    """

    max_tokens: Count = 32
    stop: list[Stop] = field(default_factory=lambda: ["\n"])
    temperature: Temperature = 0.0

    primary: ClassVar[str] = "exact_match"

    @abstractmethod
    def golds(self, row: Row) -> list[str]:
        """All right answers; empty for an open-ended task. Each of them, given word for word, scores 1."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """The primary metric, then the diagnostics."""
        return (self.primary, *self.diagnostics())

    def solution(self, row: Row) -> str:
        """The first right answer."""
        return self.golds(row)[0]

    def extract(self, text: str) -> str | None:
        """The answer in a generated text. None if there is none: it scores 0 and is counted as an extraction failure."""
        return text.strip()

    def diagnostics(self) -> dict[str, Callable[[str], str | None]]:
        """Other ways to extract the answer, by metric name. Their scores are shown beside the primary one, never instead of it."""
        return {}

    def diagnostic_answers(self, text: str, target: JSON) -> dict[str, str | None]:
        """What each diagnostic extracts, by metric name. Diagnostics that judge a text without extracting anything are left out."""
        return {metric: extract(text) for metric, extract in self.diagnostics().items()}

    def judge(self, answer: str, golds: list[str]) -> float:
        """Score of an extracted answer."""
        raise NotImplementedError

    def target(self, row: Row) -> JSON:
        """What `grade` compares a text with; it is stored with the record. By default the right answers."""
        return list(listed("golds()", self.golds(row)))

    def grade(self, text: str, target: JSON) -> Grade:
        """All scores of one generated text."""
        assert isinstance(target, list)
        golds = [str(gold) for gold in target]
        answers = {self.primary: self.extract(text), **self.diagnostic_answers(text, target)}
        judged = {None: 0.0} | {answer: self.judge(answer, golds) for answer in {*answers.values()} if answer is not None}
        return Grade({metric: judged[answer] for metric, answer in answers.items()}, answers[self.primary])

    def sample(self, row: Row, *, id: str, config: str, shots: list[Row]) -> Sample:
        """The row as a generation request. Raises `ValueError` if it has no right answer."""
        target = self.target(row)
        self._check_answers(self.golds(row), target)
        return Sample(
            id=id,
            request=Generate(self.prompt(row, shots), tuple(self.stop), self.max_tokens, self.temperature, seed=self.seed or 0),
            target=target,
            subset=self.subset(row, config),
            cluster=self.cluster(row, config, id),
            fields={"query": as_text(self.query(row))},
        )

    def _check_answers(self, golds: list[str], target: JSON) -> None:
        """Raise `ValueError` if no answer can be right, as where no number or no word is left of the gold, or if an empty one is."""
        check_answers(golds, target)
        if not golds or self.slow_scoring or self.corpus_metrics():
            return
        try:
            possible, nothing = self._possible(golds, target), self._empty_is_right(golds)
        except Exception:  # a metric that raises does so when it scores, where the answer is kept
            return
        if not possible:
            raise ValueError(f"gold answer {golds[0]!r} can be no right answer")
        if nothing:
            raise ValueError(f"gold answers {golds} make an empty answer right")

    def _possible(self, golds: list[str], target: JSON) -> bool:
        if type(self).grade is Generation.grade:
            return any(self.judge(gold, golds) != 0 for gold in golds)
        return any(map(squad_normalize, golds)) or any(self.grade(gold, target).scores[self.primary] for gold in golds)

    def _empty_is_right(self, golds: list[str]) -> bool:
        answer = self.extract("") if type(self).grade is Generation.grade else None
        return answer is not None and self.judge(answer, golds) > 0

    def score(self, target: JSON, response: Response) -> Grade:
        """The mean grade of the generated texts. What was extracted is that of the first text."""
        assert isinstance(response, GenerateResponse)
        grades = [self.grade(text, target) for text in response.texts]
        scores = {metric: _combined([grade.scores[metric] for grade in grades]) for metric in grades[0].scores}
        return Grade(scores, grades[0].extracted)


def _combined(scores: Sequence[ItemScore]) -> ItemScore:
    """One item's score from several texts: numbers are averaged, counts are added."""
    numbers = [score for score in scores if not isinstance(score, list)]
    if numbers:
        return sum(numbers) / len(scores)
    return [sum(column) for column in zip(*(score for score in scores if isinstance(score, list)), strict=True)]


def _json_value(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value
