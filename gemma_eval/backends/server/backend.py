"""Requests to a server in prefix order, as token ids; its tokenizer is the checkpoint's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import transformers

from gemma_eval.backends.base import Answer
from gemma_eval.backends.prefix_cache.feed import feed
from gemma_eval.backends.prefix_cache.jobs import checkpoint_ends, generate_jobs, score_jobs, trusted
from gemma_eval.backends.prefix_cache.score import ScoringMode
from gemma_eval.backends.server.client import Client
from gemma_eval.backends.server.dialect import Dialect, scoring_dialect
from gemma_eval.checkpoint.resolve import Checkpoint
from gemma_eval.errors import ConfigError, RunError
from gemma_eval.settings import ServerConfig
from gemma_eval.types import JSON, Encoded, EncodedScore


class ServerBackend:
    """Answers requests with a server that someone else runs. What it serves is taken on trust: `gemma-eval doctor` checks it."""

    def __init__(self, settings: ServerConfig, checkpoint: Checkpoint) -> None:
        self._settings = settings
        self._checkpoint = checkpoint
        self._client = Client(settings)

    @cached_property
    def tokenizer(self) -> Any:
        return transformers.AutoTokenizer.from_pretrained(self._checkpoint.path)

    @cached_property
    def fingerprint(self) -> dict[str, JSON]:
        """The URL is not part of it: a server may move."""
        return {
            "checkpoint": dict(self._checkpoint.identity),
            "dtype": self._settings.dtype.value,
            "engine": "server",
            "engine_version": self._version,
            "served_model": self._model,
            "device": "server",
        }

    def answer(self, requests: Sequence[Encoded]) -> Iterator[Answer]:
        settings = self._settings
        if any(request.images for request in requests):
            raise ConfigError("backend=server sends no images; run image tasks with backend=vllm or transformers")
        if any(isinstance(request, EncodedScore) for request in requests):
            mode = self._scoring_mode
            yield from feed(self._client, iter(score_jobs(requests, mode, settings.dtype, settings.verify, settings.seed)))
        self._speak(Dialect(self._model))
        yield from feed(self._client, iter(generate_jobs(requests, self.tokenizer, checkpoint_ends(self._checkpoint, self.tokenizer))))

    def _speak(self, dialect: Dialect) -> None:
        self._client.payload, self._client.reply = dialect.payload, dialect.reply

    @cached_property
    def _scoring_mode(self) -> ScoringMode:
        bos = self.tokenizer("")["input_ids"]
        dialect = scoring_dialect(self._client, self._model, bos)
        if dialect is None:
            raise ConfigError(
                f"backend.url={self._settings.url}: this server does not return log-probabilities of given tokens (neither "
                "logprob_token_ids nor echo work), so it can only answer tasks that generate; score with backend=vllm or transformers"
            )
        self._speak(dialect)
        return trusted(self._client, dialect.mode, self._settings.dtype, self.tokenizer)

    @cached_property
    def _model(self) -> str:
        listed = [str(model["id"]) for model in self._client.request("GET", "/models")["data"]]
        wanted = self._settings.served_model or (listed[0] if len(listed) == 1 else None)
        if wanted not in listed:
            raise ConfigError(f"backend.served_model={wanted}: the server offers {', '.join(listed)}")
        return str(wanted)

    @cached_property
    def _version(self) -> str:
        """vLLM's `/version`, or unknown."""
        try:
            return str(self._client.request("GET", "/../version")["version"])
        except (RunError, KeyError):
            return "unknown"
