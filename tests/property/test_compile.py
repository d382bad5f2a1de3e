"""torch.compile changes the speed alone, and is left out where it would not pay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from gemma_eval.backends.transformers import compiling, head
from gemma_eval.settings import Compile
from tests.property.test_memory import answers


@pytest.fixture(autouse=True)
def eager_afterwards() -> Any:
    yield
    head.fold._compiled_call_impl = None


def test_compiled_layers_give_the_same_answers(tiny_gemma: Path) -> None:
    eager = answers(tiny_gemma, compile=Compile.off)
    compiled = answers(tiny_gemma, compile=Compile.on)
    assert torch._dynamo.utils.counters["frames"]["ok"] > 0
    for index, answer in eager.items():
        if hasattr(answer, "logprobs"):
            assert compiled[index].logprobs == pytest.approx(answer.logprobs, abs=1e-3, rel=2e-5)
            assert compiled[index].greedy == answer.greedy
        else:
            assert compiled[index] == answer


def test_the_activation_is_the_same_function_when_compiled() -> None:
    every = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(torch.bfloat16)
    every = every[every.isfinite()]
    compiled = torch.compile(compiling.gelu_tanh)
    exact = functional.gelu(every.double(), approximate="tanh")
    torch.testing.assert_close(compiled(every.float()).double(), exact, rtol=1e-5, atol=2e-6)
    torch.testing.assert_close(compiled(every).double(), exact, rtol=2**-8, atol=2e-6)


class Layers(torch.nn.Module):
    """A model of one layer that counts how often it is compiled."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = [self]
        self.compiled = 0

    def get_decoder(self) -> Layers:
        return self

    def compile(self, dynamic: bool) -> None:
        self.compiled += 1


@pytest.mark.parametrize(
    ("mode", "seconds", "done", "planned", "expected"),
    [
        (Compile.auto, 20.0, 1_000, 2_000, 0),  # 20 s left: five would be saved, a minute paid
        (Compile.auto, 20.0, 1_000, 100_000, 1),
        (Compile.auto, 5.0, 10, 1_000_000, 0),  # too early to believe the speed
        (Compile.off, 20.0, 1_000, 100_000, 0),
        (Compile.on, 0.0, 1, 2, 1),
    ],
)
def test_compiling_is_decided_by_the_rest_of_the_plan(
    monkeypatch: pytest.MonkeyPatch, mode: Compile, seconds: float, done: int, planned: int, expected: int
) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    model = Layers()
    compiler = compiling.Compiler(model, mode)
    compiler.start()
    clock[0] = seconds
    compiler.consider(done, planned)
    compiler.consider(done, planned)
    assert model.compiled == expected
