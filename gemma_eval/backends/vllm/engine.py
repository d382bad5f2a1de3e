"""One vLLM engine: it is started, takes requests, and its outputs become replies."""

from __future__ import annotations

import importlib.util
import math
import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from inspect import signature
from typing import Any

from gemma_eval.backends.prefix_cache.messages import EngineReply, EngineRequest, GenerateRequest, NoAnswerError, Scored, ScoreRequest
from gemma_eval.backends.vllm.image_inputs import ImageInputs, check_attention
from gemma_eval.backends.vllm.worker import QUANTIZED, LayerReport
from gemma_eval.checkpoint.quantization import check_stored, engine_name
from gemma_eval.checkpoint.resolve import Checkpoint
from gemma_eval.errors import ConfigError
from gemma_eval.settings import Quantization, VllmConfig

OWN = {"model", "max_model_len", "enable_prefix_caching", "disable_log_stats", "data_parallel_size", "worker_extension_cls"}
NAMED = {
    "dtype", "tensor_parallel_size", "pipeline_parallel_size", "distributed_executor_backend", "gpu_memory_utilization",
    "quantization", "kv_cache_dtype", "enforce_eager", "seed",
}  # fmt: skip

MAX_IN_FLIGHT_WITH_IMAGES = 64  # requests with images hold their pixel values until the engine has read them


def import_vllm() -> Any:
    """The vLLM package. Raises `ConfigError` if it is not installed or cannot be imported."""
    if importlib.util.find_spec("vllm") is None:
        raise ConfigError(
            "backend=vllm needs vLLM, which is not installed here. It pins its own transformers, so give it an environment of its own: "
            "pip install 'gemma-eval[vllm]', or make venv-vllm for the CPU engine"
        )
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    try:
        import vllm
        from vllm import EngineArgs, LLMEngine, SamplingParams  # noqa: F401  vLLM imports its parts on first use
    except Exception as error:  # a build for another version of torch may raise anything
        raise ConfigError(f"backend=vllm: the installed vLLM cannot be imported ({type(error).__name__}: {error})") from error
    return vllm


def check_engine_args(settings: VllmConfig) -> None:
    """Raise `ConfigError` for engine arguments that the installed vLLM does not know, or that are settings of the backend."""
    known = {field.name for field in fields(import_vllm().EngineArgs)}
    for name in settings.engine_args:
        if name in NAMED or (name in OWN and hasattr(settings, name)):
            raise ConfigError(f"backend.engine_args.{name}: set backend.{name} instead")
        if name in OWN:
            raise ConfigError(f"backend.engine_args.{name}: set by gemma_eval")
        if name not in known:
            raise ConfigError(
                f"backend.engine_args.{name}: vLLM {import_vllm().__version__} has no such engine argument; its choices: "
                f"{', '.join(sorted(known - NAMED - OWN))}"
            )


def device_type() -> str:
    """The type of device that the installed vLLM is built for: "cuda", "cpu"."""
    import_vllm()
    from vllm.platforms import current_platform

    return str(current_platform.device_type)


@dataclass(frozen=True)
class Capabilities:
    """What the installed engine offers for scoring, by its sampling parameters rather than its version.

    `ids_per_request`: candidates for the next token in one request. `rows_through_cache`: prompt log-probabilities while it reads the
    prefix cache. (`prompt_logprob_token_ids` and `trace_decode_token_ids` are not used, since they say nothing of the likeliest token.)
    """

    ids_per_request: int
    rows_through_cache: bool

    @classmethod
    def probe(cls) -> Capabilities:
        """Look at the installed vLLM."""
        known = set(signature(import_vllm().SamplingParams).parameters)
        return cls(128 if "logprob_token_ids" in known else 1, "skip_reading_prefix_cache" in known)


class Engine:
    """One vLLM engine. See `CachingEngine` for the methods by which it is fed.

    `max_model_len`: tokens of the longest request. `ends`: ids that end a text. `images`: None for a model that reads text alone.
    `replica`: its number among the engines of this run. Raises `ConfigError` if vLLM does not start it, or if its weights are not stored as
    `weights=` promises.
    """

    def __init__(
        self,
        settings: VllmConfig,
        checkpoint: Checkpoint,
        max_model_len: int,
        ends: set[int],
        images: ImageInputs | None,
        replica: int = 0,
    ) -> None:
        vllm = import_vllm()
        self.capabilities = Capabilities.probe()
        self._params = vllm.SamplingParams
        self._ends = ends
        self._image_inputs = images
        arguments = engine_arguments(settings, checkpoint, max_model_len)
        with _environment(settings, replica):
            try:
                self._engine = vllm.LLMEngine.from_engine_args(vllm.EngineArgs(**arguments))
            except (ValueError, RuntimeError, ImportError, NotImplementedError) as error:
                why = f"{_first_lines(error)} {_unimportable(checkpoint)}".rstrip()
                raise ConfigError(f"backend=vllm: the engine refuses to start: {why}") from error
        self.block = int(self._engine.vllm_config.cache_config.block_size)
        self.max_in_flight = 2 * int(self._engine.vllm_config.scheduler_config.max_num_seqs)
        if images:
            self.max_in_flight = min(self.max_in_flight, MAX_IN_FLIGHT_WITH_IMAGES)
        try:
            self._check_layers(checkpoint)
        except ConfigError:
            self.close()
            raise

    def _check_layers(self, checkpoint: Checkpoint) -> None:
        if checkpoint.promise:
            checkpoint.promise.check_layers("vllm", self.stored_layers())
        elif stored := checkpoint.stored_quantization:
            check_stored(stored, checkpoint.name, self.stored_layers())

    def stored_layers(self) -> Counter[str]:
        """How many linear layers of the language model are stored in which way, by the names of `quantization.LOADERS`."""
        names = {QUANTIZED: str(self._engine.vllm_config.model_config.quantization)}
        layers: Counter[str] = Counter()
        for worker in self._engine.collective_rpc(LayerReport.gemma_eval_linear_layers.__name__):
            layers.update({names.get(how, how): count for how, count in worker.items()})
        return layers

    def submit(self, tag: str, request: EngineRequest) -> None:
        """Queue a request. Raises `NoAnswerError` if vLLM refuses it."""
        params = self._score_params(request) if isinstance(request, ScoreRequest) else self._generate_params(request)
        try:
            self._engine.add_request(tag, self._prompt(request), params)
        except ValueError as error:
            raise NoAnswerError(f"vLLM refuses a request of {len(request.prompt)} tokens: {_first_lines(error)}") from error

    def _prompt(self, request: EngineRequest) -> dict[str, Any]:
        if not request.images:
            return {"prompt_token_ids": request.prompt.tolist()}
        assert self._image_inputs
        return self._image_inputs.prompt(request.prompt, request.images)

    def check_images(self) -> None:
        """Raise `ConfigError` if the engine's attention cannot express images."""
        check_attention(self._engine.vllm_config.model_config, device_type(), import_vllm().__version__)

    def step(self) -> Iterator[tuple[str, Any]]:
        """Compute one batch. The outputs that it completed, with their tags."""
        for output in self._engine.step():
            if output.finished:
                yield output.request_id, output

    def reply(self, request: EngineRequest, output: Any) -> EngineReply:
        """A `RequestOutput` as a reply."""
        return read_scores(request, output) if isinstance(request, ScoreRequest) else read_text(output, self._ends)

    def generated(self) -> int:
        """Tokens so far of texts that have not ended. vLLM's detokenizer keeps them, so no step's output has to repeat them."""
        states = self._engine.output_processor.request_states.values()
        return sum(state.detokenizer.num_output_tokens() for state in states)

    def abort(self, tags: Collection[str]) -> None:
        """Drop these requests."""
        self._engine.abort_request(list(tags))

    def reset_prefix_cache(self) -> None:
        """Empty the prefix cache."""
        self._engine.reset_prefix_cache()

    def close(self) -> None:
        """End the engine and its processes."""
        core = getattr(self._engine, "engine_core", None)
        if core is not None:
            core.shutdown()

    def _score_params(self, request: ScoreRequest) -> Any:
        from vllm.sampling_params import RequestOutputKind

        options: dict[str, Any] = {"max_tokens": 1, "temperature": 0.0, "detokenize": False, "output_kind": RequestOutputKind.FINAL_ONLY}
        if self.capabilities.ids_per_request > 1:
            options["logprob_token_ids"] = list(request.ids)
        else:  # tells the log-probability of the only allowed token as it was before the others were masked
            options |= {"allowed_token_ids": list(request.ids), "logprobs": 1}
        if request.rows_from is not None:
            options["prompt_logprobs"] = 1  # the likeliest token too: ranks alone cannot tell ties
            options["flat_logprobs"] = True
        if self.capabilities.rows_through_cache:
            options["skip_reading_prefix_cache"] = request.fresh
        return self._params(**options)

    def _generate_params(self, request: GenerateRequest) -> Any:
        from vllm.sampling_params import RequestOutputKind

        settings = request.settings
        seed = settings.seed * 1_000_003 + request.sample if settings.temperature > 0 else None
        return self._params(
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            seed=seed,
            stop=list(settings.stop),
            stop_token_ids=sorted(self._ends),
            detokenize=bool(settings.stop),
            output_kind=RequestOutputKind.FINAL_ONLY,
        )


def quantization_argument(settings: VllmConfig, checkpoint: Checkpoint) -> str | None:
    """What the engine is told of quantization: what `weights=` promises, or else the user's own setting.

    Raises `ConfigError` if the installed vLLM cannot keep the promise.
    """
    if checkpoint.quantization is Quantization.none:
        return settings.quantization
    return engine_name(checkpoint.quantization, "vllm", _quantization_methods(), f"vLLM {import_vllm().__version__}")


def _quantization_methods() -> list[str]:
    """The quantizations that the installed vLLM knows."""
    import_vllm()
    from vllm.model_executor.layers.quantization import QUANTIZATION_METHODS

    return list(QUANTIZATION_METHODS)


def engine_arguments(settings: VllmConfig, checkpoint: Checkpoint, max_model_len: int) -> dict[str, Any]:
    """Arguments for `EngineArgs`: named settings, what `weights=` promises, what scoring through the cache needs, then the user's own."""
    known = {field.name for field in fields(import_vllm().EngineArgs)}
    arguments: dict[str, Any] = {name: getattr(settings, name) for name in NAMED} | {
        "dtype": settings.dtype.value,
        "quantization": quantization_argument(settings, checkpoint),
        "worker_extension_cls": f"{LayerReport.__module__}.{LayerReport.__name__}",
        "model": str(checkpoint.path),
        "max_model_len": max_model_len,
        "enable_prefix_caching": True,
        "disable_log_stats": True,
    }
    if "use_tqdm_on_load" in known:
        arguments["use_tqdm_on_load"] = False
    if "disable_chunked_mm_input" in known and checkpoint.reads_images:
        arguments["disable_chunked_mm_input"] = True  # the tokens of an image see each other, so they are computed together
    if "prefix_cache_retention_interval" in known:
        arguments["prefix_cache_retention_interval"] = None  # sliding layers keep every block, not only those at a prompt's end
    if device_type() == "cpu":
        arguments["block_size"] = 32  # with vLLM's 128, up to 127 tokens of each prompt are computed again
    return arguments | dict(settings.engine_args)


@contextmanager
def _environment(settings: VllmConfig, replica: int) -> Iterator[None]:
    """Sets the variables that an engine and its processes read when they start: kernels, and the devices of one replica."""
    devices = settings.tensor_parallel_size * settings.pipeline_parallel_size
    wanted = {"VLLM_BATCH_INVARIANT": "1"} if settings.batch_invariant else {}
    on_cpu = device_type() == "cpu"
    if settings.data_parallel_size > 1:
        wanted |= _cores(replica, settings.data_parallel_size) if on_cpu else _gpus(replica, devices)
    elif on_cpu and devices == 1:
        wanted.setdefault(
            "VLLM_ENABLE_V1_MULTIPROCESSING", os.environ.get("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        )  # there is no core for a second process
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _gpus(replica: int, devices: int) -> dict[str, str]:
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    visible = listed.split(",") if listed else [str(i) for i in range((replica + 1) * devices)]
    mine = visible[replica * devices : (replica + 1) * devices]
    if len(mine) < devices:
        raise ConfigError(f"backend.data_parallel_size: replica {replica} needs {devices} device(s); CUDA_VISIBLE_DEVICES has {listed}")
    return {"CUDA_VISIBLE_DEVICES": ",".join(mine)}


def _cores(replica: int, replicas: int) -> dict[str, str]:
    cores = sorted(os.sched_getaffinity(0))
    mine = cores[replica % len(cores) :: replicas]
    return {"VLLM_CPU_OMP_THREADS_BIND": ",".join(map(str, mine)), "VLLM_ENABLE_V1_MULTIPROCESSING": "1"}


def _unimportable(checkpoint: Checkpoint) -> str:
    """Why vLLM's class for this model cannot be imported, if it cannot. The engine's own error does not say."""
    from vllm.model_executor.models import ModelRegistry

    for name in set(checkpoint.config.get("architectures") or []) & set(ModelRegistry.models):
        try:
            ModelRegistry.models[name].load_model_cls()
        except Exception as error:  # importing a module may raise anything
            return f"({name} cannot be imported: {error})"
    return ""


# -- outputs ----------------------------------------------------------------------------------------------------


def read_scores(request: ScoreRequest, output: Any) -> EngineReply:
    """The output of a scoring request as a reply. What is not finite is passed on, so that its own request alone is refused.

    Rows count only if they lie beyond the cached tokens, name the token that stands there, and are finite; others are asked for again.
    """
    cached = int(output.num_cached_tokens or 0)
    candidates: Mapping[int, Any] = output.outputs[0].logprobs[0]
    top = max(entry.logprob for entry in candidates.values())
    chosen = {token: candidates[token].logprob for token in request.ids}
    return EngineReply(
        cached=cached,
        next={token: Scored(logprob, logprob >= top) for token, logprob in chosen.items()},
        rows=dict(_rows(request, output.prompt_logprobs, cached)) if request.rows_from is not None else {},
    )


def _rows(request: ScoreRequest, found: Any, cached: int) -> Iterator[tuple[int, Scored]]:
    """Log-probabilities of the prompt's own tokens, by position. Some versions leave cached rows out, so they are counted from the end."""
    assert request.rows_from is not None
    length = len(request.prompt)
    for position in range(max(request.rows_from, cached + 1), length):
        at = len(found) - (length - position)
        entry = (found[at] if at >= 0 else None) or {}
        scored = entry.get(int(request.prompt[position]))
        if scored is not None and math.isfinite(scored.logprob):
            yield position, Scored(scored.logprob, scored.logprob >= max(other.logprob for other in entry.values()))


def read_text(output: Any, ends: set[int]) -> EngineReply:
    """The output of a generation request as a reply. `ends`: ids that end a text and are no part of it."""
    tokens = tuple(output.outputs[0].token_ids)
    ended = bool(tokens) and tokens[-1] in ends
    return EngineReply(cached=int(output.num_cached_tokens or 0), tokens=tokens[:-1] if ended else tokens, ended=ended)


def _first_lines(error: Exception) -> str:
    return " ".join(str(error).split("\n")[:3])[:600]
