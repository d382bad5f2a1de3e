"""What a task is.

A task is a dataclass on a page of its own: its fields are settings (`tasks.<name>.<field>=...`), its methods are the
protocol. It sees rows and gives samples; it never sees a tokenizer, a backend or a file.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar

from gemma_eval import metrics as scoring
from gemma_eval.data.dataset import DatasetRef
from gemma_eval.data.rows import Row
from gemma_eval.data.sources import Source
from gemma_eval.data.table import Table
from gemma_eval.errors import PluginError
from gemma_eval.task.fewshot import Fewshot
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


class Average(Enum):
    """How subsets make one score: every item counts the same, or every subset does."""

    micro = "micro"
    macro = "macro"


class Normalization(Enum):
    """What a log-likelihood is divided by before choices are compared."""

    none = "none"
    characters = "characters"  # the report's "Char-Len": Unicode characters of the choice, without the leading space


@dataclass
class Task(ABC):
    """Settings and protocol of one benchmark. Subclass `MultipleChoice` or `Generation`, then `@register`."""

    dataset: DatasetRef = DatasetRef()
    num_fewshot: int = 0
    fewshot: Fewshot = Fewshot.seeded
    limit: int | None = None
    seed: int | None = None

    name: ClassVar[str] = ""
    bundled: ClassVar[str] = ""  # its file of bundled items, where forms of one benchmark share it; its own name by default
    chat: ClassVar[bool] = False  # asks in plain words, to be put into a chat template (`gemma_eval.task.chat`)
    card: ClassVar[str] = ""  # the benchmark's name on the card, or "" for a task that is not on it
    undisclosed: ClassVar[str] = ""  # what report and card leave open, and what was chosen; the card's footnote
    comparable: ClassVar[bool] = True  # False where so much is open that a verdict would mislead
    chooses: ClassVar[tuple[str, ...]] = ("limit", "seed")  # settings that choose items, and do not change what they are
    average: ClassVar[Average] = Average.micro
    scale: ClassVar[float] = 1.0  # what a perfect answer scores: 1, or 100 for chrF
    signature: ClassVar[str] = ""  # which form of a metric that has many, in its library's notation; kept in scores.json
    fewshot_by_subset: ClassVar[bool] = False  # exemplars of the item's own subset (MMLU's subjects)
    vision: ClassVar[bool] = False  # prompts hold images: see `gemma_eval.task.vision`
    shot_separator: ClassVar[str] = "\n\n"
    target_delimiter: ClassVar[str] = " "  # between query and solution
    slow_scoring: ClassVar[bool] = False  # scores take longer than milliseconds: computed in threads, so `score` must be thread-safe

    # -- the protocol, in terms of one row ------------------------------------------------------------------

    @abstractmethod
    def query(self, row: Row) -> str | Parts:
        """The item as the model sees it, up to where its answer begins: text, or text and images. Must not end in a space."""

    @abstractmethod
    def solution(self, row: Row) -> str:
        """The answer as an exemplar shows it, without the delimiter that separates it from the query."""

    @abstractmethod
    def sample(self, row: Row, *, id: str, config: str, shots: list[Row]) -> Sample:
        """The row as a sample, with these rows as exemplars."""

    @abstractmethod
    def score(self, target: JSON, response: Response) -> Grade:
        """Scores of one response. Pure: a changed metric rescores a finished run without a model."""

    @property
    @abstractmethod
    def metrics(self) -> tuple[str, ...]:
        """Names of the scores, the primary one first."""

    def corpus_metrics(self) -> dict[str, CorpusScore]:
        """The metrics that are a score of counts summed over items; `score` gives an item's counts. All others are means of item scores."""
        return {}

    def records_to_average(self, records: Sequence[Record]) -> Sequence[Record]:
        """The records to average: with the scores that need several answers, without those that only serve others."""
        return records

    def table(self, source: Source, reader: Callable[[], TokenCounter] | None) -> Table:
        """The rows to score; a page that makes its items returns recipes for them."""
        return source.table(self.dataset, self.dataset.split, self.samples_file())

    def included(self, row: Row) -> bool:
        """False for rows that are no items: canaries, and what the benchmark tells to skip. They are no exemplars either."""
        return True

    def header(self, row: Row) -> str:
        """Text before the exemplars."""
        return ""

    def reply(self, row: Row) -> str:
        """How the answer begins, where the protocol gives that to the model."""
        return ""

    def shots_of(self, subset: str) -> int:
        """Number of exemplars of a subset's items: `num_fewshot`, unless the benchmark gives some subsets fewer."""
        return self.num_fewshot

    def subset(self, row: Row, config: str) -> str:
        """The part of the benchmark that the row belongs to (subject, language, ...)."""
        return ""

    def group(self, subset: str) -> str:
        """Subsets whose average stands beside the others': all tasks of one length, say. None by default."""
        return ""

    def cluster(self, row: Row, config: str, id: str) -> str:
        """What the row shares with others that are therefore not independent of it. Alone by default."""
        return id

    def overlap_key(self, row: Row, config: str, id: str) -> str:
        """What an item must not share with an exemplar taken from the scored split: a passage. The row itself by default."""
        return id

    # -- shared by all tasks --------------------------------------------------------------------------------

    def shot(self, row: Row) -> str | Parts:
        query, answer = self.query(row), f"{self.reply(row)}{self.target_delimiter}{self.solution(row)}{self.shot_separator}"
        return query + answer if isinstance(query, str) else (*query, answer)

    def shot_rank(self, row: Row) -> int:
        """Orders the exemplar split for `fewshot=first`: smallest first, equal ones as they stand."""
        return 0

    def published_shots(self, row: Row) -> list[str]:
        """Exemplars as printed in the benchmark's publication (those of the row's subset), for `fewshot=published`."""
        raise PluginError(f"{type(self).__name__}: fewshot=published, but published_shots() is not defined")

    def prompt(self, row: Row, shots: list[Row]) -> Prompt:
        header = self.header(row)
        if self.fewshot is Fewshot.published:
            shown = [as_parts(f"{shot}{self.shot_separator}") for shot in self.published_shots(row)[: self.num_fewshot]]
        else:
            shown = [as_parts(self.shot(shot)) for shot in shots]
        return Prompt(as_parts(self.query(row)), tuple(shown), (header,) if header else (), self.reply(row))

    def settings(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {name: _plain(value) for name, value in asdict(self).items()}

    def protocol(self) -> dict[str, Any]:
        """The settings that make scores comparable: without those that only choose items, or a revision of the data."""
        protocol = {name: value for name, value in self.settings().items() if name not in self.chooses}
        return protocol | {"dataset": {name: value for name, value in protocol["dataset"].items() if name != "revision"}}

    def changed(self) -> dict[str, Any]:
        """What of the protocol is not the page's own."""
        own = type(self)().protocol()
        return {name: value for name, value in self.protocol().items() if value != own.get(name)}

    def check_scorable(self) -> None:  # noqa: B027 - most tasks need nothing
        """Raise `GemmaEvalError` if answers cannot be scored on this machine: asked before any is generated."""

    def warnings(self) -> list[str]:
        """What a reader must know of how the scores came about, beside settings and failures."""
        return []

    @classmethod
    def samples_file(cls) -> Path:
        """The bundled items, beside the task page."""
        return Path(inspect.getfile(cls)).parent / "samples" / f"{cls.bundled or cls.name}.jsonl"


@dataclass
class MultipleChoice(Task):
    """Compare the log-likelihoods of given continuations ("scoring" in the report)."""

    normalization: Normalization = Normalization.characters

    @abstractmethod
    def choices(self, row: Row) -> list[str]:
        """The continuations, without the leading space."""

    @abstractmethod
    def answer(self, row: Row) -> int:
        """Index of the right choice."""

    @property
    def metrics(self) -> tuple[str, ...]:
        return ("acc_norm", "acc") if self.normalization is Normalization.characters else ("acc",)

    def solution(self, row: Row) -> str:
        return self.choices(row)[self.answer(row)]

    def continuations(self, row: Row) -> tuple[Continuation, ...]:
        return tuple(Continuation(f" {choice}") for choice in self.choices(row))

    def sample(self, row: Row, *, id: str, config: str, shots: list[Row]) -> Sample:
        choices, answer = self.choices(row), self.answer(row)
        if not 0 <= answer < len(choices):
            raise ValueError(f"answer {answer} is not among {len(choices)} choices")
        return Sample(
            id=id,
            request=Score(self.prompt(row, shots), self.continuations(row)),
            target={"gold": answer, "characters": [len(choice) for choice in choices]},
            subset=self.subset(row, config),
            cluster=self.cluster(row, config, id),
            fields={"query": as_text(self.query(row)), "choices": list(choices)},
        )

    def score(self, target: JSON, response: Response) -> Grade:
        assert isinstance(response, ScoreResponse) and isinstance(target, dict)
        scores = scoring.choice.accuracy(response.logprobs, target["gold"], target["characters"])  # type: ignore[arg-type]
        return Grade({metric: scores[metric] for metric in self.metrics})


@dataclass
class Generation(Task):
    """Generate, extract an answer, compare it ("sampling" in the report; greedy unless a temperature is set)."""

    max_tokens: int = 32
    stop: list[str] = field(default_factory=lambda: ["\n"])
    temperature: float = 0.0

    @abstractmethod
    def golds(self, row: Row) -> list[str]:
        """Every answer that is right; none where the task is open-ended. Each, emitted verbatim, scores 1."""

    primary: ClassVar[str] = "exact_match"

    @property
    def metrics(self) -> tuple[str, ...]:
        return (self.primary, *self.diagnostics())

    def solution(self, row: Row) -> str:
        return self.golds(row)[0]

    def extract(self, text: str) -> str | None:
        """The answer in a generated text, or None where none is found: counted as wrong, and as a failure."""
        return text.strip()

    def diagnostics(self) -> dict[str, Callable[[str], str | None]]:
        """Other extractors, by metric name: shown beside the primary score, never instead of it."""
        return {}

    def judge(self, answer: str, golds: list[str]) -> float:
        """Score of an extracted answer. Every page defines it, or `grade`."""
        raise NotImplementedError

    def target(self, row: Row) -> JSON:
        """What `grade` compares a text with, as the record keeps it. The gold answers by default."""
        return list(self.golds(row))

    def grade(self, text: str, target: JSON) -> Grade:
        """All scores of one generated text. Override where a benchmark has several metrics, or reads its items in several ways."""
        assert isinstance(target, list)
        golds = [str(gold) for gold in target]
        answers = {metric: extract(text) for metric, extract in {self.primary: self.extract, **self.diagnostics()}.items()}
        judged = {None: 0.0} | {answer: self.judge(answer, golds) for answer in {*answers.values()} if answer is not None}
        return Grade({metric: judged[answer] for metric, answer in answers.items()}, answers[self.primary])

    def sample(self, row: Row, *, id: str, config: str, shots: list[Row]) -> Sample:
        target = self.target(row)
        if not target:
            raise ValueError("no gold answer")
        return Sample(
            id=id,
            request=Generate(self.prompt(row, shots), tuple(self.stop), self.max_tokens, self.temperature, seed=self.seed or 0),
            target=target,
            subset=self.subset(row, config),
            cluster=self.cluster(row, config, id),
            fields={"query": as_text(self.query(row))},
        )

    def score(self, target: JSON, response: Response) -> Grade:
        assert isinstance(response, GenerateResponse)
        verdicts = [self.grade(text, target) for text in response.texts]
        return Grade(
            {metric: _joined([verdict.scores[metric] for verdict in verdicts]) for metric in verdicts[0].scores}, verdicts[0].extracted
        )


def _joined(scores: Sequence[ItemScore]) -> ItemScore:
    """One item's entry from several samples of it: scores are averaged, counts added."""
    numbers = [score for score in scores if not isinstance(score, list)]
    if numbers:
        return sum(numbers) / len(scores)
    return [sum(column) for column in zip(*(score for score in scores if isinstance(score, list)), strict=True)]


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value
