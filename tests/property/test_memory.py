"""Out of memory, the budget halves and the run goes on, with the same answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gemma_eval.backends.transformers import TransformersBackend, backend, generate, score
from gemma_eval.backends.transformers.forward import forward_pass
from gemma_eval.checkpoint.resolve import Checkpoint
from gemma_eval.settings import Dtype, TransformersConfig
from gemma_eval.types import Encoded, EncodedGenerate, EncodedScore, Generate, Prompt


def requests() -> list[Encoded]:
    random = np.random.default_rng(0)
    prompts = [np.concatenate([[2], np.arange(10, 40), random.integers(5, 99, 8)]).astype(np.int32) for _ in range(12)]
    scores: list[Encoded] = [EncodedScore(tuple(np.append(p, c).astype(np.int32) for c in ([7, 8], [9])), (len(p),) * 2) for p in prompts]
    return scores + [EncodedGenerate(prompt, Generate(Prompt(("",)), (), 4)) for prompt in prompts]


def answers(tiny_gemma: Path, **settings: Any) -> dict[int, Any]:
    made = TransformersBackend(TransformersConfig(dtype=Dtype.float32, device="cpu", **settings), Checkpoint(tiny_gemma, {}, 4096))
    return {answer.index: answer.response for answer in made.answer(requests())}


class Memory:
    """A device whose memory holds so many tokens a pass: a forward over more of them fails as CUDA does."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.failures = 0

    def guard(self, run: Any) -> Any:
        def guarded(model: Any, tree: Any, step: Any, *rest: Any, **more: Any) -> Any:
            if sum(len(tree.nodes[node]) for node in step.nodes) > self.limit:
                self.failures += 1
                raise torch.OutOfMemoryError("CUDA out of memory")
            return run(model, tree, step, *rest, **more)

        return guarded


def test_the_budget_halves_and_nothing_is_lost(tiny_gemma: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plenty = answers(tiny_gemma, pass_tokens=512)
    memory = Memory(limit=70)
    for module in (score, generate):
        monkeypatch.setattr(module, "forward_pass", memory.guard(forward_pass))
    scarce = answers(tiny_gemma, pass_tokens=512)
    assert memory.failures >= 2
    assert scarce.keys() == plenty.keys()
    for index, answer in plenty.items():
        if hasattr(answer, "logprobs"):
            assert scarce[index].logprobs == pytest.approx(answer.logprobs, abs=1e-3, rel=2e-5)
        else:
            assert scarce[index] == answer


def test_a_request_that_never_fits_is_an_error(tiny_gemma: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score, "forward_pass", Memory(limit=0).guard(forward_pass))
    monkeypatch.setattr(backend, "self_check", lambda model: None)
    with pytest.raises(torch.OutOfMemoryError):
        answers(tiny_gemma)


def test_other_errors_are_not_taken_for_memory(tiny_gemma: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(backend, "self_check", lambda model: None)
    monkeypatch.setattr(score, "forward_pass", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        answers(tiny_gemma)
