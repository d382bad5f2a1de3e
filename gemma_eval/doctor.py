"""`gemma-eval doctor`: does this backend read and answer as it should?

Fixed prompts, one of them longer than any sliding window of Gemma 3 and, of a model that sees, one with a picture, are encoded, scored
token by token and continued greedily. The measurements are compared with another backend's: run here, read from a JSON file (two engines
seldom live in one environment), or stored with this package for the checkpoint. Faults that scores alone would hide for months show at
once: a missing or doubled BOS, a wrong attention layout or RoPE base, an attention that ignores the window or lets the tokens of a picture
see only what stands before them, a dtype that overflows.
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
from gemma_eval.doctor_prompts import CHAT, PICTURE, PROMPTS
from gemma_eval.environment import environment
from gemma_eval.errors import ConfigError, PromptError
from gemma_eval.prompt import ImageTokens, Renderer
from gemma_eval.settings import BACKENDS, RunConfig, Variant
from gemma_eval.types import Encoded, EncodedGenerate, EncodedScore, Generate, GenerateResponse, Prompt, ScoreResponse

SCHEMA = 1
REFERENCES = Path(__file__).resolve().parent / "references"
MAX_TOKENS = 24
SCORED = 64  # last tokens of a prompt that are scored


@dataclass(frozen=True)
class Finding:
    """One check: what was looked at, whether it is as it should be, and the numbers."""

    name: str
    healthy: bool
    detail: str


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
            else:
                why = f"it refuses this prompt: {other['refused'][name]}" if name in other.get("refused", {}) else "it has no such prompt"
                findings.append(Finding(f"{name}: not compared", True, why))
    return findings


def _alone(measured: dict[str, Any]) -> Iterator[Finding]:
    bos = measured["bos"]
    refused = measured.get("refused", {})
    for reason in dict.fromkeys(refused.values()):
        names = [name for name, why in refused.items() if why == reason]
        yield Finding(f"{', '.join(names)}: answered", False, f"refused: {reason}")
    for name, prompt in measured["prompts"].items():
        places = [i for i, token in enumerate(prompt["ids"]) if token == bos]
        yield Finding(f"{name}: one BOS", bos is None or places == [0], f"id {bos} at {places}, {len(prompt['ids'])} tokens")
        odd = sum(not math.isfinite(value) or value > 1e-3 for value in prompt["logprobs"])
        yield Finding(f"{name}: log-probabilities", odd == 0, f"{odd} of {len(prompt['logprobs'])} are not finite or above 0")
    if not measured["prompts"]:
        return
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
    console.print(_verdict(findings), style="bold")


def _verdict(findings: list[Finding]) -> str:
    wrong = [finding for finding in findings if not finding.healthy]
    if not wrong:
        return "healthy"
    return "healthy for text, not for pictures" if all(finding.name.partition(":")[0] in PICTURE for finding in wrong) else "not healthy"


def _described(measured: dict[str, Any]) -> str:
    """Engine, versions and attention in one line."""
    model, packages = measured["model"], measured["packages"]
    attention = f"attention {model['attention']}, " if "attention" in model else ""
    versions = ", ".join(f"{name} {packages[name]}" for name in ("torch", "transformers") if name in packages)
    return f"{model['engine']} {model['engine_version']}, {model['dtype']} on {model['device']}, {attention}{versions}"
