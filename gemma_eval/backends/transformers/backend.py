"""The transformers backend: the model is loaded once, and work goes on in smaller batches when memory runs out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import torch
import transformers

from gemma_eval.backends.base import UNWATCHED, Answer, Draft, Watcher
from gemma_eval.backends.image_processor import ImageProcessor, readable, why_unreadable
from gemma_eval.backends.possible import why_impossible
from gemma_eval.backends.self_check import SHARED, unshared
from gemma_eval.backends.transformers import full_prompt, generate, score
from gemma_eval.backends.transformers.allocator import trim_memory
from gemma_eval.backends.transformers.compiling import Compiler
from gemma_eval.backends.transformers.device import check_device
from gemma_eval.backends.transformers.image_embeddings import ImageEmbeddings, ImageEncoder
from gemma_eval.backends.transformers.load import load
from gemma_eval.backends.transformers.sampling import GeneratedRow, TokenCount, draft
from gemma_eval.backends.transformers.self_check import attends_both_ways, self_check
from gemma_eval.backends.transformers.tree_attention import TREE_ATTENTION
from gemma_eval.checkpoint.memory import cache_bytes, device_bytes
from gemma_eval.checkpoint.quantization import library
from gemma_eval.checkpoint.resolve import Checkpoint
from gemma_eval.errors import ConfigError, UnansweredError
from gemma_eval.plan.tree import number_images
from gemma_eval.runtime.processes import this
from gemma_eval.settings import TransformersConfig
from gemma_eval.types import JSON, Encoded, EncodedGenerate, EncodedScore

log = logging.getLogger(__name__)

SMALLEST_BUDGET = 32  # tokens; with fewer, batches are not what takes the memory


class TransformersBackend:
    """Answers requests with a Hugging Face causal language model on CPU, one GPU, or several (accelerate's device map).

    In a run of several processes, each has a model and a GPU of its own.
    """

    def __init__(self, settings: TransformersConfig, checkpoint: Checkpoint) -> None:
        self._settings = settings
        self._checkpoint = checkpoint
        self.sharing = ""
        if threads := settings.threads or (this().cores if this().several else None):  # launchers set one thread for each process
            torch.set_num_threads(threads)

    @cached_property
    def tokenizer(self) -> Any:
        """The checkpoint's tokenizer."""
        return self._checkpoint.tokenizer

    @cached_property
    def device(self) -> torch.device:
        """Where the model is, or its inputs if it is spread over several devices."""
        if self._settings.device != "auto":
            return torch.device(self._settings.device)
        if this().several:
            return this().device
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    @cached_property
    def fingerprint(self) -> dict[str, JSON]:
        """What can change an answer: checkpoint and quantization, dtype, versions, attention and type of device."""
        quantization_library = library(self._checkpoint.quantization, "transformers")
        return {
            "checkpoint": dict(self._checkpoint.identity),
            "dtype": self._settings.dtype.value,
            "engine": "transformers",
            "engine_version": transformers.__version__,
            "torch_version": torch.__version__,
            "attention": TREE_ATTENTION,
            "device": self.device.type,
            **({"quantization_library": quantization_library} if quantization_library else {}),
            **(self._image_processor.fingerprint if self._checkpoint.reads_images else {}),
        }

    @cached_property
    def model(self) -> Any:
        """The model, loaded on first use. Raises `ConfigError` if it cannot be, or if its weights are not what they are said to be."""
        check_device(self._settings)
        return load(self._checkpoint, self._settings, self.device)

    @cached_property
    def _image_processor(self) -> ImageProcessor:
        return ImageProcessor.of(self._checkpoint.path)

    @cached_property
    def _image_encoder(self) -> ImageEncoder:
        if not attends_both_ways(self.model):
            attention = self.model.config.get_text_config()._attn_implementation
            raise ConfigError(
                f"attention {attention!r} of transformers {transformers.__version__} lets the tokens of an image see only what stands "
                "before them, but Gemma 3's see each other: choose another in config.json, or another version of transformers"
            )
        return ImageEncoder(self.model, self._image_processor)

    def load(self, requests: Sequence[Encoded], watcher: Watcher = UNWATCHED) -> None:
        """Load the model, unless that is done."""
        if "model" not in vars(self):
            watcher.phase("loading")
            _ = self.model

    def answer(self, requests: Sequence[Encoded], watcher: Watcher = UNWATCHED) -> Iterator[Answer]:
        """Answers in the order of the prefix tree: scores first, then texts. Raises `UnansweredError` in the end for unreadable images."""
        return readable(requests, self._answers(requests, watcher), self._unreadable)

    def _answers(self, requests: Sequence[Encoded], watcher: Watcher) -> Iterator[Answer]:
        if not requests:
            return
        self.load(requests, watcher)
        if scores := [i for i, request in enumerate(requests) if isinstance(request, EncodedScore)]:
            watcher.phase("scoring")
            yield from self._within_memory(requests, scores, self._score, self._settings.pass_tokens)
        if generations := [i for i, request in enumerate(requests) if isinstance(request, EncodedGenerate)]:
            watcher.phase("generating")
            generate_texts = partial(self._generate, TokenCount(watcher))
            yield from self._within_memory(requests, generations, generate_texts, self._cache_tokens())

    def stream(self, request: EncodedGenerate) -> Iterator[Draft]:
        """One text while it is generated, a draft for each token. The last draft is the text that `answer` gives."""
        for row in self._grow([request], self._cache_tokens()):
            if why := why_unreadable(request, self._unreadable):
                raise UnansweredError({0: why})
            yield draft(row, self.tokenizer)

    @property
    def _unreadable(self) -> Mapping[str, str]:
        return self._image_processor.unreadable if self._checkpoint.reads_images else {}

    def _score(self, requests: list[Any], budget: int) -> Iterator[Answer]:
        requests, images = self._numbered(requests)
        if self._shares:
            return score.score(self.model, requests, budget, self._compiler, images)
        return full_prompt.score(self.model, requests, budget, images)

    def _generate(self, count: TokenCount, requests: list[Any], budget: int) -> Iterator[Answer]:
        return count.answers(self._grow(requests, budget, self._compiler))

    def _grow(self, requests: list[Any], budget: int, compiler: Compiler | None = None) -> Iterator[GeneratedRow]:
        requests, images = self._numbered(requests)
        if self._shares:
            return generate.grow(self.model, self.tokenizer, requests, min(budget, self._settings.pass_tokens), budget, compiler, images)
        return full_prompt.grow(self.model, self.tokenizer, requests, budget, images)

    def _numbered(self, requests: list[Any]) -> tuple[list[Any], ImageEmbeddings | None]:
        """The requests with an id for each distinct image, and the images by number."""
        requests, spans = number_images(requests)
        return requests, self._image_encoder.images(spans) if spans else None

    @cached_property
    def _shares(self) -> bool:
        """Whether prefixes are shared: the settings say so, and the model answers the same under tree attention as by itself."""
        if not self._settings.share_prefixes:
            self.sharing = unshared("backend.share_prefixes=false")
            return False
        if reason := self_check(self.model):
            self.sharing = unshared(reason)
            log.warning("%s: prefixes are not shared, and every full prompt is computed: %s", type(self.model).__name__, reason)
            return False
        self.sharing = SHARED
        return True

    @cached_property
    def _compiler(self) -> Compiler:
        return Compiler(self.model, self._settings.compile)

    def _within_memory(
        self,
        requests: Sequence[Encoded],
        indices: list[int],
        run: Callable[[list[Any], int], Iterator[Answer]],
        budget: int,
    ) -> Iterator[Answer]:
        """Answer the requests at `indices`. When memory runs out, those still unanswered are run again with half the budget of tokens."""
        left = indices
        broken: list[int] = []
        while left:
            answered: set[int] = set()
            try:
                for answer in run([requests[i] for i in left], budget):
                    answered.add(answer.index)
                    trim_memory()
                    answer = replace(answer, index=left[answer.index])
                    if len(left) > 1 and (answer.fault or why_impossible(requests[answer.index], answer.response)):
                        broken.append(answer.index)
                    else:
                        yield answer
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if not _out_of_memory(error) or budget // 2 < SMALLEST_BUDGET:
                    raise
                budget //= 2
                log.warning("out of memory; going on with %d tokens at a time", budget)
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
            left = [index for position, index in enumerate(left) if position not in answered]
        for index in broken:  # a NaN spreads through the pass that it stands in; by itself, each request shows whether it has one
            yield from self._within_memory(requests, [index], run, budget)

    def _cache_tokens(self) -> int:
        """Tokens in the key-value cache of one generation batch."""
        if self._settings.cache_tokens:
            return self._settings.cache_tokens
        text = self.model.config.get_text_config()
        per_token = cache_bytes(text, 1, dtype_bytes=self.model.dtype.itemsize, windowed=False)
        return max(1 << 12, self._cache_memory() // per_token)

    def _cache_memory(self) -> int:
        """Bytes for that cache: half of what is free on a GPU; on a CPU a fixed share of all memory, so that runs are repeatable."""
        if self.device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(self.device)
            return free // 2
        _, total = device_bytes("cpu", several=False)
        return total // 16 // this().neighbours


def _out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "not enough memory" in str(error) or "can't allocate memory" in str(error)
