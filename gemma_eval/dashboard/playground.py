"""One prompt to one model, through the harness's own settings, renderer and backend. It sends exactly what a run would send."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias, cast

from gemma_eval.backends.base import Draft
from gemma_eval.config.compose import compose
from gemma_eval.errors import PromptError
from gemma_eval.prompt.renderer import Renderer
from gemma_eval.run.model import Model, open_model, open_renderer
from gemma_eval.settings import RunConfig
from gemma_eval.types import EncodedGenerate, Generate, Image, Prompt, TokenIds

if TYPE_CHECKING:
    from gemma_eval.backends.transformers import TransformersBackend

ModelChoice: TypeAlias = tuple[str, str, str, str]
"""Model, variant, weights, and the path of a local checkpoint or an empty string."""


@dataclass(frozen=True)
class Question:
    """A prompt and the model that answers it. Images come before the text."""

    choice: ModelChoice
    text: str
    system: str = ""
    images: tuple[Image, ...] = ()
    max_tokens: int = 256
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Token:
    """A token as it was sent, or several equal ones in succession, such as the soft tokens of an image."""

    position: int
    id: int
    piece: str
    count: int


@dataclass(frozen=True)
class PlaygroundReply:
    """The answer so far, and the prompt's exact token ids."""

    sent: TokenIds
    tokens: list[Token]
    draft: Draft
    seconds: float

    @property
    def state(self) -> str:
        """Tokens sent and generated, tokens a second, and whether the answer goes on or why it ended."""
        ended = {None: "generating", "eos": "ended its turn", "stop": "stop string", "length": "truncated at max tokens"}[self.draft.finish]
        rate = self.draft.tokens / max(self.seconds, 1e-9)
        return f"{len(self.sent)} tokens sent; {self.draft.tokens} generated, {rate:.1f} a second; {ended}"


@dataclass
class Playground:
    """Keeps the model used last. It answers one question at a time; others wait."""

    _choice: ModelChoice | None = None
    _opened: tuple[Model, Renderer] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, question: Question) -> Iterator[PlaygroundReply]:
        """The reply as it grows. Raises `GemmaEvalError` if the model cannot be opened or the prompt cannot be sent."""
        with self._lock:
            model, renderer = self._model(question.choice)
            backend = cast("TransformersBackend", model.backend)  # as `_config` chooses
            encoded = _encoded(renderer, question)
            tokens = _tokens(backend.tokenizer, encoded.prompt)
            start = time.monotonic()
            yield PlaygroundReply(encoded.prompt, tokens, Draft("", 0, None), 0.0)
            for draft in backend.stream(encoded):
                yield PlaygroundReply(encoded.prompt, tokens, draft, time.monotonic() - start)

    def _model(self, choice: ModelChoice) -> tuple[Model, Renderer]:
        if self._opened is None or choice != self._choice:
            self._opened = self._choice = None  # the old weights go before the new ones come
            config = _config(choice)
            model = open_model(config)
            self._opened, self._choice = (model, open_renderer(config, model)), choice
        return self._opened


def _config(choice: ModelChoice) -> RunConfig:
    model, variant, weights, path = choice
    chosen = ["model=local", f"model.path={_quoted(path)}"] if path else [f"model={model}"]
    return compose([*chosen, f"variant={variant}", f"weights={weights}", "backend=transformers", "suite=piqa"])


def _quoted(path: str) -> str:
    """Any text, quoted for Hydra's grammar."""
    escaped = path.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _encoded(renderer: Renderer, question: Question) -> EncodedGenerate:
    prompt = Prompt((*question.images, question.text), system=question.system)
    request = Generate(prompt, stop=(), max_tokens=question.max_tokens, temperature=question.temperature, seed=question.seed)
    (encoded,) = renderer.encode([request])
    if isinstance(encoded, PromptError):
        raise encoded
    assert isinstance(encoded, EncodedGenerate)
    return encoded


def _tokens(tokenizer: object, ids: TokenIds) -> list[Token]:
    tokens, position = [], 0
    for token, run in groupby(map(int, ids)):
        count = len(list(run))
        tokens.append(Token(position, token, tokenizer.convert_ids_to_tokens(token), count))  # type: ignore[attr-defined]
        position += count
    return tokens
