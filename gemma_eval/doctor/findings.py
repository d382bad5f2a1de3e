"""What a backend's measurements say, by themselves and beside those of another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gemma_eval.backends.possible import why_no_logprob
from gemma_eval.backends.tolerance import TOLERANCES
from gemma_eval.settings import Dtype

SPREAD = 1e-6  # nats between the likeliest and the unlikeliest of some tokens, if a model knows any difference


@dataclass(frozen=True)
class Finding:
    """One check: its name, whether all is well (None: it could not be checked), and the numbers.

    `refusal`: why no score would mean anything; empty where one would all the same.
    """

    name: str
    healthy: bool | None
    detail: str
    refusal: str = ""


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
    if not measured.get("adds_bos", True):
        yield adds_no_bos()
    if measured.get("weights"):
        yield Finding("weights", False, measured["weights"])
    refused = measured.get("refused", {})
    for reason in dict.fromkeys(refused.values()):
        names = [name for name, why in refused.items() if why == reason]
        yield Finding(f"{', '.join(names)}: answered", False, f"refused: {reason}")
    for name, prompt in measured["prompts"].items():
        places = [i for i, token in enumerate(prompt["ids"]) if token == bos]
        yield Finding(f"{name}: one BOS", bos is None or places == [0], f"id {bos} at {places}, {len(prompt['ids'])} tokens")
        yield likely(f"{name}: log-probabilities", prompt["logprobs"])
    if measured["prompts"]:
        yield readable({name: prompt["text"] for name, prompt in measured["prompts"].items()}, measured.get("faults", {}))


def adds_no_bos() -> Finding:
    """The finding on a tokenizer of Gemma that puts no BOS before a text. Prompts here have it all the same."""
    detail = "its files put no BOS before a text: mend post_processor in tokenizer.json; prompts here have one, other programs' do not"
    return Finding("tokenizer", False, detail)


def one_bos(prompts: Iterable[npt.NDArray[np.int32]], bos: int | None) -> Finding:
    """Whether each prompt [tokens] begins with BOS and has no other. `bos`: its id; None for a model without."""
    name = "one BOS"
    if bos is None:
        return Finding(name, None, "not checked: the tokenizer puts nothing before a text")
    sequences = list(prompts)
    wrong = sum(not (len(ids) and ids[0] == bos and np.count_nonzero(ids == bos) == 1) for ids in sequences)
    if not wrong:
        return Finding(name, True, f"id {bos} begins every prompt")
    detail = f"{wrong:,} of {len(sequences):,} sequences do not begin with BOS (id {bos}), or have another"
    return Finding(name, False, detail, f"{detail}: mend bos_token and post_processor in the tokenizer's files")


def likely(name: str, values: Sequence[float]) -> Finding:
    """Whether these can be log-probabilities (nats) of tokens of plain text."""
    odd = [value for value in values if why_no_logprob(value)]
    if odd:
        detail = f"{len(odd)} of {len(values)} are not finite or above 0"
        return Finding(name, False, detail, f"{len(odd)} of {len(values)} log-probabilities are {why_no_logprob(odd[0])}")
    if len(values) > 1 and max(values) - min(values) < SPREAD:
        detail = f"all {len(values)} are {values[0]:.3f}"
        return Finding(name, False, detail, f"{detail}, so the model finds every token equally likely: its weights are zero, or not loaded")
    return Finding(name, True, f"0 of {len(values)} are not finite or above 0")


def readable(texts: Mapping[str, str], faults: Mapping[str, str]) -> Finding:
    """Whether these texts, by prompt, are a model's. `faults`: why some of them mean nothing. A text may be empty, but not all of them."""
    if faults:
        why = next(iter(faults.values()))
        return Finding("texts", False, why, why)
    shown = ", ".join(repr(text[:24]) for text in texts.values())
    if not any(text.strip() for text in texts.values()):
        return Finding("texts", False, f"all are empty: {shown}")
    same = len(texts) > 1 and len(set(texts.values())) == 1
    return Finding("texts", not same, f"the same after each prompt: {shown}" if same else shown)


def _of_both(name: str, mine: dict[str, Any], other: dict[str, Any], dtype: Dtype) -> Iterator[Finding]:
    """How two backends differ on one prompt. `dtype`: the coarser of theirs."""
    same = mine["ids"] == other["ids"]
    yield Finding(f"{name}: same token ids", same, "" if same else f"first difference at {_first_difference(mine['ids'], other['ids'])}")
    if not same:
        return
    apart = np.abs(np.asarray(mine["logprobs"], dtype=float) - np.asarray(other["logprobs"], dtype=float))  # null: not finite
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
