"""Exactness of the vLLM backend: real questions scored through its prefix cache and by the transformers backend in float32.

    python -m tests.bench.vllm_exactness --data FOLDER [--only piqa mmlu] [--dtype bfloat16] [--json FILE]

In float32, log-likelihoods must agree within 2e-3 a sequence, with equal argmax but for ties. In bf16, both backends' distances from
float32 are shown as a distribution. Run it in the environment of `make venv-vllm`.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gemma_eval.backends import Answer, Backend, open_backend
from gemma_eval.checkpoint.resolve import resolve
from gemma_eval.data.sources import open_source
from gemma_eval.errors import PromptError
from gemma_eval.prompt.renderer import Renderer
from gemma_eval.settings import BackendConfig, Dtype, TransformersConfig, VllmConfig
from gemma_eval.task.registry import registry
from gemma_eval.task.samples import build
from gemma_eval.types import Encoded, EncodedScore, ScoreResponse
from tests.settings import compose

ITEMS = {"piqa": 90, "mmlu": 60, "hellaswag": 60, "arc_challenge": 30, "winogrande": 30, "boolq": 30}
TOLERANCE = 2e-3  # nats a sequence
WINDOW = 512  # tokens, of the 270M model's sliding layers
TIE = 4e-3  # nats between the two likeliest choices
DTYPES = [dtype.value for dtype in Dtype]
ENGINE = {"kv_cache_memory_bytes": 2 << 30}


@dataclass(frozen=True)
class Item:
    """A question of `task`, as token ids."""

    task: str
    encoded: EncodedScore

    @property
    def longest(self) -> int:
        return max(map(len, self.encoded.sequences))


def items_of(tasks: list[str], data: Path, renderer: Renderer) -> list[Item]:
    items = []
    for name in tasks:
        task: Any = registry()[name]()
        task.seed, task.limit = 1234, ITEMS[name]
        samples = build(task, open_source(root=str(data), samples=False)).samples
        encoded = [ids for ids in renderer.encode([sample.request for sample in samples]) if not isinstance(ids, PromptError)]
        items += [Item(name, ids) for ids in encoded if isinstance(ids, EncodedScore)]
    return items


def answer_all(backend: Backend, items: list[Item]) -> list[Answer]:
    requests: list[Encoded] = [item.encoded for item in items]
    return sorted(backend.answer(requests), key=lambda answer: answer.index)


def logprobs(found: list[Answer]) -> list[tuple[float, ...]]:
    return [answer.response.logprobs for answer in found if isinstance(answer.response, ScoreResponse)]


def greedy(found: list[Answer]) -> list[tuple[bool, ...]]:
    return [answer.response.greedy for answer in found if isinstance(answer.response, ScoreResponse)]


def best(choices: tuple[float, ...]) -> int:
    return max(range(len(choices)), key=lambda i: choices[i])


def tied(choices: tuple[float, ...]) -> bool:
    first, second = sorted(choices)[-1:-3:-1]
    return first - second < TIE


def distances(found: list[Answer], reference: list[Answer]) -> np.ndarray[Any, Any]:
    apart: np.ndarray[Any, Any] = np.abs(np.concatenate(logprobs(found)) - np.concatenate(logprobs(reference)))
    return apart


def distribution(apart: np.ndarray[Any, Any]) -> dict[str, float]:
    return {"mean": float(apart.mean())} | {f"q{q}": float(np.percentile(apart, q)) for q in (50, 95, 100)}


def compare(found: list[Answer], reference: list[Answer], items: list[Item]) -> dict[str, Any]:
    """Distances in nats a sequence, and where the likeliest choice or a greedy flag differs."""
    pairs = list(zip(logprobs(found), logprobs(reference), strict=True))
    other = [i for i, (a, b) in enumerate(pairs) if best(a) != best(b)]
    flags = sum(a != b for one, two in zip(greedy(found), greedy(reference), strict=True) for a, b in zip(one, two, strict=True))
    return distribution(distances(found, reference)) | {
        "questions": len(items),
        "other_argmax": len(other),
        "of_them_ties": [f"{items[i].task}: {sorted(pairs[i][1])[-2:]}" for i in other if tied(pairs[i][1])],
        "other_greedy": flags,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=os.environ.get("GEMMA_EVAL_DATA"), help="folder of dataset repositories")
    parser.add_argument("--only", nargs="*", default=list(ITEMS), help="names of tasks")
    parser.add_argument("--part", type=int, default=1, help="one question in so many")
    parser.add_argument("--dtype", nargs="*", choices=DTYPES, default=DTYPES, help="dtypes to compare with float32")
    parser.add_argument("--json", type=Path, help="write the measurements here")
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("--data FOLDER (or GEMMA_EVAL_DATA) is needed")
    checkpoint = resolve(compose("model=270m", "weights=gguf_q4_k_m"))
    exact = open_backend(TransformersConfig(dtype=Dtype.float32, device="cpu"), checkpoint)
    items = items_of(arguments.only, arguments.data, Renderer(exact.tokenizer, context_length=checkpoint.context_length))
    items = items[:: arguments.part]
    reference = answer_all(exact, items)
    long = [item.longest > WINDOW for item in items]
    print(f"{len(items)} questions, {sum(long)} of them longer than the window of {WINDOW} tokens", flush=True)
    others: dict[str, BackendConfig] = {
        "float32 vllm": VllmConfig(dtype=Dtype.float32, enforce_eager=True, engine_args=dict(ENGINE)),
        "bf16 transformers": TransformersConfig(dtype=Dtype.bfloat16, device="cpu"),
        "bf16 vllm": VllmConfig(enforce_eager=True, engine_args=dict(ENGINE)),
        "bf16 vllm, head in float32": VllmConfig(enforce_eager=True, engine_args=ENGINE | {"hf_overrides": {"head_dtype": "float32"}}),
    }
    results: dict[str, Any] = {}
    for name, settings in others.items():
        if settings.dtype.value not in arguments.dtype:
            continue
        backend = open_backend(settings, checkpoint)
        found = answer_all(backend, items)
        results[name] = compare(found, reference, items) | {
            "methods": Counter(answer.method for answer in found),
            "long": distribution(distances(*([a for a, is_long in zip(x, long, strict=True) if is_long] for x in (found, reference)))),
            "prompt": sum(answer.usage.prompt for answer in found),
            "computed": sum(answer.usage.computed for answer in found),
        }
        if isinstance(settings, VllmConfig):
            backend.close()  # type: ignore[attr-defined]
        print(name, json.dumps(results[name]), flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=1))
    assert results.get("float32 vllm", {"q100": 0})["q100"] <= TOLERANCE


if __name__ == "__main__":
    main()
