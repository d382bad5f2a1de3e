"""The vLLM backend as far as it needs no engine: what vLLM is told, what is refused, and when engines are started."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gemma_eval.backends import open_backend
from gemma_eval.backends.base import Phase, Unwatched
from gemma_eval.backends.prefix_cache.messages import EngineReply, EngineRequest, GenerateRequest
from gemma_eval.backends.prefix_cache.score import ScoringMode
from gemma_eval.backends.vllm import VllmBackend, backend, engine
from gemma_eval.backends.vllm.engine import Capabilities, Engine, _cores, _gpus, engine_arguments
from gemma_eval.checkpoint.quantization import UNQUANTIZED, Promise
from gemma_eval.checkpoint.resolve import Checkpoint
from gemma_eval.errors import ConfigError
from gemma_eval.settings import Quantization, VllmConfig
from gemma_eval.types import EncodedGenerate, EncodedScore, Generate, Prompt
from tests.settings import compose


def test_any_engine_argument_can_be_given() -> None:
    backend = compose("backend=vllm", "backend.engine_args.block_size=16", "backend.engine_args.hf_overrides={head_dtype: float32}").backend
    assert isinstance(backend, VllmConfig)
    assert backend.engine_args == {"block_size": 16, "hf_overrides": {"head_dtype": "float32"}}


def test_without_vllm_one_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'gemma-eval\[vllm\]', or make venv-vllm"):
        open_backend(VllmConfig(), Checkpoint(tmp_path, {}, 4096))


def test_replicas_have_devices_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [_gpus(replica, 2)["CUDA_VISIBLE_DEVICES"] for replica in range(2)] == ["0,1", "2,3"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6,7")
    assert _gpus(0, 2)["CUDA_VISIBLE_DEVICES"] == "4,6"
    with pytest.raises(ConfigError, match="replica 1 needs 2"):
        _gpus(1, 2)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2, 3})
    assert [_cores(replica, 2)["VLLM_CPU_OMP_THREADS_BIND"] for replica in range(2)] == ["0,2", "1,3"]


# -- an installed vLLM, as far as it is looked at ----------------------------------------------------------------


@dataclass
class EngineArgs:
    model: str
    dtype: str
    quantization: str | None
    worker_extension_cls: str
    max_model_len: int
    enable_prefix_caching: bool
    disable_log_stats: bool
    options: dict[str, Any] = field(default_factory=dict)


NAMES = EngineArgs.__dataclass_fields__.keys() - {"options"}


class Started:
    """An engine that vLLM has started. `layers`: what each of its workers reports."""

    def __init__(self, arguments: EngineArgs, layers: list[dict[str, int]]) -> None:
        self.arguments = arguments
        self.layers = layers
        self.ended = False
        self.vllm_config = SimpleNamespace(
            cache_config=SimpleNamespace(block_size=16),
            scheduler_config=SimpleNamespace(max_num_seqs=4),
            model_config=SimpleNamespace(quantization=arguments.quantization),
        )
        self.engine_core = SimpleNamespace(shutdown=lambda: setattr(self, "ended", True))

    def collective_rpc(self, method: str) -> list[dict[str, int]]:
        assert method == "gemma_eval_linear_layers"
        return self.layers


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Started]]:
    """Installs a vLLM that knows these quantizations, with workers that report these layers. The engines that it starts."""
    engines: list[Started] = []

    def installed(methods: Collection[str] = ("fp8", "fp8_per_tensor"), layers: list[dict[str, int]] | None = None) -> list[Started]:
        def from_engine_args(arguments: EngineArgs) -> Started:
            engines.append(Started(arguments, layers or []))
            return engines[-1]

        vllm = SimpleNamespace(
            __version__="0.99",
            EngineArgs=lambda **arguments: EngineArgs(**{name: arguments.pop(name) for name in NAMES}, options=arguments),
            SamplingParams=None,
            LLMEngine=SimpleNamespace(from_engine_args=from_engine_args),
        )
        monkeypatch.setattr(engine, "import_vllm", lambda: vllm)
        monkeypatch.setattr(backend, "import_vllm", lambda: vllm)
        monkeypatch.setattr(engine, "fields", lambda _: [SimpleNamespace(name="block_size")])
        monkeypatch.setattr(engine, "device_type", lambda: "cuda")
        monkeypatch.setattr(backend, "device_type", lambda: "cuda")
        monkeypatch.setattr(engine, "_quantization_methods", lambda: list(methods))
        monkeypatch.setattr(Capabilities, "probe", classmethod(lambda cls: cls(128, True)))
        monkeypatch.setattr(backend, "library", lambda chosen, name: None)
        monkeypatch.setattr(VllmBackend, "_ends", {1})
        return engines

    return installed


@pytest.fixture
def checkpoint(tmp_path: Path) -> Callable[[Quantization | None], Checkpoint]:
    """A checkpoint with a configuration alone, of which `weights=` promises this."""
    (tmp_path / "config.json").write_text('{"model_type": "gemma3_text"}')

    def promised(chosen: Quantization | None) -> Checkpoint:
        return Checkpoint(tmp_path, {"path": "x"}, 4096, None if chosen is None else Promise("its-name", chosen))

    return promised


# -- how weights are quantized ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "methods", "told"),
    [
        (Quantization.fp8, ["fp8"], "fp8"),
        (Quantization.fp8, ["fp8", "fp8_per_tensor"], "fp8_per_tensor"),  # "fp8" is then for checkpoints that are stored so
        (Quantization.bnb_nf4, ["bitsandbytes"], "bitsandbytes"),
        (Quantization.w8a8, ["compressed-tensors"], "compressed-tensors"),
        (Quantization.none, ["fp8"], None),
        (None, ["fp8"], None),
    ],
)
def test_the_engine_is_told_what_weights_promise(
    started: Any, checkpoint: Any, chosen: Quantization | None, methods: list[str], told: str | None
) -> None:
    started(methods)
    assert engine_arguments(VllmConfig(), checkpoint(chosen), 512)["quantization"] == told
    found = VllmBackend(VllmConfig(), checkpoint(chosen))
    assert found.fingerprint["quantization"] == told


def test_the_users_own_quantization_is_told_where_nothing_is_promised(started: Any, checkpoint: Any) -> None:
    started()
    settings = VllmConfig(quantization="awq")
    assert engine_arguments(settings, checkpoint(None), 512)["quantization"] == "awq"
    assert VllmBackend(settings, checkpoint(None)).fingerprint["quantization"] == "awq"


def test_a_quantization_that_the_installed_vllm_lacks_is_refused(started: Any, checkpoint: Any) -> None:
    started(["awq", "fp8"])
    with pytest.raises(ConfigError, match=r"weights=bnb_nf4: vLLM 0.99 does not offer the quantization bitsandbytes. It offers awq, fp8"):
        VllmBackend(VllmConfig(), checkpoint(Quantization.bnb_nf4))


@pytest.mark.parametrize(
    ("chosen", "layers", "kept"),
    [
        (Quantization.fp8, [{"quantized": 7}, {"quantized": 7}], True),
        (Quantization.fp8, [{UNQUANTIZED: 7}, {UNQUANTIZED: 7}], False),
        (Quantization.fp8, [{"quantized": 7}, {"quantized": 6, UNQUANTIZED: 1}], False),
        (Quantization.none, [{UNQUANTIZED: 14}], True),
        (Quantization.none, [{"quantized": 14}], False),
        (None, [{"quantized": 14}], True),  # a local checkpoint
    ],
)
def test_an_engine_that_breaks_the_promise_is_ended(
    started: Any, checkpoint: Any, chosen: Quantization | None, layers: list[dict[str, int]], kept: bool
) -> None:
    engines = started(layers=layers)
    if kept:
        Engine(VllmConfig(), checkpoint(chosen), 512, {1}, None)
    else:
        with pytest.raises(ConfigError, match=r"weights=its-name: promises .* backend=vllm has loaded "):
            Engine(VllmConfig(), checkpoint(chosen), 512, {1}, None)
    assert engines[0].ended is not kept


# -- when engines are started -----------------------------------------------------------------------------------


class Idle:
    """An engine that generates two tokens and ends each text at once."""

    max_in_flight = 4
    block = 16
    capabilities = Capabilities(128, True)

    def __init__(self, *arguments: Any) -> None:
        self._tags: list[str] = []

    def submit(self, tag: str, request: EngineRequest) -> None:
        assert isinstance(request, GenerateRequest)
        self._tags.append(tag)

    def step(self) -> Iterator[tuple[str, EngineReply]]:
        yield self._tags.pop(), EngineReply(cached=0, tokens=(7, 7))

    def reply(self, request: EngineRequest, output: EngineReply) -> EngineReply:
        return output

    def generated(self) -> int:
        return 0

    def abort(self, tags: Collection[str]) -> None: ...

    def close(self) -> None: ...


class Heard(Unwatched):
    """A watcher that keeps what it hears."""

    def __init__(self) -> None:
        self.phases: list[Phase] = []
        self.tokens: list[int] = []

    def phase(self, phase: Phase) -> None:
        self.phases.append(phase)

    def generated(self, tokens: int) -> None:
        self.tokens.append(tokens)


def text(length: int) -> EncodedGenerate:
    return EncodedGenerate(np.full(length, 5, dtype=np.int32), Generate(Prompt(("",)), (), 8, samples=2))


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_watcher_hears_of_each_start_and_of_tokens(started: Any, checkpoint: Any, monkeypatch: pytest.MonkeyPatch, replicas: int) -> None:
    started()
    monkeypatch.setattr(backend, "Engine", Idle)
    found = VllmBackend(VllmConfig(data_parallel_size=replicas), checkpoint(Quantization.none))
    found.__dict__["tokenizer"] = SimpleNamespace(decode=lambda ids, skip_special_tokens: "")
    heard = Heard()
    answers = [answer for length in (10, 20, 2000) for answer in found.answer([text(length)], heard)]
    assert heard.phases == ["loading", "generating", "generating", "loading", "generating"]
    assert sum(heard.tokens) == sum(answer.usage.generated for answer in answers) == 3 * 2 * 2


def test_a_new_engine_is_checked_anew(started: Any, checkpoint: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is another one: its block size, for one, may differ."""
    started()
    checked: list[Any] = []

    def self_checked(engine: Any, mode: ScoringMode, *rest: Any) -> ScoringMode:
        checked.append(engine)
        return replace(mode, share=False)

    monkeypatch.setattr(backend, "Engine", Idle)
    monkeypatch.setattr(backend, "self_checked", self_checked)
    monkeypatch.setattr(backend, "score_jobs", lambda *arguments: [])
    found = VllmBackend(VllmConfig(), checkpoint(Quantization.none))
    found.__dict__["tokenizer"] = None
    for length in (10, 20, 2000):
        sequence = np.full(length, 5, dtype=np.int32)
        list(found.answer([EncodedScore((sequence,), (length - 1,))]))
    assert len(checked) == 2 and checked[0] is not checked[1]
