"""Model loading, budgets, and going on after out-of-memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

import torch
import transformers

from gemma_eval.backends.base import Answer, Draft
from gemma_eval.backends.image_processor import ImageProcessor, readable, why_unreadable
from gemma_eval.backends.transformers import full_prompt, generate, score
from gemma_eval.backends.transformers.allocator import give_back
from gemma_eval.backends.transformers.compiling import Compiler
from gemma_eval.backends.transformers.image_embeddings import ImageEmbeddings, ImageEncoder
from gemma_eval.backends.transformers.quantize import transformers_config
from gemma_eval.backends.transformers.sampling import GeneratedRow, answers, draft
from gemma_eval.backends.transformers.self_check import attends_both_ways, self_check
from gemma_eval.backends.transformers.tree_attention import TREE_ATTENTION
from gemma_eval.checkpoint.memory import cache_bytes, device_bytes
from gemma_eval.checkpoint.quantization import library
from gemma_eval.checkpoint.resolve import Checkpoint
from gemma_eval.errors import ConfigError, UnansweredError
from gemma_eval.plan.tree import number_images
from gemma_eval.runtime.processes import this
from gemma_eval.settings import Quantization, TransformersConfig
from gemma_eval.types import JSON, Encoded, EncodedGenerate, EncodedScore

log = logging.getLogger(__name__)

SMALLEST_BUDGET = 32  # tokens; out-of-memory below this is not a matter of batch size


class TransformersBackend:
    """Answers requests with a Hugging Face causal language model on CPU, one GPU, or several (accelerate's device map). Of several
    processes, each has a model and a GPU of its own."""

    def __init__(self, settings: TransformersConfig, checkpoint: Checkpoint) -> None:
        self._settings = settings
        self._checkpoint = checkpoint
        if threads := settings.threads or (this().cores if this().several else None):  # launchers set one thread for each process
            torch.set_num_threads(threads)

    @cached_property
    def tokenizer(self) -> Any:
        return transformers.AutoTokenizer.from_pretrained(self._checkpoint.path)

    @cached_property
    def device(self) -> torch.device:
        if self._settings.device != "auto":
            return torch.device(self._settings.device)
        if this().several:
            return this().device
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    @cached_property
    def fingerprint(self) -> dict[str, JSON]:
        return {
            "checkpoint": dict(self._checkpoint.identity),
            "dtype": self._settings.dtype.value,
            "engine": "transformers",
            "engine_version": transformers.__version__,
            "torch_version": torch.__version__,
            "attention": TREE_ATTENTION,
            "device": self.device.type,
            **({"quantization_library": self._library} if self._library else {}),
            **(self._image_processor.fingerprint if self._checkpoint.reads_images else {}),
        }

    @cached_property
    def model(self) -> Any:
        """The model, loaded on first use."""
        log.info("loading %s", self._checkpoint.path.name)
        transformers.utils.logging.disable_progress_bar()
        try:
            model = self._load(attn_implementation=TREE_ATTENTION)
        except ValueError:  # a model without replaceable attention; `_shares` finds out and says so
            model = self._load()
        return model.eval() if self._settings.device_map or self._quantized else model.eval().to(self.device)

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

    def _load(self, **arguments: Any) -> Any:
        if self._quantized:  # quantized weights cannot be moved afterwards
            arguments |= {"quantization_config": transformers_config(self._checkpoint.quantization), "device_map": {"": self.device}}
        if self._settings.device_map:
            arguments["device_map"] = self._settings.device_map
        auto = transformers.AutoModelForImageTextToText if self._checkpoint.reads_images else transformers.AutoModelForCausalLM
        return auto.from_pretrained(self._checkpoint.path, dtype=getattr(torch, self._settings.dtype.value), **arguments)

    @property
    def _quantized(self) -> bool:
        return self._checkpoint.quantization is not Quantization.none

    @cached_property
    def _library(self) -> str | None:
        return library(self._checkpoint.quantization, "transformers")

    def answer(self, requests: Sequence[Encoded]) -> Iterator[Answer]:
        scores = [i for i, request in enumerate(requests) if isinstance(request, EncodedScore)]
        generations = [i for i, request in enumerate(requests) if isinstance(request, EncodedGenerate)]
        found = chain(
            self._within_memory(requests, scores, self._score, self._settings.pass_tokens),
            self._within_memory(requests, generations, self._generate, self._cache_tokens()),
        )
        return readable(requests, found, self._unreadable)

    def stream(self, request: EncodedGenerate) -> Iterator[Draft]:
        """One text as it grows, token by token; the last draft is what `answer` gives."""
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

    def _generate(self, requests: list[Any], budget: int) -> Iterator[Answer]:
        return answers(self._grow(requests, budget, self._compiler))

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
        """Whether prefixes are shared: asked for, and the model's attention gives the same answer under a tree."""
        if not self._settings.share_prefixes:
            return False
        if reason := self_check(self.model):
            log.warning("%s: prefixes are not shared, every prompt is computed whole: %s", type(self.model).__name__, reason)
            return False
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
        """Run, and on out-of-memory run what is still unanswered with half the budget."""
        left = indices
        while left:
            answered: set[int] = set()
            try:
                for answer in run([requests[i] for i in left], budget):
                    answered.add(answer.index)
                    give_back()
                    yield Answer(left[answer.index], answer.response, answer.usage)
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if not _out_of_memory(error) or budget // 2 < SMALLEST_BUDGET:
                    raise
                budget //= 2
                log.warning("out of memory; going on with %d tokens at a time", budget)
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
            left = [index for position, index in enumerate(left) if position not in answered]

    def _cache_tokens(self) -> int:
        """Tokens in the key-value cache of one generation batch."""
        if self._settings.cache_tokens:
            return self._settings.cache_tokens
        text = self.model.config.get_text_config()
        per_token = cache_bytes(text, 1, dtype_bytes=self.model.dtype.itemsize, windowed=False)
        return max(1 << 12, self._cache_room() // per_token)

    def _cache_room(self) -> int:
        """Bytes for that cache. Of a CPU's memory not what is free but a fixed share, so that a run repeats the one before."""
        if self.device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(self.device)
            return free // 2
        _, total = device_bytes("cpu", several=False)
        return total // 16 // this().neighbours


def _out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "not enough memory" in str(error) or "can't allocate memory" in str(error)
