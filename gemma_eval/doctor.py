"""`gemma-eval doctor`: does this backend read and answer as it should?

Fixed prompts, one of them longer than any sliding window of Gemma 3, are encoded, scored token by token and continued greedily. The
measurements are compared with another backend's: run here, read from a JSON file (two engines seldom live in one environment), or
stored with this package for the checkpoint. Faults that scores alone would hide for months show at once: a missing or doubled BOS, a wrong
attention layout or RoPE base, an attention that ignores the window, a dtype that overflows.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gemma_eval.backends import Backend, open_backend
from gemma_eval.checkpoint import Checkpoint, resolve
from gemma_eval.environment import environment
from gemma_eval.errors import ConfigError, PromptError
from gemma_eval.prompt import Renderer
from gemma_eval.settings import BACKENDS, RunConfig, Variant
from gemma_eval.types import Encoded, EncodedGenerate, EncodedScore, Generate, GenerateResponse, Prompt, ScoreResponse

SCHEMA = 1
REFERENCES = Path(__file__).resolve().parent / "references"
MAX_TOKENS = 24
SCORED = 64  # last tokens of a prompt that are scored

_PASSAGE = (
    "The ferry leaves the old harbour at seven and needs forty minutes to the island. Marta had packed bread, two apples and "
    'the letter that her uncle wrote in 1962. "If the fog lifts," she said, "we will see the lighthouse before the gulls see us."'
)
_MIXED = (
    "def area(radius):\n    return 3.14159 * radius ** 2\n\nprint(area(2))  # 12.56636\n\n"
    "Der Zug nach Zürich hält um 12:05 Uhr. 東京は雨です。 Цена: 1 250,50 ₽."
)
_LOG = "\n".join(
    f"Station {7 * n % 31:02d}: {place}, {n * 13 % 40 - 8} degrees, wind {n * 5 % 17} km/h, {sky}."
    for n, (place, sky) in enumerate(
        [(place, sky) for place in ("Aberlund", "Corvo", "Dunmere", "Estrel", "Felsach", "Gorran", "Hallow") for sky in
         ("clear", "light rain", "snow on the pass", "fog until noon", "thunder in the west", "overcast", "hail", "drizzle")]
    )
)  # fmt: skip
PROMPTS = {"passage": _PASSAGE, "mixed": _MIXED, "beyond the window": f"{_LOG}\n\n{_PASSAGE}"}


@dataclass(frozen=True)
class Finding:
    """One check: what was looked at, whether it is as it should be, and the numbers."""

    name: str
    healthy: bool
    detail: str


def measure(config: RunConfig) -> dict[str, Any]:
    """The measurements of one backend, as JSON."""
    checkpoint = resolve(config)
    backend = open_backend(config.backend, checkpoint)
    encoded = dict(_encode(config, checkpoint, backend))
    asked: list[Encoded] = []
    for ids in encoded.values():
        first = max(1, len(ids.prompt) - SCORED)
        positions = tuple(range(first, len(ids.prompt)))
        asked += [EncodedScore(tuple(ids.prompt[: position + 1] for position in positions), positions), ids]
    responses = {answer.index: answer.response for answer in backend.answer(asked)}
    prompts = {}
    for i, (name, ids) in enumerate(encoded.items()):
        scores, text = responses[2 * i], responses[2 * i + 1]
        assert isinstance(scores, ScoreResponse) and isinstance(text, GenerateResponse)
        prompts[name] = {"ids": ids.prompt.tolist(), "logprobs": list(scores.logprobs), "text": text.texts[0]}
    bos = getattr(backend.tokenizer, "bos_token_id", None)
    return {"schema": SCHEMA, "model": backend.fingerprint, "packages": environment()["packages"], "bos": bos, "prompts": prompts}


def _encode(config: RunConfig, checkpoint: Checkpoint, backend: Backend) -> Iterator[tuple[str, EncodedGenerate]]:
    """The prompts as token ids; of an instruction-tuned model also one through its chat template."""
    chats = dict.fromkeys(PROMPTS, False) | ({"chat": True} if config.variant is Variant.it else {})
    for name, chat in chats.items():
        renderer = Renderer(backend.tokenizer, context_length=checkpoint.context_length, chat=chat)
        text = "What is the capital of France?" if chat else PROMPTS[name]
        (ids,) = renderer.encode([Generate(Prompt((text,)), stop=(), max_tokens=MAX_TOKENS)])
        if isinstance(ids, PromptError):
            raise ids
        assert isinstance(ids, EncodedGenerate)
        yield name, ids


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


# -- findings ---------------------------------------------------------------------------------------------------


def examine(measured: dict[str, Any], other: dict[str, Any] | None) -> list[Finding]:
    """What the measurements say, alone and beside the other's."""
    findings = [*_alone(measured)]
    if other is not None:
        same = measured["model"]["checkpoint"] == other["model"]["checkpoint"]
        findings.append(
            Finding("same checkpoint", same, "" if same else f"{measured['model']['checkpoint']}, {other['model']['checkpoint']}")
        )
        exact = {measured["model"]["dtype"], other["model"]["dtype"]} == {"float32"}
        for name in measured["prompts"]:
            if name in other["prompts"]:
                findings += _beside(name, measured["prompts"][name], other["prompts"][name], exact)
    return findings


def _alone(measured: dict[str, Any]) -> Iterator[Finding]:
    bos = measured["bos"]
    for name, prompt in measured["prompts"].items():
        places = [i for i, token in enumerate(prompt["ids"]) if token == bos]
        yield Finding(f"{name}: one BOS", bos is None or places == [0], f"id {bos} at {places}, {len(prompt['ids'])} tokens")
        odd = sum(not math.isfinite(value) or value > 1e-3 for value in prompt["logprobs"])
        yield Finding(f"{name}: log-probabilities", odd == 0, f"{odd} of {len(prompt['logprobs'])} are not finite or above 0")
    texts = [prompt["text"] for prompt in measured["prompts"].values()]  # a text may end where its prompt does, but not all of them
    yield Finding("texts", any(text.strip() for text in texts), ", ".join(repr(text[:24]) for text in texts))


# Nats a token: mean and largest. Gemma 3 270M: bf16 against float32 0.04 and 0.15; vLLM against transformers in float32 2e-5 and 8e-5
TOLERANCE = {True: (1e-3, 1e-2), False: (0.1, 1.0)}


def _beside(name: str, mine: dict[str, Any], other: dict[str, Any], exact: bool) -> Iterator[Finding]:
    same = mine["ids"] == other["ids"]
    yield Finding(f"{name}: same token ids", same, "" if same else f"first difference at {_first_difference(mine['ids'], other['ids'])}")
    if not same:
        return
    apart = np.abs(np.subtract(mine["logprobs"], other["logprobs"]))
    mean, largest = TOLERANCE[exact]
    close = bool(apart.mean() <= mean and apart.max() <= largest)
    detail = f"differ by {apart.mean():.2g} nats a token on average, {apart.max():.2g} at most (allowed: {mean:g}, {largest:g})"
    yield Finding(f"{name}: same log-probabilities", close, detail)
    if exact:  # in bf16 two engines may well take another of two near-equal tokens
        yield Finding(f"{name}: same greedy text", mine["text"] == other["text"], f"{mine['text'][:40]!r}, {other['text'][:40]!r}")


def _first_difference(a: list[int], b: list[int]) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def print_findings(measured: dict[str, Any], other: dict[str, Any] | None, findings: list[Finding], console: Console | None = None) -> None:
    console = console or Console(width=None if sys.stdout.isatty() else 140)
    for role, one in (("checked", measured), ("against", other)):
        console.print(f"{role}: {_described(one) if one else 'nothing: no reference is stored for this checkpoint; give --against'}")
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ["Check", "", "Found"]:
        table.add_column(name)
    for finding in findings:
        table.add_row(finding.name, "ok" if finding.healthy else "WRONG", escape(finding.detail), style="" if finding.healthy else "red")
    console.print(table)
    console.print("healthy" if all(finding.healthy for finding in findings) else "not healthy", style="bold")


def _described(measured: dict[str, Any]) -> str:
    """Engine, versions and attention in one line."""
    model, packages = measured["model"], measured["packages"]
    attention = f"attention {model['attention']}, " if "attention" in model else ""
    versions = ", ".join(f"{name} {packages[name]}" for name in ("torch", "transformers") if name in packages)
    return f"{model['engine']} {model['engine_version']}, {model['dtype']} on {model['device']}, {attention}{versions}"
