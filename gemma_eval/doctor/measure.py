"""`gemma-eval doctor`: does this backend read and answer as it should?

Fixed prompts are encoded, scored token by token, and continued greedily. One is longer than any sliding window of Gemma 3, and for a model
that reads images one has an image. The measurements are compared with those of another backend. It is run here, or its measurements are
read from a JSON file, since two engines seldom fit into one environment, or from this package, which stores some as references.

Faults that scores would hide for months show at once: a missing or doubled BOS, a wrong attention layout or RoPE base, an attention that
ignores the window or lets the tokens of an image see only what stands before them, a dtype that overflows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from gemma_eval.backends import Backend, open_backend
from gemma_eval.checkpoint import quantization
from gemma_eval.checkpoint.resolve import Checkpoint, resolve
from gemma_eval.doctor.prompts import CHAT, IMAGE, PROMPTS
from gemma_eval.errors import ConfigError, PromptError
from gemma_eval.prompt.renderer import ImageTokens, Renderer
from gemma_eval.runtime.environment import machine
from gemma_eval.settings import BACKENDS, RunConfig, Variant
from gemma_eval.types import Encoded, EncodedGenerate, EncodedScore, Generate, GenerateResponse, Prompt, ScoreResponse

SCHEMA = 1
REFERENCES = Path(__file__).resolve().parent / "references"
MAX_TOKENS = 24
SCORED = 64  # last tokens of a prompt that are scored


def measure(config: RunConfig) -> dict[str, Any]:
    """The measurements of the backend that the settings name, as JSON. Prompts that it refuses have the reason under "refused"."""
    checkpoint = resolve(config)
    backend = open_backend(config.backend, checkpoint)
    prompts: dict[str, Any] = {}
    refused: dict[str, str] = {}
    encoded = dict(_encode(config, checkpoint, backend))
    for with_images in (False, True):  # by themselves, so that a backend that refuses images answers the texts
        some = {name: ids for name, ids in encoded.items() if bool(ids.images) is with_images}
        try:
            prompts |= _measure(backend, some)
        except ConfigError as error:
            refused |= dict.fromkeys(some, str(error))
    return {
        "schema": SCHEMA,
        "model": backend.fingerprint,
        "packages": machine()["packages"],
        "bos": getattr(backend.tokenizer, "bos_token_id", None),
        "prompts": prompts,
        "refused": refused,
    }


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


def _measure(backend: Backend, encoded: dict[str, EncodedGenerate]) -> dict[str, Any]:
    """For each prompt, the log-probabilities (nats) of its last tokens, behind its image if it has one, and the text that follows."""
    requests: list[Encoded] = []
    for ids in encoded.values():
        first = ids.images[-1].end + 1 if ids.images else 1
        positions = tuple(range(max(first, len(ids.prompt) - SCORED), len(ids.prompt)))
        requests += [EncodedScore(tuple(ids.prompt[: position + 1] for position in positions), positions, images=ids.images), ids]
    responses = {answer.index: answer.response for answer in backend.answer(requests)}
    found = {}
    for i, (name, ids) in enumerate(encoded.items()):
        scores, text = responses[2 * i], responses[2 * i + 1]
        assert isinstance(scores, ScoreResponse) and isinstance(text, GenerateResponse)
        found[name] = {"ids": ids.prompt.tolist(), "logprobs": list(scores.logprobs), "text": text.texts[0]}
    return found


def other_measurements(config: RunConfig, measured: dict[str, Any], against: str | None) -> dict[str, Any] | None:
    """The measurements to compare with: those of another backend, those in a file, or (None) the reference stored for this checkpoint.

    Returns None if no reference is stored. Raises `ConfigError` for a file without measurements, and for a backend that cannot load the
    weights.
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
    """The measurements that `--write` has written to a file. Raises `ConfigError` for any other file."""
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"--against {file}: {error}; give a file that `doctor --write` made, or one of {', '.join(BACKENDS)}") from error
    if not isinstance(found, dict) or found.get("schema") != SCHEMA or "prompts" not in found:
        raise ConfigError(f"--against {file}: not the measurements of `gemma-eval doctor --write FILE`")
    return found
