"""The server backend: requests go to a server in prefix order, as token ids of the checkpoint's own tokenizer."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from gemma_eval.backends.base import UNWATCHED, Answer, Watcher
from gemma_eval.backends.prefix_cache.feed import feed, one_after_the_other
from gemma_eval.backends.prefix_cache.jobs import generate_jobs, score_jobs, self_checked
from gemma_eval.backends.prefix_cache.messages import NoAnswerError
from gemma_eval.backends.prefix_cache.score import ScoringMode
from gemma_eval.backends.server import replies
from gemma_eval.backends.server.client import Client, RefusedError
from gemma_eval.backends.server.dialect import Dialect, ScoringDialect
from gemma_eval.backends.server.engine import ServerEngine
from gemma_eval.backends.server.probe import NEUTRAL, Probe
from gemma_eval.checkpoint.resolve import Checkpoint
from gemma_eval.errors import ConfigError, RunError
from gemma_eval.prompt.tokenizing import bos_ids
from gemma_eval.settings import ServerConfig
from gemma_eval.types import JSON, Encoded, EncodedGenerate, EncodedScore

log = logging.getLogger(__name__)


class ServerBackend:
    """Answers requests with a server that someone else runs.

    The interface shows the name of the model, but neither its dtype nor how its weights are stored. What the settings say of these is
    recorded as stated, and `gemma-eval doctor` compares the answers with another backend's.
    """

    def __init__(self, settings: ServerConfig, checkpoint: Checkpoint) -> None:
        self._settings = settings
        self._checkpoint = checkpoint
        self._client = Client(settings)

    @cached_property
    def tokenizer(self) -> Any:
        """The checkpoint's tokenizer, which must be the server's."""
        return self._checkpoint.tokenizer

    @cached_property
    def fingerprint(self) -> dict[str, JSON]:
        """What can change an answer, as far as the server or the settings tell. The URL is not part of it: a server may move."""
        model = self._model  # waits for the server, so that its version is known too
        return {
            "checkpoint": dict(self._checkpoint.identity),
            "dtype": self._settings.dtype.value,
            "quantization": "stated, not seen",
            "engine": "server",
            "engine_version": self._version,
            "served_model": model,
            "sampling": dict(NEUTRAL),  # as it is asked for; what of it the server refuses stands beside the answers
            "device": "server",
        }

    @property
    def sharing(self) -> str:
        """See `Backend`."""
        mode: ScoringMode | None = vars(self).get("_scoring_mode")
        return mode.sharing if mode else ""

    def load(self, requests: Sequence[Encoded], watcher: Watcher = UNWATCHED) -> None:
        """Reach the server, and find out whether it answers."""
        if requests and "_probe" not in vars(self):
            watcher.phase("loading")
            _ = self._probe

    def answer(self, requests: Sequence[Encoded], watcher: Watcher = UNWATCHED) -> Iterator[Answer]:
        """Answers as the server gives them: scores first, then texts. It tells no tokens before a text is finished.

        Raises `ConfigError` if the server cannot answer requests of this kind, `RunError` if it refuses all or stays away, and in the end
        `UnansweredError` for those that it does not answer.
        """
        if any(request.images for request in requests):
            raise ConfigError("backend=server sends no images; run image tasks with backend=vllm or transformers")
        self.load(requests, watcher)
        yield from one_after_the_other(self._parts(requests, watcher))

    def _parts(self, requests: Sequence[Encoded], watcher: Watcher) -> Iterator[Iterator[Answer]]:
        settings = self._settings
        if any(isinstance(request, EncodedScore) for request in requests):
            mode = self._scoring_mode
            watcher.phase("scoring")
            jobs = score_jobs(requests, mode, settings.dtype, settings.verify, settings.seed)
            yield feed(self._engine(self._scoring_dialect), iter(jobs), watcher)
        if any(isinstance(request, EncodedGenerate) for request in requests):
            dialect = replace(self._text_dialect, stop_limit=self._probe.stop_limit(_stop_strings(requests)))
            watcher.phase("generating")
            yield feed(self._engine(dialect), iter(generate_jobs(requests, self.tokenizer)), watcher)

    def _engine(self, dialect: Dialect) -> ServerEngine:
        return ServerEngine(self._client, dialect, small=self._plain.payload(self._probe.text))

    @cached_property
    def _plain(self) -> Dialect:
        def count(text: str) -> int:
            return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

        return Dialect(self._model, count, decode=lambda ids: str(self.tokenizer.decode(ids)))

    @cached_property
    def _probe(self) -> Probe:
        """Small requests to a server that has answered one."""
        probe = Probe(self._client, self._plain, bos=bos_ids(self.tokenizer))
        probe.contact()
        return probe

    @cached_property
    def _text_dialect(self) -> Dialect:
        return self._probe.text_dialect()

    @cached_property
    def _scoring_dialect(self) -> ScoringDialect:
        return self._probe.scoring_dialect()

    @cached_property
    def _scoring_mode(self) -> ScoringMode:
        dialect = self._scoring_dialect
        return self_checked(self._engine(dialect), dialect.mode, self._settings.dtype, self.tokenizer)

    @cached_property
    def _model(self) -> str:
        """The server's name for the model. Raises `ConfigError`, which lists its models, if the choice is not clear."""
        wanted = self._settings.served_model
        try:
            listed = [model.id for model in replies.read(replies.ModelList, self._client.request("GET", "/models")).data]
        except (NoAnswerError, RefusedError) as error:  # some servers have no list, or do not show it
            if isinstance(error, RefusedError) and error.status == 401:
                raise
            if wanted is None:
                raise ConfigError(f"backend.served_model: name the model, since the server does not list it ({error})") from error
            log.info("backend.served_model=%s is not checked: %s", wanted, error)
            return wanted
        if wanted is None and len(listed) == 1:
            return listed[0]
        if wanted not in listed:
            raise ConfigError(f"backend.served_model={wanted}: the server offers {', '.join(listed) or 'no model'}")
        return str(wanted)

    @cached_property
    def _version(self) -> str:
        """What vLLM's `/version` says; "unknown" of other servers."""
        try:
            return replies.read(replies.Version, self._client.request("GET", "/../version", attempts=3)).version
        except (NoAnswerError, RunError):
            return "unknown"


def _stop_strings(requests: Sequence[Encoded]) -> list[str]:
    return list(dict.fromkeys(string for request in requests if isinstance(request, EncodedGenerate) for string in request.request.stop))
