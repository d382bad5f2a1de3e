"""What a backend's measurements say, by themselves and beside those of another."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gemma_eval.backends.tolerance import TOLERANCES
from gemma_eval.settings import Dtype


@dataclass(frozen=True)
class Finding:
    """One check: its name, whether all is well, and the numbers."""

    name: str
    healthy: bool
    detail: str


def examine(measured: dict[str, Any], other: dict[str, Any] | None) -> list[Finding]:
    """The findings on the measurements of one backend, and on their differences from those of another if there are any."""
    findings = [*_of_one(measured)]
    if other is not None:
        same = measured["model"]["checkpoint"] == other["model"]["checkpoint"]
        findings.append(
            Finding("same checkpoint", same, "" if same else f"{measured['model']['checkpoint']}, {other['model']['checkpoint']}")
        )
        dtype = Dtype.float32 if {measured["model"]["dtype"], other["model"]["dtype"]} == {"float32"} else Dtype.bfloat16
        for name in measured["prompts"]:
            if name in other["prompts"]:
                findings += _of_both(name, measured["prompts"][name], other["prompts"][name], dtype)
            else:
                why = f"it refuses this prompt: {other['refused'][name]}" if name in other.get("refused", {}) else "it has no such prompt"
                findings.append(Finding(f"{name}: not compared", True, why))
    return findings


def _of_one(measured: dict[str, Any]) -> Iterator[Finding]:
    """The findings on one backend's measurements by themselves."""
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
    texts = [prompt["text"] for prompt in measured["prompts"].values()]  # one text may end with its prompt, but not all of them
    yield Finding("texts", any(text.strip() for text in texts), ", ".join(repr(text[:24]) for text in texts))


def _of_both(name: str, mine: dict[str, Any], other: dict[str, Any], dtype: Dtype) -> Iterator[Finding]:
    """How two backends differ on one prompt. `dtype`: the coarser of theirs."""
    same = mine["ids"] == other["ids"]
    yield Finding(f"{name}: same token ids", same, "" if same else f"first difference at {_first_difference(mine['ids'], other['ids'])}")
    if not same:
        return
    apart = np.abs(np.subtract(mine["logprobs"], other["logprobs"]))
    allowed = TOLERANCES[dtype]
    close = bool(apart.mean() <= allowed.mean and apart.max() <= allowed.largest)
    detail = (
        f"differ by {apart.mean():.2g} nats a token on average, {apart.max():.2g} at most (allowed: {allowed.mean:g}, {allowed.largest:g})"
    )
    yield Finding(f"{name}: same log-probabilities", close, detail)
    if dtype is Dtype.float32:  # in bf16, one engine may prefer one of two almost equally likely tokens, and the other the other
        yield Finding(f"{name}: same greedy text", mine["text"] == other["text"], f"{mine['text'][:40]!r}, {other['text'][:40]!r}")


def _first_difference(a: list[int], b: list[int]) -> int:
    """The first index at which two lists differ."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
