"""`gemma-eval doctor`: does this backend read and answer as it should?

Fixed prompts are encoded, scored token by token, and continued greedily. One is longer than any sliding window of Gemma 3, and for a model
that reads images one has an image. The measurements are compared with those of another backend. It is run here, or its measurements are
read from a JSON file, since two engines seldom fit into one environment, or from this package, which stores some as references.

Faults that scores would hide for months show at once: a missing or doubled BOS, a wrong attention layout or RoPE base, an attention that
ignores the window or lets the tokens of an image see only what stands before them, a dtype that overflows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from gemma_eval.backends import Backend, open_backend
from gemma_eval.checkpoint import quantization
from gemma_eval.checkpoint.resolve import Checkpoint, resolve
from gemma_eval.doctor.prompts import CHAT, IMAGE, PROMPTS
from gemma_eval.doctor.weights import why_not_finite
from gemma_eval.errors import ConfigError, PromptError, RunError, UnansweredError
from gemma_eval.prompt.renderer import ImageTokens, Renderer
from gemma_eval.prompt.tokenizing import bos_ids
from gemma_eval.runtime.environment import machine
from gemma_eval.settings import BACKENDS, RunConfig, Variant
from gemma_eval.store.documents import read_json, validated
from gemma_eval.types import Encoded, EncodedGenerate, EncodedScore, Generate, Prompt, ScoreResponse

SCHEMA = 1
REFERENCES = Path(__file__).resolve().parent / "references"
MAX_TOKENS = 24
MEND = f"--against takes a file that `gemma-eval doctor --write` made, or one of {', '.join(BACKENDS)}"
SCORED = 64  # last tokens of a prompt that are scored
GEMMA_BOS = 2


@dataclass(frozen=True)
class _Prompt:
    ids: list[int]
    logprobs: list[float | None]  # null: not finite
    text: str


@dataclass(frozen=True)
class _File:
    """What `--write` writes."""

    schema: int
    model: dict[str, Any]
    packages: dict[str, str | None]
    bos: int | None
    prompts: dict[str, _Prompt]
    refused: dict[str, str] = field(default_factory=dict)
    adds_bos: bool = True
    weights: str | None = None
    faults: dict[str, str] = field(default_factory=dict)


_ADAPTER = TypeAdapter(_File)


def measure(config: RunConfig) -> dict[str, Any]:
    """The measurements of the backend that the settings name, as JSON. Prompts that it refuses have the reason under "refused"."""
    checkpoint = resolve(config)
    backend = open_backend(config.backend, checkpoint)
    found = Measured()
    encoded = dict(_encode(config, checkpoint, backend))
    for with_images in (False, True):  # by themselves, so that a backend that refuses images answers the texts
        some = {name: ids for name, ids in encoded.items() if bool(ids.images) is with_images}
        try:
            found.add(ask(backend, some))
        except ConfigError as error:
            found.refused |= dict.fromkeys(some, str(error))
    bos = expected_bos(backend.tokenizer, checkpoint.config)
    return {
        "schema": SCHEMA,
        "model": backend.fingerprint,
        "packages": machine()["packages"],
        "bos": bos,
        "adds_bos": adds_bos(backend.tokenizer, bos),
        "prompts": {
            name: {"ids": encoded[name].prompt.tolist(), "logprobs": found.logprobs[name], "text": found.texts[name]}
            for name in encoded
            if name in found.texts and name in found.logprobs
        },
        "faults": found.faults,
        "weights": None if found.finite else why_not_finite(checkpoint.path),
        "refused": found.refused,
    }


def expected_bos(tokenizer: Any, config: Mapping[str, Any]) -> int | None:
    """The id of the BOS that begins every prompt; None for a model that has none. `config`: that of the checkpoint.

    A Gemma has one, whatever its tokenizer's files say. Of another model the tokenizer knows.
    """
    if not str(config.get("model_type", "")).startswith("gemma"):
        return next(iter(bos_ids(tokenizer)), None)
    known = [tokenizer.bos_token_id, config.get("bos_token_id"), (config.get("text_config") or {}).get("bos_token_id")]
    return next((int(token) for token in known if token is not None), GEMMA_BOS)


def adds_bos(tokenizer: Any, bos: int | None) -> bool:
    """Whether the tokenizer itself puts this BOS before a text; nothing is wanted of it where there is none."""
    return bos is None or tokenizer("a")["input_ids"][:1] == [bos]


def _encode(config: RunConfig, checkpoint: Checkpoint, backend: Backend) -> Iterator[tuple[str, EncodedGenerate]]:
    """The prompts as token ids. An instruction-tuned model has one more, through its chat template; a model that reads images too."""
    image_tokens = ImageTokens.of(checkpoint.config)
    chats = CHAT if config.variant is Variant.it else {}
    for name, parts in (PROMPTS | chats | (IMAGE if image_tokens else {})).items():
        renderer = Renderer(
            backend.tokenizer, context_length=checkpoint.context_length, chat=name in chats, image_tokens=image_tokens, images=config.images
        )
        (ids,) = renderer.encode([Generate(Prompt(parts), stop=(), max_tokens=MAX_TOKENS)])
        if isinstance(ids, PromptError):
            raise ids
        assert isinstance(ids, EncodedGenerate)
        yield name, ids


@dataclass
class Measured:
    """By prompt: log-probabilities (nats) of its last tokens, behind its image if it has one, and the text that follows.

    `faults`: why a text means nothing. `refused`: why a prompt has no answer.
    """

    logprobs: dict[str, list[float]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def finite(self) -> bool:
        """Whether every log-probability is."""
        return all(math.isfinite(value) for values in self.logprobs.values() for value in values)

    def add(self, other: Measured) -> None:
        """Take up the measurements of other prompts, or others of these."""
        self.logprobs |= other.logprobs
        self.texts |= other.texts
        self.faults |= other.faults
        self.refused |= other.refused


def ask(backend: Backend, encoded: Mapping[str, EncodedGenerate], scored: int = SCORED) -> Measured:
    """The measurements of these prompts, as the backend gives them, possible or not. `scored`: last tokens to score; 0 for texts alone.

    Raises `ConfigError` if the backend cannot answer such requests.
    """
    requests: list[tuple[str, Encoded]] = []
    for name, ids in encoded.items():
        requests += [(name, part) for part in ([_last_tokens(ids, scored)] if scored else []) + [ids]]
    return _asked(backend, requests)


def _last_tokens(ids: EncodedGenerate, count: int) -> EncodedScore:
    """Each of the last tokens of a prompt as a continuation of what stands before it."""
    first = ids.images[-1].end + 1 if ids.images else 1
    positions = tuple(range(max(first, len(ids.prompt) - count), len(ids.prompt)))
    return EncodedScore(tuple(ids.prompt[: position + 1] for position in positions), positions, images=ids.images)


def _asked(backend: Backend, requests: list[tuple[str, Encoded]]) -> Measured:
    found = Measured()
    try:
        for answer in backend.answer([request for _, request in requests]):
            name = requests[answer.index][0]
            if isinstance(answer.response, ScoreResponse):
                found.logprobs[name] = list(answer.response.logprobs)
            else:
                found.texts[name] = "".join(answer.response.texts)
                found.faults |= {name: answer.fault} if answer.fault else {}
    except UnansweredError as error:
        found.refused = {requests[index][0]: why for index, why in error.reasons.items()}
    return found


def other_measurements(config: RunConfig, measured: dict[str, Any], against: str | None) -> dict[str, Any] | None:
    """The measurements to compare with: those of another backend, those in a file, or (None) the reference stored for this checkpoint.

    Returns None if no reference is stored. Raises `RunError` for a file without measurements, and `ConfigError` for a backend that cannot
    load the weights.
    """
    if against in BACKENDS:
        config = replace(config, backend=BACKENDS[against](dtype=config.backend.dtype))
        quantization.check(config)
        return measure(config)
    if against is not None:
        return read(Path(against))
    stored = (read(file) for file in sorted(REFERENCES.glob("*.json")))
    return next((one for one in stored if one["model"]["checkpoint"] == measured["model"]["checkpoint"]), None)


def read(file: Path) -> dict[str, Any]:
    """The measurements that `--write` has written to a file. Raises `RunError`, naming the file and the field, for any other file."""
    found: dict[str, Any] = read_json(file, MEND)
    schema = validated(_ADAPTER, found, file, MEND).schema
    if schema != SCHEMA:
        raise RunError(f"{file}: has schema {schema}, and this version of gemma_eval reads {SCHEMA}; {MEND}")
    return found
