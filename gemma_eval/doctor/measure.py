"""`gemma-eval doctor`: does this backend read and answer as it should?

Fixed prompts, one of them longer than any sliding window of Gemma 3 and, of a model that sees, one with a picture, are encoded, scored
token by token and continued greedily. The measurements are compared with another backend's: run here, read from a JSON file (two engines
seldom live in one environment), or stored with this package for the checkpoint. Faults that scores alone would hide for months show at
once: a missing or doubled BOS, a wrong attention layout or RoPE base, an attention that ignores the window or lets the tokens of a picture
see only what stands before them, a dtype that overflows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from gemma_eval.backends import Backend, open_backend
from gemma_eval.checkpoint.resolve import Checkpoint, resolve
from gemma_eval.doctor.prompts import CHAT, PICTURE, PROMPTS
from gemma_eval.errors import ConfigError, PromptError
from gemma_eval.prompt.renderer import ImageTokens, Renderer
from gemma_eval.runtime.environment import environment
from gemma_eval.settings import BACKENDS, RunConfig, Variant
from gemma_eval.types import Encoded, EncodedGenerate, EncodedScore, Generate, GenerateResponse, Prompt, ScoreResponse

SCHEMA = 1
REFERENCES = Path(__file__).resolve().parent / "references"
MAX_TOKENS = 24
SCORED = 64  # last tokens of a prompt that are scored


def measure(config: RunConfig) -> dict[str, Any]:
    """The measurements of one backend, as JSON. What it refuses to answer has its reason there instead."""
    checkpoint = resolve(config)
    backend = open_backend(config.backend, checkpoint)
    prompts: dict[str, Any] = {}
    refused: dict[str, str] = {}
    encoded = dict(_encode(config, checkpoint, backend))
    for pictured in (False, True):  # apart: a refused picture costs no text
        some = {name: ids for name, ids in encoded.items() if bool(ids.images) is pictured}
        try:
            prompts |= _ask(backend, some)
        except ConfigError as error:
            refused |= dict.fromkeys(some, str(error))
    return {
        "schema": SCHEMA,
        "model": backend.fingerprint,
        "packages": environment()["packages"],
        "bos": getattr(backend.tokenizer, "bos_token_id", None),
        "prompts": prompts,
        "refused": refused,
    }


def _encode(config: RunConfig, checkpoint: Checkpoint, backend: Backend) -> Iterator[tuple[str, EncodedGenerate]]:
    """The prompts as token ids; of an instruction-tuned model also one through its chat template, of one that sees also a picture."""
    image_tokens = ImageTokens.of(checkpoint.config)
    chats = CHAT if config.variant is Variant.it else {}
    for name, parts in (PROMPTS | chats | (PICTURE if image_tokens else {})).items():
        renderer = Renderer(
            backend.tokenizer, context_length=checkpoint.context_length, chat=name in chats, image_tokens=image_tokens, images=config.images
        )
        (ids,) = renderer.encode([Generate(Prompt(parts), stop=(), max_tokens=MAX_TOKENS)])
        if isinstance(ids, PromptError):
            raise ids
        assert isinstance(ids, EncodedGenerate)
        yield name, ids


def _ask(backend: Backend, encoded: dict[str, EncodedGenerate]) -> dict[str, Any]:
    """How likely each of a prompt's last tokens is (after its picture, if it has one), and the text that follows."""
    asked: list[Encoded] = []
    for ids in encoded.values():
        first = ids.images[-1].end + 1 if ids.images else 1
        positions = tuple(range(max(first, len(ids.prompt) - SCORED), len(ids.prompt)))
        asked += [EncodedScore(tuple(ids.prompt[: position + 1] for position in positions), positions, images=ids.images), ids]
    responses = {answer.index: answer.response for answer in backend.answer(asked)}
    found = {}
    for i, (name, ids) in enumerate(encoded.items()):
        scores, text = responses[2 * i], responses[2 * i + 1]
        assert isinstance(scores, ScoreResponse) and isinstance(text, GenerateResponse)
        found[name] = {"ids": ids.prompt.tolist(), "logprobs": list(scores.logprobs), "text": text.texts[0]}
    return found


def other_measurements(config: RunConfig, measured: dict[str, Any], against: str | None) -> dict[str, Any] | None:
    """What to compare with: a backend's name, a file, or (None) the reference stored for this checkpoint, if there is one."""
    if against in BACKENDS:
        return measure(replace(config, backend=BACKENDS[against](dtype=config.backend.dtype)))
    if against is not None:
        return read(Path(against))
    stored = (read(file) for file in sorted(REFERENCES.glob("*.json")))
    return next((one for one in stored if one["model"]["checkpoint"] == measured["model"]["checkpoint"]), None)


def read(file: Path) -> dict[str, Any]:
    """Measurements that `--write` left. Raises `ConfigError` for any other file."""
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"--against {file}: {error}; give a file that `doctor --write` made, or one of {', '.join(BACKENDS)}") from error
    if not isinstance(found, dict) or found.get("schema") != SCHEMA or "prompts" not in found:
        raise ConfigError(f"--against {file}: not the measurements of `gemma-eval doctor --write FILE`")
    return found
