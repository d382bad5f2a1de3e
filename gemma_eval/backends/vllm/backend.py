"""The vLLM backend: requests go to one or several engines in prefix order, and answers leave as they complete."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from gemma_eval.backends.base import UNWATCHED, Answer, Watcher
from gemma_eval.backends.image_processor import ImageProcessor, readable
from gemma_eval.backends.prefix_cache.feed import feed, one_after_the_other
from gemma_eval.backends.prefix_cache.jobs import checkpoint_ends, generate_jobs, score_jobs, self_checked
from gemma_eval.backends.prefix_cache.messages import Job
from gemma_eval.backends.prefix_cache.replicas import feed_all
from gemma_eval.backends.prefix_cache.score import ScoringMode
from gemma_eval.backends.vllm.engine import Engine, check_engine_args, device_type, import_vllm, quantization_argument
from gemma_eval.backends.vllm.image_inputs import ImageInputs
from gemma_eval.checkpoint.quantization import library
from gemma_eval.checkpoint.resolve import Checkpoint
from gemma_eval.settings import VllmConfig
from gemma_eval.types import JSON, Encoded, EncodedGenerate, EncodedScore

log = logging.getLogger(__name__)

SIZES = {"kv_cache_memory_bytes", "max_num_seqs", "max_num_batched_tokens"}  # engine arguments that cost memory and time alone
ROUND = 1024  # the engine's longest request is a multiple of this, so that a few longer ones need no new engine


class VllmBackend:
    """Answers requests with vLLM, on GPUs or with its CPU build; over several devices and nodes with vLLM's own parallelism.

    Raises `ConfigError` if vLLM is not installed, or does not know the engine arguments or the quantization that it would be told.
    """

    def __init__(self, settings: VllmConfig, checkpoint: Checkpoint) -> None:
        check_engine_args(settings)
        self._settings = settings
        self._checkpoint = checkpoint
        self._quantization = quantization_argument(settings, checkpoint)
        self._engines: list[Engine] = []
        self._longest = 0

    @cached_property
    def tokenizer(self) -> Any:
        """The checkpoint's tokenizer."""
        return self._checkpoint.tokenizer

    @cached_property
    def fingerprint(self) -> dict[str, JSON]:
        """What can change an answer. Not parallelism and memory: they change it by no more than the dtype's noise."""
        quantization_library = library(self._checkpoint.quantization, "vllm")
        return {
            "checkpoint": dict(self._checkpoint.identity),
            "dtype": self._settings.dtype.value,
            "quantization": self._quantization,
            "kv_cache_dtype": self._settings.kv_cache_dtype,
            "engine": "vllm",
            "engine_version": str(import_vllm().__version__),
            "attention": str(self._settings.engine_args.get("attention_backend", "vLLM's choice")),
            "batch_invariant": self._settings.batch_invariant,
            "engine_args": {name: value for name, value in self._settings.engine_args.items() if name not in SIZES},
            "device": device_type(),
            **({"quantization_library": quantization_library} if quantization_library else {}),
            **(self._image_processor.fingerprint if self._image_processor else {}),
        }

    @property
    def sharing(self) -> str:
        """See `Backend`."""
        mode: ScoringMode | None = vars(self).get("_scoring_mode")
        return mode.sharing if mode else ""

    def load(self, requests: Sequence[Encoded], watcher: Watcher = UNWATCHED) -> None:
        """Start engines for the longest of these requests, unless there are."""
        if requests:
            self._open(max(request.tokens_needed for request in requests), watcher)

    def answer(self, requests: Sequence[Encoded], watcher: Watcher = UNWATCHED) -> Iterator[Answer]:
        """Answers as the engines complete them: scores first, then texts.

        Raises `ConfigError` if an engine cannot be started, has not loaded the weights that `weights=` promises, or cannot read images;
        `UnansweredError` in the end for images that cannot be decoded.
        """
        if not requests:
            return
        self.load(requests, watcher)
        if any(request.images for request in requests):
            self._engines[0].check_images()
        answers = one_after_the_other(self._parts(requests, watcher))
        yield from readable(requests, answers, self._image_processor.unreadable if self._image_processor else {})

    def _parts(self, requests: Sequence[Encoded], watcher: Watcher) -> Iterator[Iterator[Answer]]:
        settings = self._settings
        if any(isinstance(request, EncodedScore) for request in requests):
            mode = self._scoring_mode
            watcher.phase("scoring")
            yield self._run(score_jobs(requests, mode, settings.dtype, settings.verify, settings.seed), watcher)
        if any(isinstance(request, EncodedGenerate) for request in requests):
            watcher.phase("generating")
            yield self._run(generate_jobs(requests, self.tokenizer), watcher)

    def _run(self, jobs: list[Job], watcher: Watcher) -> Iterator[Answer]:
        return feed(self._engines[0], iter(jobs), watcher) if len(self._engines) == 1 else feed_all(self._engines, jobs, watcher)

    def close(self) -> None:
        """End the engines and their processes."""
        for engine in self._engines:
            engine.close()
        self._engines = []

    def reset_prefix_cache(self) -> None:
        """Empty the engines' prefix caches, for a measurement."""
        for engine in self._engines:
            engine.reset_prefix_cache()

    def _open(self, longest: int, watcher: Watcher) -> None:
        """Engines for requests of `longest` tokens. They take no longer ones than the run needs, so that memory goes to the cache."""
        if self._engines and longest <= self._longest:
            return
        self.close()
        watcher.phase("loading")
        needed = -(-longest // ROUND) * ROUND
        self._longest = self._settings.max_model_len or min(needed, max(longest, self._checkpoint.context_length))
        version = import_vllm().__version__
        log.info(
            "starting vLLM %s on %s with %s, for requests of up to %d tokens", version, device_type(), self._checkpoint.name, self._longest
        )
        for replica in range(self._settings.data_parallel_size):
            images = ImageInputs(self._image_processor) if self._image_processor else None
            self._engines.append(Engine(self._settings, self._checkpoint, self._longest, self._ends, images, replica))
        vars(self).pop("_scoring_mode", None)  # a new engine is checked anew

    @cached_property
    def _image_processor(self) -> ImageProcessor | None:
        """None for a model that reads text alone."""
        return ImageProcessor.of(self._checkpoint.path) if self._checkpoint.reads_images else None

    @cached_property
    def _scoring_mode(self) -> ScoringMode:
        """How the engines are asked for scores: through the prefix cache, if the settings say so and it gives the same answers."""
        engine = self._engines[0]
        mode = ScoringMode(
            self._settings.share_prefixes, engine.capabilities.ids_per_request, engine.capabilities.rows_through_cache, engine.block
        )
        return self_checked(engine, mode, self._settings.dtype, self.tokenizer)

    @cached_property
    def _ends(self) -> set[int]:
        return checkpoint_ends(self._checkpoint, self.tokenizer)
