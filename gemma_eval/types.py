"""The nouns of the program: what tasks ask, what backends answer, what the store remembers.

Everything here is immutable and free of tokenizers, models and files, so that each room of the house
can be tested with plain values.
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
    """An encoded picture (PNG, JPEG, ...), given as bytes or as what reads them.

    Bytes that are read are not kept: the pictures of a benchmark never stand in memory together.
    """

    def __init__(self, data: bytes | Callable[[], bytes]) -> None:
        self._source = data

    @property
    def data(self) -> bytes:
        """The encoded bytes. Raises `PromptError` if they cannot be read."""
        return self._source() if callable(self._source) else self._source

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Image) and self.sha256 == other.sha256

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __repr__(self) -> str:
        return "<image>"


Box: TypeAlias = tuple[int, int, int, int]
"""A part of an upright image, in pixels: left, upper, right, lower."""

Parts: TypeAlias = tuple[str | Image, ...]


def as_parts(content: str | Parts) -> Parts:
    return (content,) if isinstance(content, str) else content


def as_text(content: str | Parts) -> str:
    """For people: "<image>" stands for each picture."""
    return "".join(map(str, as_parts(content)))


@dataclass(frozen=True)
class Prompt:
    """Header, exemplars, query and the beginning of the answer, in that order.

    Exemplars stay apart so that an over-long prompt can drop whole ones, the last first (what remains is
    still the prefix that other prompts share). In a chat, `reply` stands in the model's own turn, and `system` where the
    template puts it. `images` says how images stand in it, where it is not as everywhere in the run.
    """

    query: Parts
    shots: tuple[Parts, ...] = ()
    header: Parts = ()
    reply: str = ""
    system: str = ""
    images: TaskImages | None = None

    @property
    def asked(self) -> Parts:
        """All but the reply."""
        return self.header + tuple(part for shot in self.shots for part in shot) + self.query

    @property
    def parts(self) -> Parts:
        return self.asked + ((self.reply,) if self.reply else ())


class TokenCounter(Protocol):
    """The model that will read a prompt, as far as items made to its measure need to know it."""

    @property
    def context_length(self) -> int: ...

    def tokens(self, prompt: Prompt) -> int:
        """Tokens of a prompt as the model reads it: with BOS, and in a chat with the template's."""
        ...


@dataclass(frozen=True)
class Continuation:
    """Text whose log-likelihood is asked for. `given` stands between prompt and text: read, but not scored."""

    text: str
    given: str = ""


@dataclass(frozen=True)
class Score:
    """One prompt and *all* its continuations. Never flattened into pairs: the shape is what makes prefix sharing possible."""

    prompt: Prompt
    continuations: tuple[Continuation, ...]


@dataclass(frozen=True)
class Generate:
    """One prompt to continue until a stop string, the end token, or `max_tokens`. Stop strings match text, not ids."""

    prompt: Prompt
    stop: tuple[str, ...]
    max_tokens: int
    temperature: float = 0.0
    samples: int = 1
    seed: int = 0


Request: TypeAlias = Score | Generate


@dataclass(frozen=True)
class ScoreResponse:
    """Per continuation: sum of token log-probabilities (nats), number of tokens, and whether greedy decoding would produce it."""

    logprobs: tuple[float, ...]
    lengths: tuple[int, ...]
    greedy: tuple[bool, ...]


Finish: TypeAlias = Literal["stop", "eos", "length"]


@dataclass(frozen=True)
class GenerateResponse:
    """Per sample: the text before the stop string, why it ended, and how many tokens were generated."""

    texts: tuple[str, ...]
    finish: tuple[Finish, ...]
    tokens: tuple[int, ...]


Response: TypeAlias = ScoreResponse | GenerateResponse


@dataclass(frozen=True)
class Sample:
    """One item of a benchmark, ready to be asked.

    `target` is what the scorer needs besides the response: the gold index of a multiple choice, the accepted answers of a question.
    `cluster` names what the item is not independent of (a passage, an image, the same item in another language).
    """

    id: str
    request: Request
    target: JSON
    subset: str = ""
    cluster: str = ""
    fields: dict[str, JSON] = field(default_factory=dict)


ItemScore: TypeAlias = float | list[int]
"""What an item brings to a metric: a score of its own, or counts that a corpus metric adds up over items."""

CorpusScore: TypeAlias = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.float64]]
"""A corpus metric, given summed counts: [..., counts] in, scores [...] out."""


@dataclass(frozen=True)
class Grade:
    """What a scorer says of one response. `extracted` is None where an answer was looked for and not found."""

    scores: Mapping[str, ItemScore]
    extracted: str | None = ""


@dataclass(frozen=True)
class Record:
    """One line of `records/<task>.jsonl`: enough to score again, compare and audit, without model or data."""

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
class ImageSpan:
    """Where a prompt shows an image, or with `box` a part of it: the soft tokens from `start` to `end`."""

    image: Image
    start: int
    end: int
    box: Box | None = None

    @property
    def content(self) -> tuple[str, Box | None]:
        """What the model sees there, wherever it stands."""
        return self.image.sha256, self.box


@dataclass(frozen=True)
class EncodedScore:
    """A `Score` as token ids. A sequence is prompt and continuation, encoded together, BOS first; `starts[i]` is its first scored index.
    `images` stand in the prompt, and so at the same places of every sequence."""

    sequences: tuple[TokenIds, ...]
    starts: tuple[int, ...]
    dropped_shots: int = 0
    images: tuple[ImageSpan, ...] = ()

    @property
    def prompt(self) -> TokenIds:
        return self.sequences[0][: self.starts[0]]

    def with_ids(self, change: Callable[[TokenIds], TokenIds]) -> EncodedScore:
        """The same request with other token ids in each sequence."""
        return replace(self, sequences=tuple(map(change, self.sequences)))

    @property
    def tokens_needed(self) -> int:
        """Tokens that an engine must have room for: the longest sequence."""
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
        """Tokens that an engine must have room for, with what may be generated."""
        return len(self.prompt) + self.request.max_tokens


Encoded: TypeAlias = EncodedScore | EncodedGenerate


@dataclass(frozen=True)
class Usage:
    """Token counts. `prompt`: as a harness without prefix sharing would forward them; `computed`: forwarded here; `generated`: sampled."""

    prompt: int = 0
    computed: int = 0
    generated: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.prompt + other.prompt, self.computed + other.computed, self.generated + other.generated)

    @property
    def reused(self) -> float:
        """Share of the prompt tokens that were not computed: from a cache, or shared in a pass. (Below 0: some were computed twice.)"""
        prompt = self.prompt - self.generated
        return 1 - (self.computed - self.generated) / prompt if prompt else 0.0

    def to_json(self) -> dict[str, Any]:
        return {"prompt": self.prompt, "computed": self.computed, "generated": self.generated}
