"""What the measurements say."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Finding:
    """One check: what was looked at, whether it is as it should be, and the numbers."""

    name: str
    healthy: bool
    detail: str


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
