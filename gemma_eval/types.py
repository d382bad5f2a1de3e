"""The nouns of the program: what tasks ask, what backends answer, what the store remembers.

All of them are immutable, and none knows a tokenizer, a model or a file. So each package can be tested with plain values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from gemma_eval.settings import TaskImages

TokenIds: TypeAlias = npt.NDArray[np.int32]
"""Token ids of one sequence, shape [tokens]."""

JSON: TypeAlias = bool | int | float | str | list["JSON"] | dict[str, "JSON"] | None


class Image:
    """An encoded image (PNG, JPEG, ...), given as bytes or as a function that reads them.

    The bytes are read again each time they are wanted, so that the images of a benchmark are never in memory together. Two images are
    equal if their bytes are.
    """

    def __init__(self, data: bytes | Callable[[], bytes]) -> None:
        self._source = data

    @property
    def data(self) -> bytes:
        """The encoded bytes. Raises `PromptError` if they cannot be read."""
        return self._source() if callable(self._source) else self._source

    @cached_property
    def sha256(self) -> str:
        """Hash of the encoded bytes, in hex."""
        return hashlib.sha256(self.data).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Image) and self.sha256 == other.sha256

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __repr__(self) -> str:
        return "<image>"


Box: TypeAlias = tuple[int, int, int, int]
"""A part of an upright image: left, upper, right, lower, in pixels."""

Parts: TypeAlias = tuple[str | Image, ...]
"""Text and images, in the order in which the model reads them."""


def as_parts(content: str | Parts) -> Parts:
    """Text alone as parts; parts as they are."""
    return (content,) if isinstance(content, str) else content


def as_text(content: str | Parts) -> str:
    """The text for people to read. "<image>" stands for each image."""
    return "".join(map(str, as_parts(content)))


@dataclass(frozen=True)
class Prompt:
    """Header, exemplars, query and the beginning of the answer, in that order.

    Exemplars are kept apart, so that an over-long prompt can drop whole ones. It drops the last first: what remains is still the prefix
    that other prompts share. In a chat, `reply` begins the model's own turn, and `system` goes where the template puts it. `images`
    says how this prompt shows its images; None means as everywhere in the run.
    """

    query: Parts
    shots: tuple[Parts, ...] = ()
    header: Parts = ()
    reply: str = ""
    system: str = ""
    images: TaskImages | None = None

    @property
    def without_reply(self) -> Parts:
        """Header, exemplars and query."""
        return self.header + tuple(part for shot in self.shots for part in shot) + self.query

    @property
    def parts(self) -> Parts:
        """The whole prompt, in order."""
        return self.without_reply + ((self.reply,) if self.reply else ())


class TokenCounter(Protocol):
    """Counts the tokens of a prompt, for tasks that make items of a given length."""

    @property
    def context_length(self) -> int:
        """Tokens that the model can read."""
        ...

    def tokens(self, prompt: Prompt) -> int:
        """Tokens of a prompt as the model reads it, with BOS and, in a chat, the template's own."""
        ...


@dataclass(frozen=True)
class Continuation:
    """Text whose log-likelihood is asked for. `given` stands between prompt and text; the model reads it, and it is not scored."""

    text: str
    given: str = ""


@dataclass(frozen=True)
class Score:
    """One prompt and *all* its continuations. They stay together because that shape makes prefix sharing possible."""

    prompt: Prompt
    continuations: tuple[Continuation, ...]


@dataclass(frozen=True)
class Generate:
    """One prompt to continue until a stop string, an end token, or `max_tokens` tokens.

    Stop strings match text, not token ids. Temperature 0 is greedy decoding. `samples`: texts to generate; `seed` seeds their draws.
    """

    prompt: Prompt
    stop: tuple[str, ...]
    max_tokens: int
    temperature: float = 0.0
    samples: int = 1
    seed: int = 0


Request: TypeAlias = Score | Generate


@dataclass(frozen=True)
class ScoreResponse:
    """Per continuation: the sum of its token log-probabilities (nats), its number of tokens, and whether greedy decoding gives it."""

    logprobs: tuple[float, ...]
    lengths: tuple[int, ...]
    greedy: tuple[bool, ...]


Finish: TypeAlias = Literal["stop", "eos", "length"]


@dataclass(frozen=True)
class GenerateResponse:
    """Per sample: the text before the stop string, why it ended (stop string, end token or length), and the tokens generated."""

    texts: tuple[str, ...]
    finish: tuple[Finish, ...]
    tokens: tuple[int, ...]


Response: TypeAlias = ScoreResponse | GenerateResponse


@dataclass(frozen=True)
class Sample:
    """One item of a benchmark, ready to be asked.

    `target` is what the scorer needs besides the response: the gold index of a multiple choice, or the accepted answers of a question.
    Items with one `cluster` are not independent: they share a passage or an image, or are one item in several languages. `fields` hold
    what a person needs to judge the item.
    """

    id: str
    request: Request
    target: JSON
    subset: str = ""
    cluster: str = ""
    fields: dict[str, JSON] = field(default_factory=dict)


ItemScore: TypeAlias = float | list[int]
"""What one item contributes to a metric: a score of its own, or counts that a corpus metric sums over items."""

CorpusScore: TypeAlias = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.float64]]
"""A corpus metric as a function of summed counts: [..., counts] in, scores [...] out."""


@dataclass(frozen=True)
class Grade:
    """What a scorer says of one response. `extracted` is None if it looked for an answer and found none."""

    scores: Mapping[str, ItemScore]
    extracted: str | None = ""


@dataclass(frozen=True)
class Record:
    """One line of `records/<task>.jsonl`: enough to score the item again, compare it and audit it, without model or data."""

    id: str
    subset: str
    cluster: str
    prompt_sha256: str
    key: str
    response: Response
    target: JSON
    scores: Mapping[str, ItemScore]
    extracted: str | None = ""
    dropped_shots: int = 0
    fields: dict[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelLabel:
    """How reports name a model: its size, variant (pt or it), weights and backend, and the dtype it computes in."""

    size: str
    variant: str
    weights: str
    backend: str
    dtype: str | None = None

    def __str__(self) -> str:
        return f"Gemma 3 {self.size.upper()} {self.variant}, {self.weights}, {self.dtype or ''} on {self.backend}"


@dataclass(frozen=True)
class Provenance:
    """Where a task's rows came from: repository, split and revision of the data set, and the hash of all rows. `exemplars`: likewise.

    `commits`: by repository, the commit on the Hub, where it is known.
    """

    source: str  # hub, folder or samples
    repo: str = ""
    split: str = ""
    revision: str = ""
    rows: int = 0
    rows_sha256: str = ""
    exemplars: Mapping[str, Any] = field(default_factory=dict)
    commits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ImageSpan:
    """The soft tokens, from `start` to `end`, where a prompt shows an image or, with `box`, a part of it."""

    image: Image
    start: int
    end: int
    box: Box | None = None

    @property
    def content(self) -> tuple[str, Box | None]:
        """What the model sees there: equal for equal images, wherever they stand."""
        return self.image.sha256, self.box


@dataclass(frozen=True)
class EncodedScore:
    """A `Score` as token ids. Each sequence is prompt and continuation, encoded together, BOS first; `starts[i]` is its first scored index.

    `images` stand in the prompt, hence at the same places of every sequence.
    """

    sequences: tuple[TokenIds, ...]
    starts: tuple[int, ...]
    dropped_shots: int = 0
    images: tuple[ImageSpan, ...] = ()

    @property
    def prompt(self) -> TokenIds:
        """What the first sequence reads before its scored tokens."""
        return self.sequences[0][: self.starts[0]]

    def with_ids(self, change: Callable[[TokenIds], TokenIds]) -> EncodedScore:
        """The same request with other token ids in each sequence."""
        return replace(self, sequences=tuple(map(change, self.sequences)))

    @property
    def tokens_needed(self) -> int:
        """Tokens that an engine must be able to hold: those of the longest sequence."""
        return max(len(sequence) for sequence in self.sequences)


@dataclass(frozen=True)
class EncodedGenerate:
    """A `Generate` as token ids, BOS first."""

    prompt: TokenIds
    request: Generate
    dropped_shots: int = 0
    images: tuple[ImageSpan, ...] = ()

    def with_ids(self, change: Callable[[TokenIds], TokenIds]) -> EncodedGenerate:
        """The same request with other token ids."""
        return replace(self, prompt=change(self.prompt))

    @property
    def tokens_needed(self) -> int:
        """Tokens that an engine must be able to hold: prompt and longest text."""
        return len(self.prompt) + self.request.max_tokens


Encoded: TypeAlias = EncodedScore | EncodedGenerate


@dataclass(frozen=True)
class Usage:
    """Token counts. `prompt`: what a harness without prefix sharing forwards; `computed`: forwarded here; `generated`: decoded.

    Generated tokens are forwarded too, so `prompt` and `computed` include them.
    """

    prompt: int = 0
    computed: int = 0
    generated: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.prompt + other.prompt, self.computed + other.computed, self.generated + other.generated)

    @property
    def reused(self) -> float:
        """Share of the prompt tokens that were not computed, since a cache or a pass shared them. Below 0, some were computed twice."""
        prompt = self.prompt - self.generated
        return 1 - (self.computed - self.generated) / prompt if prompt else 0.0

    def to_json(self) -> dict[str, Any]:
        """The counts as JSON values."""
        return {"prompt": self.prompt, "computed": self.computed, "generated": self.generated}
