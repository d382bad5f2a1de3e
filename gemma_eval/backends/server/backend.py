"""The server backend: requests go to a server in prefix order, as token ids of the checkpoint's own tokenizer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import transformers

from gemma_eval.backends.base import UNWATCHED, Answer, Watcher
from gemma_eval.backends.prefix_cache.feed import feed
from gemma_eval.backends.prefix_cache.jobs import generate_jobs, score_jobs, self_checked
from gemma_eval.backends.prefix_cache.score import ScoringMode
from gemma_eval.backends.server.client import Client
from gemma_eval.backends.server.dialect import Dialect, ScoringDialect, scoring_dialect
from gemma_eval.backends.server.engine import ServerEngine
from gemma_eval.checkpoint.resolve import Checkpoint
from gemma_eval.errors import ConfigError, RunError
from gemma_eval.settings import ServerConfig
from gemma_eval.types import JSON, Encoded, EncodedGenerate, EncodedScore


class ServerBackend:
    """Answers requests with a server that someone else runs.

    The interface shows the name of the model, but neither its dtype nor how its weights are stored. What the settings say of these is
    recorded as stated, and `gemma-eval doctor` compares the answers with another backend's.
    """

    def __init__(self, settings: ServerConfig, checkpoint: Checkpoint) -> None:
        self._settings = settings
        self._checkpoint = checkpoint
        self._client = Client(settings)
        self._asked_before = False

    @cached_property
    def tokenizer(self) -> Any:
        """The checkpoint's tokenizer, which must be the server's."""
        return transformers.AutoTokenizer.from_pretrained(self._checkpoint.path)

    @cached_property
    def fingerprint(self) -> dict[str, JSON]:
        """What can change an answer, as far as the server or the settings tell. The URL is not part of it: a server may move."""
        return {
            "checkpoint": dict(self._checkpoint.identity),
            "dtype": self._settings.dtype.value,
            "quantization": "stated, not seen",
            "engine": "server",
            "engine_version": self._version,
            "served_model": self._model,
            "device": "server",
        }

    def answer(self, requests: Sequence[Encoded], watcher: Watcher = UNWATCHED) -> Iterator[Answer]:
        """Answers as the server gives them: scores first, then texts. It tells no tokens before a text is finished.

        Raises `ConfigError` if the server cannot answer requests of this kind, and `RunError` if it refuses one or stays away.
        """
        settings = self._settings
        if any(request.images for request in requests):
            raise ConfigError("backend=server sends no images; run image tasks with backend=vllm or transformers")
        if requests and not self._asked_before:
            watcher.phase("loading")
            self._asked_before = True
        if any(isinstance(request, EncodedScore) for request in requests):
            mode = self._scoring_mode
            watcher.phase("scoring")
            jobs = score_jobs(requests, mode, settings.dtype, settings.verify, settings.seed)
            yield from feed(ServerEngine(self._client, self._scoring_dialect), iter(jobs), watcher)
        if any(isinstance(request, EncodedGenerate) for request in requests):
            watcher.phase("generating")
            yield from feed(ServerEngine(self._client, Dialect(self._model)), iter(generate_jobs(requests, self.tokenizer)), watcher)

    @cached_property
    def _scoring_dialect(self) -> ScoringDialect:
        dialect = scoring_dialect(self._client, self._model, bos=self.tokenizer("")["input_ids"])
        if dialect is None:
            raise ConfigError(
                f"backend.url={self._settings.url}: this server does not return log-probabilities of given tokens (neither "
                "logprob_token_ids nor echo work), so it can only answer tasks that generate; score with backend=vllm or transformers"
            )
        return dialect

    @cached_property
    def _scoring_mode(self) -> ScoringMode:
        dialect = self._scoring_dialect
        return self_checked(ServerEngine(self._client, dialect), dialect.mode, self._settings.dtype, self.tokenizer)

    @cached_property
    def _model(self) -> str:
        """The server's name for the model. Raises `ConfigError`, which lists its models, if the choice is not clear."""
        listed = [str(model["id"]) for model in self._client.request("GET", "/models")["data"]]
        wanted = self._settings.served_model or (listed[0] if len(listed) == 1 else None)
        if wanted not in listed:
            raise ConfigError(f"backend.served_model={wanted}: the server offers {', '.join(listed)}")
        return str(wanted)

    @cached_property
    def _version(self) -> str:
        """What vLLM's `/version` says; "unknown" of other servers."""
        try:
            return str(self._client.request("GET", "/../version")["version"])
        except (RunError, KeyError):
            return "unknown"
