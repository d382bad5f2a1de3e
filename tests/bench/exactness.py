"""Exactness of shared prefixes: the same requests with tree attention, with plain full prompts, and in lm-evaluation-harness.

    python -m tests.bench.exactness --data FOLDER [--requests 200] [--only piqa mmlu] [--no-lm-eval] [--json FILE]

A request is one continuation of one question. In float32, summed log-likelihoods must agree within 1e-3 + 2e-5 |sum|, with equal
argmax and greedy flags; so must every other budget, order and number of threads. In bf16 both sides are compared with float32.
lm-evaluation-harness takes most of the time: `--no-lm-eval` leaves it out.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lm_eval.models.huggingface import HFLM

from gemma_eval.backends.transformers import TransformersBackend
from gemma_eval.checkpoint.resolve import Checkpoint, resolve
from gemma_eval.prompt.renderer import Renderer
from gemma_eval.settings import Compile, Dtype, TransformersConfig
from gemma_eval.types import Encoded, Request, Score, ScoreResponse
from tests.bench.speed import WORKLOADS, Workload, instances, requests_of
from tests.settings import compose

Answers = list[list[tuple[float, bool]]]  # per question and choice: log-likelihood (nats), greedy


@dataclass(frozen=True)
class Difference:
    """Between two sets of answers to the same requests."""

    largest: float  # nats
    mean: float
    beyond: int  # requests beyond the tolerance
    argmax: int  # questions with another likeliest choice
    greedy: int  # requests with another greedy flag

    @classmethod
    def between(cls, ours: Answers, reference: Answers) -> Difference:
        pairs = [(a, b) for one, other in zip(ours, reference, strict=True) for a, b in zip(one, other, strict=True)]
        apart = [abs(a[0] - b[0]) for a, b in pairs]
        return cls(
            largest=max(apart),
            mean=float(np.mean(apart)),
            beyond=sum(d > 1e-3 + 2e-5 * abs(b[0]) for d, (_, b) in zip(apart, pairs, strict=True)),
            argmax=sum(_best(one) != _best(other) for one, other in zip(ours, reference, strict=True)),
            greedy=sum(a[1] != b[1] for a, b in pairs),
        )

    def __str__(self) -> str:
        return f"{self.largest:.1e} / {self.mean:.1e} / {self.beyond} / {self.argmax} / {self.greedy}"


def _best(choices: list[tuple[float, bool]]) -> int:
    return max(range(len(choices)), key=lambda i: choices[i][0])


def answers(backend: TransformersBackend, encoded: list[Encoded], order: list[int] | None = None) -> Answers:
    """The backend's answers; `order`: in which the requests are handed over."""
    order = order or list(range(len(encoded)))
    found: dict[int, Any] = {order[a.index]: a.response for a in backend.answer([encoded[i] for i in order])}
    return [list(zip(found[i].logprobs, found[i].greedy, strict=True)) for i in range(len(encoded)) if isinstance(found[i], ScoreResponse)]


def lm_eval_answers(lm: HFLM, requests: list[Request]) -> Answers:
    flat = iter(lm.loglikelihood(instances(requests), disable_tqdm=True))
    return [[next(flat) for _ in request.continuations] for request in requests if isinstance(request, Score)]


def backend_of(checkpoint: Checkpoint, dtype: Dtype, **settings: Any) -> TransformersBackend:
    return TransformersBackend(TransformersConfig(**{"dtype": dtype, "device": "cpu", "compile": Compile.off, **settings}), checkpoint)


def check(workload: Workload, count: int, data: Path, checkpoint: Checkpoint, lm_eval: bool) -> dict[str, Any]:
    """All comparisons of one workload, printed as they are made."""
    requests = [request for request in requests_of(workload, data) if isinstance(request, Score)]
    kept: list[Request] = []
    while sum(len(r.continuations) for r in kept if isinstance(r, Score)) < count:
        kept.append(requests[len(kept)])
    exact = backend_of(checkpoint, Dtype.float32)
    encoded: list[Any] = Renderer(exact.tokenizer, context_length=checkpoint.context_length).encode(kept)
    n = sum(len(one.sequences) for one in encoded)
    longest = max(len(sequence) for one in encoded for sequence in one.sequences)
    print(f"\n{workload.name} ({workload.policy}): {n} requests, at most {longest} tokens; largest / mean / beyond / argmax / greedy")
    tree = answers(exact, encoded)
    results: dict[str, Difference] = {}
    for name, ours in comparisons(checkpoint, kept, encoded, lm_eval).items():
        results[name] = Difference.between(ours(), tree)
        print(f"  {name:<44} {results[name]}", flush=True)
    return {"workload": workload.name, "policy": workload.policy, "requests": n, "longest": longest} | {
        name: vars(difference) for name, difference in results.items()
    }


def comparisons(checkpoint: Checkpoint, requests: list[Request], encoded: list[Any], lm_eval: bool) -> dict[str, Callable[[], Answers]]:
    """What is compared with tree attention in float32, by name."""
    order = random.Random(0).sample(range(len(encoded)), len(encoded))

    def tree(dtype: Dtype = Dtype.float32, order: list[int] | None = None, **settings: Any) -> Answers:
        threads = torch.get_num_threads()
        found = answers(backend_of(checkpoint, dtype, **settings), encoded, order)
        torch.set_num_threads(threads)
        return found

    def lm_evals(dtype: Dtype) -> Answers:
        lm = HFLM(pretrained=str(checkpoint.path), dtype=dtype.value, device="cpu", batch_size=2, max_length=8192)
        return lm_eval_answers(lm, requests)

    found: dict[str, Callable[[], Answers]] = {
        "float32, passes of 192 tokens, shuffled": lambda: tree(pass_tokens=192, order=order),
        "float32, one thread, compiled": lambda: tree(threads=1, compile=Compile.on),
        "float32, plain full prompts": lambda: tree(share_prefixes=False),
        "bf16 here, against float32": lambda: tree(Dtype.bfloat16),
    }
    if lm_eval:
        found["float32, lm-eval"] = lambda: lm_evals(Dtype.float32)
        found["bf16 lm-eval, against float32"] = lambda: lm_evals(Dtype.bfloat16)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=os.environ.get("GEMMA_EVAL_DATA"), help="folder of dataset repositories")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--only", nargs="*", help="names of tasks")
    parser.add_argument("--no-lm-eval", action="store_true", help="compare this side with itself alone")
    parser.add_argument("--json", type=Path, help="write the differences here")
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("--data FOLDER (or GEMMA_EVAL_DATA) is needed")
    checkpoint = resolve(compose("model=270m", "weights=gguf_q4_k_m"))
    found = []
    for workload in sorted(WORKLOADS, key=lambda w: w.task != "piqa"):
        if workload.max_tokens is None and workload.policy != "drawn per item" and (not arguments.only or workload.task in arguments.only):
            more = Workload(workload.name, workload.task, arguments.requests, workload.policy, workload.subsets)
            found.append(check(more, arguments.requests, arguments.data, checkpoint, not arguments.no_lm_eval))
            if arguments.json:
                arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
