"""Prompts become token ids. The only place that knows BOS.

Invariant: every encoded request begins with the tokenizer's BOS exactly once (id 2 for Gemma), whatever the text says
and whatever a chat template adds. A missing or doubled BOS is the commonest reason why Gemma scores do not reproduce.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from gemma_eval.errors import PromptError
from gemma_eval.types import Continuation, Encoded, EncodedGenerate, EncodedScore, Generate, Image, Parts, Prompt, Request, TokenIds

_BRACKETED = re.compile(r"<[^<>]*>|\[[^\[\]]*\]")  # what nearly all control tokens look like


class Renderer:
    """Encodes requests for one tokenizer.

    `chat` puts the prompt into the model's chat template as one user turn. Text from data sets never becomes a special
    token: "<bos>" in a question is encoded as the characters it is.
    """

    def __init__(self, tokenizer: Any, *, context_length: int, chat: bool = False) -> None:
        self._tokenizer = tokenizer
        self._context_length = context_length
        self._chat = chat
        self._bos: list[int] = _leading_ids(tokenizer)
        self._pieces = _Pieces.of(tokenizer)
        self._control = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
        if chat and not getattr(tokenizer, "chat_template", None):
            raise PromptError("variant=it needs a chat template, and this checkpoint's tokenizer has none; use variant=pt")

    @property
    def bos(self) -> list[int]:
        """What the tokenizer puts before any text: [2] for Gemma, nothing for models without BOS."""
        return self._bos

    @property
    def context_length(self) -> int:
        return self._context_length

    def tokens(self, prompt: Prompt) -> int:
        """How many tokens the model reads of a prompt."""
        text = self._text(prompt)
        return len(self._with_bos(_encode(self._tokenizer, [text], split_special_tokens=not self._chat)[0]))

    def encode(self, requests: Sequence[Request]) -> list[Encoded | PromptError]:
        """Token ids of each request. A prompt too long for the context drops its last exemplars, whole, until it fits.

        A request that cannot be sent (too long even without exemplars, images) has its `PromptError` in its place.
        """
        return list(chain.from_iterable(map(self._encode_batch, _batches(requests))))

    def _encode_batch(self, requests: Sequence[Request]) -> list[Encoded | PromptError]:
        texts: dict[str, int] = {}
        jobs = [self._texts_or_error(request) for request in requests]
        for job in jobs:
            if not isinstance(job, PromptError):
                for text in job:
                    texts.setdefault(text, len(texts))
        ids = self._ids(list(texts))
        return [
            job if isinstance(job, PromptError) else self._fitted(request, [ids[texts[text]] for text in job])
            for request, job in zip(requests, jobs, strict=True)
        ]

    def _texts_or_error(self, request: Request) -> list[str] | PromptError:
        try:
            return self._texts(request)
        except PromptError as error:
            return error

    def _fitted(self, request: Request, ids: list[list[int]]) -> Encoded | PromptError:
        try:
            encoded = self._assemble(request, ids)
            return encoded if self._excess(request, encoded) <= 0 else self._shorten(request)
        except PromptError as error:
            return error

    def _shorten(self, request: Request) -> Encoded:
        shots = request.prompt.shots
        excess = 0
        for kept in range(len(shots), -1, -1):
            shorter = replace(request, prompt=replace(request.prompt, shots=shots[:kept]))
            encoded = self._assemble(shorter, self._ids(self._texts(shorter)))
            excess = self._excess(shorter, encoded)
            if excess <= 0:
                return replace(encoded, dropped_shots=len(shots) - kept)
        raise PromptError(f"prompt is {excess} tokens too long for a context of {self._context_length}, even without exemplars")

    def _excess(self, request: Request, encoded: Encoded) -> int:
        """Tokens beyond the context. The last token of a continuation is predicted, never read."""
        if isinstance(encoded, EncodedScore):
            return max(len(sequence) for sequence in encoded.sequences) - 1 - self._context_length
        assert isinstance(request, Generate)
        return len(encoded.prompt) + request.max_tokens - self._context_length

    def _texts(self, request: Request) -> list[str]:
        text = self._text(request.prompt)
        if isinstance(request, Generate):
            return [text]
        pairs = [_split_spaces(text, continuation, self._chat) for continuation in request.continuations]
        return [side for context, scored in pairs for side in (context, context + scored)]

    def _assemble(self, request: Request, ids: list[list[int]]) -> Encoded:
        if isinstance(request, Generate):
            return EncodedGenerate(self._with_bos(ids[0]), request)
        sequences = [self._with_bos(whole) for whole in ids[1::2]]
        starts = [len(context) + len(self._bos) for context in ids[0::2]]
        for sequence, start, continuation in zip(sequences, starts, request.continuations, strict=True):
            if not 0 < start < len(sequence):
                raise PromptError(f"the continuation {continuation.text!r} has no token of its own after this prompt")
        return EncodedScore(tuple(sequences), tuple(starts))

    def _text(self, prompt: Prompt) -> str:
        text = "".join(_texts_only(prompt.parts))
        if not self._chat:
            return text
        self._refuse_control_tokens(text)
        turn = [{"role": "user", "content": "".join(_texts_only(prompt.asked))}]
        rendered: str = self._tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
        if self._bos:  # `_with_bos` adds it, as an id
            rendered = rendered.removeprefix(self._tokenizer.bos_token)
        return rendered + prompt.reply

    def _refuse_control_tokens(self, text: str) -> None:
        odd = (token for token in self._control if not _BRACKETED.fullmatch(token))
        found = self._control.intersection(_BRACKETED.findall(text)) or {token for token in odd if token in text}
        if found:
            raise PromptError(f"the prompt holds the control token {min(found)!r} as text, which a chat template cannot carry safely")

    def _ids(self, texts: list[str]) -> list[list[int]]:
        if self._pieces and not self._chat:
            return self._pieces.encode(texts)
        # A chat template's markers are control tokens; plain text has none.
        return _encode(self._tokenizer, texts, split_special_tokens=not self._chat)

    def _with_bos(self, ids: list[int]) -> TokenIds:
        if self._bos and self._bos[0] in ids:
            raise PromptError("BOS would stand inside the prompt")
        return np.asarray(self._bos + ids, dtype=np.int32)


def _batches(requests: Sequence[Request], characters: int = 2**25) -> Iterator[Sequence[Request]]:
    """Runs of requests: what a tokenizer returns takes dozens of bytes a token, until it is packed."""
    start, size = 0, 0
    for end, request in enumerate(requests, 1):
        size += sum(len(part) for part in request.prompt.parts if isinstance(part, str))
        if size >= characters or end == len(requests):
            yield requests[start:end]
            start, size = end, 0


def _encode(tokenizer: Any, texts: list[str], split_special_tokens: bool = True) -> list[list[int]]:
    if not texts:
        return []
    encoded = tokenizer(texts, add_special_tokens=False, split_special_tokens=split_special_tokens)
    return encoded["input_ids"]  # type: ignore[no-any-return]


class _Pieces:
    """Encodes texts line by line, each distinct line once: exemplars stand in thousands of prompts.

    Exact where runs of newlines are added tokens, as in Gemma's vocabulary: the tokenizer itself cuts a text there before anything
    else. Each call also encodes some texts whole, and all of them if a single one differs.
    """

    CHECKED = 32  # texts a call
    LONGEST = 10_000  # characters of a line worth remembering

    def __init__(self, tokenizer: Any, longest_run: int) -> None:
        self._tokenizer = tokenizer
        self._pattern = re.compile(rf"\n{{1,{longest_run}}}|[^\n]+")
        self._known: dict[str, list[int]] = {}
        self._trusted = True

    @classmethod
    def of(cls, tokenizer: Any) -> _Pieces | None:
        """None for a tokenizer that does not cut at newlines."""
        runs = {token.content for token in tokenizer.added_tokens_decoder.values() if not token.content.strip("\n") and not token.special}
        longest = next((n - 1 for n in range(1, 99) if "\n" * n not in runs), 0)
        return cls(tokenizer, longest) if longest else None

    def encode(self, texts: list[str]) -> list[list[int]]:
        if not self._trusted:
            return _encode(self._tokenizer, texts)
        pieces = [self._pattern.findall(text) for text in texts]
        new = [piece for piece in dict.fromkeys(chain.from_iterable(pieces)) if piece not in self._known]
        found = dict(zip(new, _encode(self._tokenizer, new), strict=True))
        known = ChainMap(found, self._known) if found else self._known
        joined = [list(chain.from_iterable(map(known.__getitem__, parts))) for parts in pieces]
        self._known.update((piece, ids) for piece, ids in found.items() if len(piece) <= self.LONGEST)
        some = range(0, len(texts), max(1, len(texts) // self.CHECKED))
        if _encode(self._tokenizer, [texts[i] for i in some]) != [joined[i] for i in some]:
            self._trusted = False
            return _encode(self._tokenizer, texts)
        return joined


def _leading_ids(tokenizer: Any) -> list[int]:
    """The ids that the tokenizer puts before a text by default, found by looking (flags such as add_bos_token are often stale)."""
    text = "a"
    plain = tokenizer(text, add_special_tokens=False)["input_ids"]
    full = tokenizer(text)["input_ids"]
    leading: list[int] = full[: full.index(plain[0])] if plain[0] in full else []
    if len(leading) > 1:
        raise PromptError(f"the tokenizer puts {len(leading)} tokens before a text; one BOS, or none, is expected")
    return leading


def _split_spaces(text: str, continuation: Continuation, chat: bool) -> tuple[str, str]:
    """Context and scored text. Spaces at the context's end move to the scored side, where their token belongs (lm-eval's rule)."""
    context = text + continuation.given
    scored = continuation.text
    if chat:  # a model's turn begins with the answer itself
        return context, scored if continuation.given else scored.lstrip(" ")
    stripped = context.rstrip()
    return stripped, context[len(stripped) :] + scored


def _texts_only(parts: Parts) -> Iterable[str]:
    for part in parts:
        if isinstance(part, Image):
            raise PromptError("the prompt holds an image, which this backend cannot send")
        yield part
