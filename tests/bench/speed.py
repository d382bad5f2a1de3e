"""Speed against lm-evaluation-harness: the same model, rows, exemplars and prompts, interleaved in one process.

    python -m tests.bench.speed --data FOLDER [--rounds 3] [--only arc_challenge piqa] [--json FILE]

Both sides start from rendered text and end with log-likelihoods (or texts), tokenization included. lm-eval's `hf` model runs at
the best of several batch sizes, found first. It shares nothing between questions, so its scoring is timed on every `--part`-th
question (in order of length) and scaled by the tokens it forwards; `--part 1` times all. This side runs compiled layers
(`backend.compile=on`), warmed up, unless `--eager`. "Limit" is the time that the unique tokens and head rows would take at the
machine's matmul peak: (unique tokens x 2 x body parameters + attention + head rows x 2 x hidden x vocabulary) / peak. A shared
machine's peak wavers from minute to minute, so it is measured before and after each run of this side, which is divided by its own limit.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from gemma_eval.backends.transformers import TransformersBackend
from gemma_eval.checkpoint.resolve import Checkpoint, resolve
from gemma_eval.data.sources import open_source
from gemma_eval.errors import PromptError
from gemma_eval.plan.cost import Cost, cost
from gemma_eval.prompt.renderer import Renderer
from gemma_eval.settings import Compile, Dtype, TransformersConfig
from gemma_eval.task.fewshot import Fewshot
from gemma_eval.task.registry import registry
from gemma_eval.task.samples import build
from gemma_eval.types import Encoded, Generate, Request, Score
from tests.settings import compose

BATCH_SIZES = {Score: [1, 2, 4, 8, 16], Generate: [16, 32, 64]}  # tried for lm-eval, the fastest is taken


@dataclass(frozen=True)
class Workload:
    """A task at some number of items; `policy` of exemplars must stand beside every ratio."""

    name: str
    task: str
    items: int
    policy: str = "same for all"
    subsets: int | None = None  # from so many subsets, evenly; all when absent
    max_tokens: int | None = None


WORKLOADS = [
    Workload("ARC-c 25-shot", "arc_challenge", 40),
    Workload("ARC-c 25-shot", "arc_challenge", 40, policy="drawn per item"),
    Workload("HellaSwag 10-shot", "hellaswag", 40),
    Workload("MMLU 5-shot", "mmlu", 60, policy="subject's dev rows, 3 subjects", subsets=3),
    Workload("PIQA 0-shot", "piqa", 200, policy="none"),
    Workload("GSM8K 8-shot, 64 new tokens", "gsm8k", 64, policy="published", max_tokens=64),
]


@dataclass
class Result:
    workload: Workload
    ours: list[float]
    theirs: list[float]
    batch_size: int
    unshared: int
    unique: int
    head_rows: int
    operations: float  # floating-point, of one run here
    peaks: list[float]  # FLOP/s, around each run of `ours`

    @property
    def ratio(self) -> float:
        return statistics.median(self.theirs) / statistics.median(self.ours)

    @property
    def over_limit(self) -> float:
        return statistics.median(took * peak / self.operations for took, peak in zip(self.ours, self.peaks, strict=True))


def requests_of(workload: Workload, data: Path) -> list[Request]:
    task: Any = registry()[workload.task]()
    task.seed, task.limit = 1234, None if workload.subsets else workload.items
    if workload.policy == "drawn per item":
        task.fewshot = Fewshot.per_item
    if workload.max_tokens:
        task.max_tokens, task.stop = workload.max_tokens, []  # every text as long as the next, on both sides
    samples = build(task, open_source(root=str(data), samples=False)).samples
    if workload.subsets:
        chosen = sorted({sample.subset for sample in samples})[: workload.subsets]
        by_subset = [[sample for sample in samples if sample.subset == subset] for subset in chosen]
        samples = [sample for several in by_subset for sample in several[: workload.items // workload.subsets]]
    return [sample.request for sample in samples]


def instances(requests: list[Request]) -> list[Instance]:
    """The same requests as lm-eval's pairs of strings."""
    made: list[Instance] = []
    for index, request in enumerate(requests):
        text = "".join(str(part) for part in request.prompt.parts)
        if isinstance(request, Generate):
            arguments: list[Any] = [(text, {"until": list(request.stop), "max_gen_toks": request.max_tokens, "do_sample": False})]
        else:
            arguments = [(text + c.given, c.text) for c in request.continuations]
        kind = "generate_until" if isinstance(request, Generate) else "loglikelihood"
        made += [
            Instance(request_type=kind, doc={}, arguments=pair, idx=i, metadata=("bench", index, 1)) for i, pair in enumerate(arguments)
        ]
    return made


def theirs(lm: HFLM, requests: list[Request]) -> None:
    pairs = instances(requests)
    run = lm.loglikelihood if isinstance(requests[0], Score) else lm.generate_until
    run(pairs, disable_tqdm=True)


def part_of(requests: list[Request], encoded: list[Encoded], part: int) -> tuple[list[Request], float]:
    """Every `part`-th scoring request in order of length, and how many times its tokens are those of all."""
    if isinstance(requests[0], Generate):  # its batches are not a sum of rows: all are timed
        return requests, 1.0
    sizes = [cost([one]).unshared for one in encoded]
    chosen = sorted(range(len(requests)), key=lambda i: sizes[i])[part // 2 :: part]
    return [requests[i] for i in chosen], sum(sizes) / sum(sizes[i] for i in chosen)


def ours(backend: TransformersBackend, renderer: Renderer, requests: list[Request]) -> list[Encoded]:
    encoded = [ids for ids in renderer.encode(requests) if not isinstance(ids, PromptError)]
    assert sum(1 for _ in backend.answer(encoded)) == len(requests)
    return encoded


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def matmul_peak(dtype: torch.dtype) -> float:
    """Best FLOP/s of a large matrix product, of ten."""
    a, b = torch.randn(4096, 4096, dtype=dtype), torch.randn(4096, 4096, dtype=dtype)
    best: float = min(seconds(lambda: a @ b) for _ in range(10))
    return 2 * 4096**3 / best


def operations(backend: TransformersBackend, encoded: list[Encoded], found: Cost) -> float:
    """Of floating point, for what must be computed. Attention counts the mean prompt length per token, within a sliding layer's window."""
    config = backend.model.config.get_text_config()
    body = sum(p.numel() for layer in backend.model.get_decoder().layers for p in layer.parameters())
    head = config.hidden_size * config.vocab_size
    depth = sum(len(getattr(e, "prompt", ())) for e in encoded) / len(encoded)
    windows = [min(depth, config.sliding_window) if kind == "sliding_attention" else depth for kind in config.layer_types]
    attention = sum(4 * config.num_attention_heads * config.head_dim * window for window in windows)
    total: float = (2 * body + attention) * (found.unique + found.generated) + 2 * head * (found.head_rows + found.generated)
    return total


def best_batch_size(lm: HFLM, requests: list[Request]) -> int:
    """The fastest batch size on these requests."""
    times: dict[int, float] = {}
    for size in BATCH_SIZES[type(requests[0])]:
        lm.batch_size_per_gpu = size
        times[size] = seconds(lambda: theirs(lm, requests))
        if times[size] > 1.2 * min(times.values()):
            break
    return min(times, key=lambda size: times[size])


def measure(workload: Workload, data: Path, rounds: int, part: int, lm: HFLM, backend: TransformersBackend, renderer: Renderer) -> Result:
    requests = requests_of(workload, data)
    encoded = ours(backend, renderer, requests)  # warms up
    some, scale = part_of(requests, encoded, part)
    lm.batch_size_per_gpu = batch_size = best_batch_size(
        lm, requests if scale == 1.0 else part_of(requests, encoded, len(requests) // 4)[0]
    )
    found = cost(encoded)
    result = Result(
        workload,
        ours=[],
        theirs=[],
        batch_size=batch_size,
        unshared=found.unshared + found.generated,
        unique=found.unique + found.generated,
        head_rows=found.head_rows + found.generated,
        operations=operations(backend, encoded, found),
        peaks=[],
    )

    def run_ours() -> None:
        before = matmul_peak(backend.model.dtype)
        result.ours.append(seconds(lambda: ours(backend, renderer, requests)))
        result.peaks.append((before + matmul_peak(backend.model.dtype)) / 2)

    for _ in range(rounds):
        run_ours()
        result.theirs.append(scale * seconds(lambda: theirs(lm, some)))
        run_ours()
    return result


def machine() -> str:
    """Processor, the vector units that decide how far a bf16 product outruns everything else, and threads."""
    units = "AMX" if torch.cpu.get_capabilities().get("amx_tile") else torch.backends.cpu.get_cpu_capability()
    return f"{platform.processor() or platform.machine()} ({units}), {torch.get_num_threads()} threads"


def as_markdown(results: list[Result]) -> str:
    lines = [
        "| workload | exemplars | items | tokens, unshared | tokens, here | lm-eval hf, s (batch) | here, s | ratio | over limit |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for r in results:
        w = r.workload
        lines.append(
            f"| {w.name} | {w.policy} | {w.items} | {r.unshared:,} | {r.unique:,} | {statistics.median(r.theirs):.1f} ({r.batch_size}) | "
            f"{statistics.median(r.ours):.2f} | {r.ratio:.1f}x | {r.over_limit:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=os.environ.get("GEMMA_EVAL_DATA"), help="folder of dataset repositories")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part", type=int, default=4, help="time lm-eval's scoring on one question in so many (default 4)")
    parser.add_argument("--eager", action="store_true", help="without torch.compile on this side")
    parser.add_argument("--only", nargs="*", help="names of tasks")
    parser.add_argument("--json", type=Path, help="write the measurements here")
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("--data FOLDER (or GEMMA_EVAL_DATA) is needed")
    compiling = Compile.off if arguments.eager else Compile.on
    checkpoint: Checkpoint = resolve(compose("model=270m", "weights=gguf_q4_k_m"))
    backend = TransformersBackend(TransformersConfig(dtype=Dtype.bfloat16, device="cpu", compile=compiling), checkpoint)
    renderer = Renderer(backend.tokenizer, context_length=checkpoint.context_length)
    lm = HFLM(pretrained=str(checkpoint.path), dtype="bfloat16", device="cpu", batch_size=1, max_length=8192)
    results = []
    for workload in WORKLOADS:
        if not arguments.only or workload.task in arguments.only:
            results.append(measure(workload, arguments.data, arguments.rounds, arguments.part, lm, backend, renderer))
            print(as_markdown(results[-1:]).splitlines()[-1], flush=True)
    print(f"\n{machine()}, torch {torch.__version__}, bf16, compile {compiling.value}, lm-eval {version('lm_eval')}, ", end="")
    print(f"{arguments.rounds} interleaved rounds, medians\n\n{as_markdown(results)}")
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(result) for result in results], indent=1))


if __name__ == "__main__":
    main()
