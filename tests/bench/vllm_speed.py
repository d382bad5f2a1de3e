"""Speed of the vLLM backend against lm-evaluation-harness's own vLLM model: the same engine, weights, rows, exemplars and prompts.

    python -m tests.bench.vllm_speed --data FOLDER [--rounds 2] [--only mmlu gsm8k] [--json FILE]

Run it in the environment of `make venv-vllm`, with `pip install lm_eval==0.4.13`. Both engines run at once, each in its own process, and
are asked in turns, with empty prefix caches; both sides start from rendered text. lm-eval's scoring computes every prompt whole, so it is
timed on some of the questions (every n-th in order of length: `PARTS`) and scaled by the tokens it forwards.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from gemma_eval.backends.vllm import VllmBackend
from gemma_eval.checkpoint.resolve import Checkpoint, resolve
from gemma_eval.errors import PromptError
from gemma_eval.plan.cost import cost
from gemma_eval.prompt.renderer import Renderer
from gemma_eval.settings import VllmConfig
from gemma_eval.types import Request, Score, ScoreResponse
from tests.bench.speed import WORKLOADS, Workload, instances, part_of, seconds
from tests.bench.speed import requests_of as rendered
from tests.settings import compose

PARTS = {"arc_challenge": 20, "hellaswag": 20, "mmlu": 30, "gsm8k": 1}
LONGEST = 4096
MEMORY = 2 << 30


@dataclass
class Result:
    workload: Workload
    ours: list[float]
    theirs: list[float]
    unshared: int  # tokens that lm-eval has computed
    computed: int  # tokens that this side has computed, by the engine's own count
    furthest: float  # nats between the two sides' log-likelihoods, both in bf16

    @property
    def ratio(self) -> float:
        return statistics.median(self.theirs) / statistics.median(self.ours)


def open_both(checkpoint: Checkpoint) -> tuple[VllmBackend, Any]:
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "1"  # engines in one process would share its state
    os.environ.setdefault("VLLM_CPU_NUM_OF_RESERVED_CPU", "0")
    common = {"kv_cache_memory_bytes": MEMORY}
    ours = VllmBackend(VllmConfig(enforce_eager=True, max_model_len=LONGEST, engine_args=dict(common)), checkpoint)
    options = {"dtype": "bfloat16", "max_model_len": LONGEST, "enforce_eager": True, "batch_size": "auto", "add_bos_token": True}
    return ours, _lm_eval_vllm()(str(checkpoint.path), **options, **common)


def _installed(name: str) -> bool:
    return any(distribution.name == name for distribution in importlib.metadata.distributions())


def _lm_eval_vllm() -> Any:
    """lm-eval's class. It asks for the version of the distribution `vllm`, which the CPU build is not called."""
    known = importlib.metadata.version
    with patch("importlib.metadata.version", lambda name: known("vllm-cpu" if name == "vllm" and not _installed("vllm") else name)):
        from lm_eval.models.vllm_causallms import VLLM
    return VLLM


def measure(workload: Workload, data: Path, rounds: int, backend: VllmBackend, lm: Any) -> Result:
    requests = rendered(workload, data)
    renderer = Renderer(backend.tokenizer, context_length=LONGEST)
    encoded = [ids for ids in renderer.encode(requests) if not isinstance(ids, PromptError)]
    some, scale = part_of(requests, encoded, PARTS[workload.task])
    answers: dict[int, Any] = {}
    texts: list[Any] = []

    def ours() -> None:
        backend.reset_prefix_cache()
        asked = [ids for ids in renderer.encode(requests) if not isinstance(ids, PromptError)]
        answers.update((answer.index, answer) for answer in backend.answer(asked))

    def theirs(asked: list[Request]) -> None:
        lm.model.reset_prefix_cache()
        run = lm.loglikelihood if isinstance(some[0], Score) else lm.generate_until
        texts[:] = run(instances(asked), disable_tqdm=True)

    ours()  # both warm up
    theirs(some[:1])
    result = Result(workload, [], [], 0, 0, 0.0)
    for _ in range(rounds):
        result.ours.append(seconds(ours))
        result.theirs.append(scale * seconds(lambda: theirs(some)))
    found = cost(encoded)
    result.unshared = found.unshared + found.generated
    result.computed = sum(answer.usage.computed for answer in answers.values())
    result.furthest = furthest(requests, some, answers, texts)
    return result


def furthest(requests: list[Request], some: list[Request], answers: dict[int, Any], theirs: list[Any]) -> float:
    """The largest difference of log-likelihoods on the questions that both sides scored."""
    flat = iter(theirs)
    apart = [0.0]
    for request in some:
        if isinstance(request, Score):
            response = answers[requests.index(request)].response
            assert isinstance(response, ScoreResponse)
            apart += [abs(value - next(flat)[0]) for value in response.logprobs]
    return max(apart)


def as_markdown(results: list[Result]) -> str:
    lines = [
        "| workload | exemplars | items | tokens, unshared | computed here | lm-eval vllm, s | here, s | ratio | furthest apart, nats |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {r.workload.name} | {r.workload.policy} | {r.workload.items} | {r.unshared:,} | {r.computed:,} | "
        f"{statistics.median(r.theirs):.1f} | {statistics.median(r.ours):.2f} | {r.ratio:.1f}x | {r.furthest:.2f} |"
        for r in results
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=os.environ.get("GEMMA_EVAL_DATA"), help="folder of dataset repositories")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=list(PARTS), help="names of tasks")
    parser.add_argument("--json", type=Path, help="write the measurements here")
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("--data FOLDER (or GEMMA_EVAL_DATA) is needed")
    backend, lm = open_both(resolve(compose("model=270m", "weights=gguf_q4_k_m")))
    results = []
    for workload in WORKLOADS:
        if workload.task in arguments.only and workload.policy != "drawn per item":
            results.append(measure(workload, arguments.data, arguments.rounds, backend, lm))
            print(as_markdown(results[-1:]).splitlines()[-1], flush=True)
            if arguments.json:
                arguments.json.write_text(json.dumps([asdict(result) for result in results], indent=1))
    print(as_markdown(results))
    backend.close()


if __name__ == "__main__":
    main()
