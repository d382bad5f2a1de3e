"""torch.compile where it pays for itself: the layers between attention calls, and the log-sum-exp of the output head.

Compiling takes about a minute at first, and seconds once torch has the result on disk. It saves about a quarter of a run's time. So `auto`
waits until the run's own speed shows that enough is left.
"""

from __future__ import annotations

import logging
import math
import time
from itertools import chain
from typing import Any

import torch
from torch.nn import functional
from transformers.activations import GELUTanh

from gemma_eval.backends.transformers import head
from gemma_eval.settings import Compile

log = logging.getLogger(__name__)

COST_SECONDS = 60.0
SAVING = 0.25  # of the time left
SETTLED_SECONDS = 10.0  # of running before its speed is relied on


class Compiler:
    """Compiles a model's layers in place, at once, when it pays, or never, as `mode` says."""

    def __init__(self, model: Any, mode: Compile) -> None:
        self._model = model
        self._pending = mode is not Compile.off
        self._started = time.monotonic()
        if mode is Compile.on:
            self._compile()

    def start(self) -> None:
        """A plan begins. Its speed is measured from here."""
        self._started = time.monotonic()

    def consider(self, done: int, planned: int) -> None:
        """Compile now if that saves more time on the rest of the plan than it takes. `done` of at most `planned` tokens are computed."""
        elapsed = time.monotonic() - self._started
        if self._pending and elapsed > SETTLED_SECONDS and SAVING * elapsed * (planned - done) / done > COST_SECONDS:
            self._compile()

    def _compile(self) -> None:
        self._pending = False
        log.info("compiling the model's layers")
        torch._dynamo.config.suppress_errors = True  # what cannot be compiled, as without a C++ compiler, runs as before
        layers = self._model.get_decoder().layers
        for module in chain.from_iterable(layer.modules() for layer in layers):
            if isinstance(module, GELUTanh):
                module.act = gelu_tanh
        for module in (*layers, head.fold):
            module.compile(dynamic=True)


def gelu_tanh(x: torch.Tensor) -> torch.Tensor:
    """GELU in its tanh form, of any shape.

    When compiled, it uses a sigmoid: x (1 + tanh u) / 2 = x sigmoid(2u). On a CPU that takes less than half the time of tanh, which took as
    long as the feed-forward's largest matrix product.
    """
    if not torch.compiler.is_compiling():
        return functional.gelu(x, approximate="tanh")
    wide = x.float()
    twice = math.sqrt(8 / math.pi) * (wide + 0.044715 * wide**3)
    return (wide * torch.sigmoid(twice)).to(x.dtype)
