"""Requests in prefix order, a window of them in flight, answers as they complete."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import transformers

from gemma_eval.backends.asking.ask import Job
from gemma_eval.backends.asking.check import Checked, chosen
from gemma_eval.backends.asking.feed import feed
from gemma_eval.backends.asking.generate import GenerateJob
from gemma_eval.backends.asking.replicas import feed_all
from gemma_eval.backends.asking.score import ScoreJob, Way
from gemma_eval.backends.base import Answer
from gemma_eval.backends.self_check import difference, small_requests
from gemma_eval.backends.vllm.engine import Engine, check_engine_args, device_type, import_vllm
from gemma_eval.checkpoint import Checkpoint
from gemma_eval.plan import build_tree
from gemma_eval.settings import VllmConfig
from gemma_eval.types import JSON, Encoded, EncodedGenerate, EncodedScore

log = logging.getLogger(__name__)

SIZES = {"kv_cache_memory_bytes", "max_num_seqs", "max_num_batched_tokens"}  # engine arguments that cost memory and time alone
ROUND = 1024  # the engine's longest request is a multiple of this, so that a few longer ones need no new engine


class VllmBackend:
    """Answers requests with vLLM, on GPUs or with its CPU build; over several devices and nodes with vLLM's own parallelism."""

    def __init__(self, settings: VllmConfig, checkpoint: Checkpoint) -> None:
        check_engine_args(settings)
        self._settings = settings
        self._checkpoint = checkpoint
        self._engines: list[Engine] = []
        self._longest = 0

    @cached_property
    def tokenizer(self) -> Any:
        return transformers.AutoTokenizer.from_pretrained(self._checkpoint.path)

    @cached_property
    def fingerprint(self) -> dict[str, JSON]:
        """Parallelism and memory are not part of it: they change an answer by no more than the dtype's noise."""
        return {
            "checkpoint": dict(self._checkpoint.identity),
            "dtype": self._settings.dtype.value,
            "quantization": self._settings.quantization,
            "kv_cache_dtype": self._settings.kv_cache_dtype,
            "engine": "vllm",
            "engine_version": str(import_vllm().__version__),
            "attention": str(self._settings.engine_args.get("attention_backend", "vLLM's choice")),
            "batch_invariant": self._settings.batch_invariant,
            "engine_args": {name: value for name, value in self._settings.engine_args.items() if name not in SIZES},
            "device": device_type(),
        }

    def answer(self, requests: Sequence[Encoded]) -> Iterator[Answer]:
        if not requests:
            return
        self._open(max(map(_tokens, requests)))
        scores = [i for i, request in enumerate(requests) if isinstance(request, EncodedScore)]
        texts = [i for i, request in enumerate(requests) if isinstance(request, EncodedGenerate)]
        checked = chosen(scores, self._settings.verify, self._settings.seed)
        for indices in (scores, texts):
            jobs = [self._job(i, requests[i], seen, i in checked) for i, seen in _in_prefix_order(requests, indices)]
            yield from feed(self._engines[0], iter(jobs)) if len(self._engines) == 1 else feed_all(self._engines, jobs)

    def close(self) -> None:
        for engine in self._engines:
            engine.close()
        self._engines = []

    def forget(self) -> None:
        """Empty the prefix caches, as a measurement needs it."""
        for engine in self._engines:
            engine.forget()

    def _job(self, index: int, request: Encoded, seen: int, checked: bool) -> Job:
        if isinstance(request, EncodedGenerate):
            return GenerateJob(index, request, self.tokenizer, self._ends)
        job = ScoreJob(index, request, self._way(self._shares), seen)
        return Checked(job, ScoreJob(index, request, self._way(share=False)), self._settings.dtype) if checked else job

    def _way(self, share: bool) -> Way:
        capabilities = self._engines[0].capabilities
        return Way(share, capabilities.ids_per_ask, capabilities.rows_through_cache, self._engines[0].block)

    def _open(self, longest: int) -> None:
        """Engines that take requests of `longest` tokens: as long as the run needs, so that memory goes to the cache."""
        if self._engines and longest <= self._longest:
            return
        self.close()
        needed = -(-longest // ROUND) * ROUND
        self._longest = self._settings.max_model_len or min(needed, max(longest, self._checkpoint.context_length))
        log.info("starting vLLM %s on %s for requests of up to %d tokens", import_vllm().__version__, device_type(), self._longest)
        for replica in range(self._settings.data_parallel_size):
            self._engines.append(Engine(self._settings, self._checkpoint, self._longest, self._ends, replica))
        self.__dict__.pop("_shares", None)

    @cached_property
    def _shares(self) -> bool:
        """Whether scoring goes through the prefix cache: asked for, and this engine gives the same answer both ways."""
        if not self._settings.share_prefixes:
            return False
        requests = small_requests(len(self.tokenizer) // 2, exemplars=100)
        cached, plain = ([answer.response for answer in self._checked_with(requests, share)] for share in (True, False))
        if reason := difference(cached, plain, self._settings.dtype.value):
            log.warning("vLLM's prefix cache is not used for scoring, every prompt is computed whole: %s", reason)
            return False
        return True

    def _checked_with(self, requests: list[EncodedScore], share: bool) -> list[Answer]:
        jobs = (ScoreJob(i, request, self._way(share)) for i, request in enumerate(requests))
        return sorted(feed(self._engines[0], jobs), key=lambda answer: answer.index)

    @cached_property
    def _ends(self) -> set[int]:
        """Ids that end a text: the tokenizer's, and those of the generation config (`<end_of_turn>` of IT models)."""
        try:
            configured = transformers.GenerationConfig.from_pretrained(self._checkpoint.path).eos_token_id
        except OSError:
            configured = None
        ends = {self.tokenizer.eos_token_id, *(configured if isinstance(configured, list) else [configured])}
        return ends - {None}


def _tokens(request: Encoded) -> int:
    """Tokens that the engine has to have room for: the last scored token is predicted, never read."""
    if isinstance(request, EncodedScore):
        return max(len(sequence) for sequence in request.sequences)
    return len(request.prompt) + request.request.max_tokens


def _in_prefix_order(requests: Sequence[Encoded], indices: list[int]) -> list[tuple[int, int]]:
    """Neighbours share the longest prefixes, so that the cache still has them. With each, the tokens shared with those before."""
    tree = build_tree([requests[i].prompt for i in indices])
    return [(indices[at], tree.shared[at]) for at in tree.order]
