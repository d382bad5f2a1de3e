"""Cost against the number of questions and of shots, here and in lm-evaluation-harness, as a figure.

    python -m tests.bench.sweep --data FOLDER --figure sweep.svg [--json sweep.json]

ARC-Challenge with the same exemplars for all questions, bf16. This side is timed whole (layers compiled, warm); lm-eval, whose time
is a sum over questions, on four of them, scaled by the tokens it forwards.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib
from lm_eval.models.huggingface import HFLM

from gemma_eval.backends.transformers import TransformersBackend
from gemma_eval.checkpoint.resolve import resolve
from gemma_eval.data.sources import open_source
from gemma_eval.plan.cost import cost
from gemma_eval.prompt.renderer import Renderer
from gemma_eval.settings import Compile, Dtype, TransformersConfig
from gemma_eval.task.registry import registry
from gemma_eval.task.samples import build
from tests.bench.speed import ours, part_of, seconds, theirs
from tests.settings import compose

QUESTIONS = [10, 30, 100, 300, 1000]  # 25-shot
SHOTS = [0, 1, 5, 10, 25]  # of 100 questions


@dataclass(frozen=True)
class Point:
    questions: int
    shots: int
    unshared: int  # tokens without sharing
    unique: int  # tokens with
    here: float  # seconds
    lm_eval: float


def measure(questions: int, shots: int, data: Path, lm: HFLM, backend: TransformersBackend, renderer: Renderer) -> Point:
    task: Any = registry()["arc_challenge"]()
    task.seed, task.limit, task.num_fewshot = 1234, questions, shots
    requests = [sample.request for sample in build(task, open_source(root=str(data), samples=False)).samples]
    here = seconds(lambda: ours(backend, renderer, requests))
    encoded: list[Any] = renderer.encode(requests)
    some, scale = part_of(requests, encoded, max(1, len(requests) // 4))
    found = cost(encoded)
    return Point(len(requests), shots, found.unshared, found.unique, here, scale * seconds(lambda: theirs(lm, some)))


def draw(points: list[Point], figure: Path) -> None:
    matplotlib.use("svg")
    from matplotlib import pyplot

    _, panels = pyplot.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
    series = [("questions", [p for p in points if p.shots == max(SHOTS)]), ("shots", [p for p in points if p.questions == 100])]
    for panel, (axis, chosen) in zip(panels, series, strict=True):
        at = [getattr(p, axis) for p in chosen]
        for label, values, style in [("lm-eval hf", [p.lm_eval for p in chosen], "s--"), ("gemma_eval", [p.here for p in chosen], "o-")]:
            panel.plot(at, values, style, label=label)
        panel.set(xlabel=axis, yscale="log", xscale="log" if axis == "questions" else "linear")
        panel.grid(alpha=0.3)
    panels[0].set(ylabel="seconds", title="25 shots")
    panels[1].set(title="100 questions")
    panels[0].legend()
    pyplot.savefig(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=os.environ.get("GEMMA_EVAL_DATA"), help="folder of dataset repositories")
    parser.add_argument("--figure", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("--data FOLDER (or GEMMA_EVAL_DATA) is needed")
    checkpoint = resolve(compose("model=270m", "weights=gguf_q4_k_m"))
    backend = TransformersBackend(TransformersConfig(dtype=Dtype.bfloat16, device="cpu", compile=Compile.on), checkpoint)
    renderer = Renderer(backend.tokenizer, context_length=checkpoint.context_length)
    lm = HFLM(pretrained=str(checkpoint.path), dtype="bfloat16", device="cpu", batch_size=4, max_length=8192)
    measure(10, 1, arguments.data, lm, backend, renderer)  # warms up
    points = []
    for questions, shots in sorted({*((n, max(SHOTS)) for n in QUESTIONS), *((100, k) for k in SHOTS)}):
        points.append(measure(questions, shots, arguments.data, lm, backend, renderer))
        print(points[-1], flush=True)
    draw(points, arguments.figure)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(point) for point in points], indent=1))


if __name__ == "__main__":
    main()
