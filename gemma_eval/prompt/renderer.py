"""Prompts become token ids. The only place that knows BOS, and the ids around and in place of an image.

Invariant: every encoded request begins with the tokenizer's BOS exactly once (id 2 for Gemma), whatever the text says
and whatever a chat template adds. A missing or doubled BOS is the commonest reason why Gemma scores do not reproduce.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from itertools import chain
from typing import Any, TypeAlias

import numpy as np

from gemma_eval.errors import PromptError
from gemma_eval.prompt.images import pan_and_scan, size
from gemma_eval.prompt.sections import ImageView, Section, cut
from gemma_eval.prompt.tokenizing import _encode, _leading_ids, _Pieces
from gemma_eval.settings import ImagesConfig
from gemma_eval.types import (
    Box,
    Continuation,
    Encoded,
    EncodedGenerate,
    EncodedScore,
    Generate,
    Image,
    ImageSpan,
    Parts,
    Prompt,
    Request,
    TokenIds,
)

_BRACKETED = re.compile(r"<[^<>]*>|\[[^\[\]]*\]")  # what nearly all control tokens look like

_TextPieces: TypeAlias = tuple[str, ...]
"""Pieces of text, with a view between each two."""


@dataclass(frozen=True)
class ImageTokens:
    """The ids of an image: `begin`, `soft` as often as `count` says, `end`."""

    begin: int
    soft: int
    end: int
    count: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> ImageTokens | None:
        """As a Gemma 3 checkpoint's config.json has them; None for a model that reads text alone."""
        if "vision_config" not in config:
            return None
        names = {"boi_token_index": 255_999, "image_token_index": 262_144, "eoi_token_index": 256_000, "mm_tokens_per_image": 256}
        return cls(*(int(config.get(name, gemma)) for name, gemma in names.items()))

    @property
    def ids(self) -> list[int]:
        return [self.begin, *[self.soft] * self.count, self.end]


@dataclass(frozen=True)
class _Job:
    """A request as text: the prompt; or, for each continuation, its context and then the two together. All texts have the same views."""

    request: Request
    texts: list[_TextPieces]
    views: tuple[ImageView, ...]


class Renderer:
    """Encodes requests for one tokenizer.

    `chat` puts the prompt into the model's chat template as one user turn. Text from data sets never becomes a special
    token: "<bos>" in a question is encoded as the characters it is. Without `image_tokens`, images are refused.
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        context_length: int,
        chat: bool = False,
        image_tokens: ImageTokens | None = None,
        images: ImagesConfig | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._context_length = context_length
        self._chat = chat
        self._image_tokens = image_tokens
        self._images = images or ImagesConfig()
        self._crops: dict[tuple[Any, ...], list[Box]] = {}  # by an image's hash and the settings
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
        text, _ = self._text(prompt)
        return self._length(text, dict(zip(text, _encode(self._tokenizer, list(text), split_special_tokens=not self._chat), strict=True)))

    def sections(self, request: Request, encoded: Encoded) -> list[Section]:
        """The text of an encoded request's prompt, without BOS, by what it was made from."""
        prompt = request.prompt
        kept = replace(prompt, shots=prompt.shots[: len(prompt.shots) - encoded.dropped_shots])
        return cut(kept, *self._text(kept))

    def encode(self, requests: Sequence[Request]) -> list[Encoded | PromptError]:
        """Token ids of each request. A prompt with too many tokens or images drops its last exemplars, whole, until it fits.

        A request that cannot be sent (too long even without exemplars, a broken image) has its `PromptError` in its place.
        """
        return list(chain.from_iterable(map(self._encode_batch, _batches(requests))))

    def _encode_batch(self, requests: Sequence[Request]) -> list[Encoded | PromptError]:
        jobs = [self._job_or_error(request) for request in requests]
        ids = self._ids(text for job in jobs if isinstance(job, _Job) for text in job.texts)
        return [self._fitted(job, ids) if isinstance(job, _Job) else job for job in jobs]

    def _job_or_error(self, request: Request) -> _Job | PromptError:
        try:
            return self._job(request)
        except PromptError as error:
            return error

    def _fitted(self, job: _Job, ids: Mapping[str, list[int]]) -> Encoded | PromptError:
        try:
            encoded = self._assemble(job, ids)
            return self._shorten(job.request) if self._obstacle(job.request, encoded) else encoded
        except PromptError as error:
            return error

    def _shorten(self, request: Request) -> Encoded:
        shots = request.prompt.shots
        obstacle = None
        for kept in range(len(shots), -1, -1):
            shorter = replace(request, prompt=replace(request.prompt, shots=shots[:kept]))
            job = self._job(shorter)
            encoded = self._assemble(job, self._ids(job.texts))
            obstacle = self._obstacle(shorter, encoded)
            if not obstacle:
                return replace(encoded, dropped_shots=len(shots) - kept)
        raise PromptError(f"{obstacle}, even without exemplars")

    def _obstacle(self, request: Request, encoded: Encoded) -> str | None:
        """What is too much about a prompt. The last token of a continuation is predicted, never read."""
        if isinstance(encoded, EncodedScore):
            excess = max(len(sequence) for sequence in encoded.sequences) - 1 - self._context_length
        else:
            excess = len(encoded.prompt) + encoded.request.max_tokens - self._context_length
        if excess > 0:
            return f"prompt is {excess} tokens too long for a context of {self._context_length}"
        limit = self._images_of(request.prompt).limit
        if limit is not None and len(encoded.images) > limit:
            return f"prompt has {len(encoded.images)} images and images.limit={limit}"
        return None

    def _job(self, request: Request) -> _Job:
        _refuse_half_characters(request)
        text, views = self._text(request.prompt)
        if isinstance(request, Generate):
            return _Job(request, [text], views)
        pairs = [_split_spaces(text[-1], continuation, self._chat) for continuation in request.continuations]
        lasts = [side for context, scored in pairs for side in (context, context + scored)]
        return _Job(request, [(*text[:-1], last) for last in lasts], views)

    def _assemble(self, job: _Job, ids: Mapping[str, list[int]]) -> Encoded:
        images = self._spans(job, ids)
        if isinstance(job.request, Generate):
            return EncodedGenerate(self._joined(job.texts[0], ids), job.request, images=images)
        sequences = [self._joined(whole, ids) for whole in job.texts[1::2]]
        starts = [self._length(context, ids) for context in job.texts[0::2]]
        for sequence, start, continuation in zip(sequences, starts, job.request.continuations, strict=True):
            if not 0 < start < len(sequence):
                raise PromptError(f"the continuation {continuation.text!r} has no token of its own after this prompt")
        return EncodedScore(tuple(sequences), tuple(starts), images=images)

    def _length(self, text: _TextPieces, ids: Mapping[str, list[int]]) -> int:
        pictures = (len(text) - 1) * len(self._image_tokens.ids) if self._image_tokens else 0
        return len(self._bos) + sum(len(ids[piece]) for piece in text) + pictures

    def _joined(self, text: _TextPieces, ids: Mapping[str, list[int]]) -> TokenIds:
        joined = list(ids[text[0]])
        for piece in text[1:]:
            assert self._image_tokens
            joined += self._image_tokens.ids
            joined += ids[piece]
        if self._bos and self._bos[0] in joined:
            raise PromptError("BOS would stand inside the prompt")
        return np.asarray(self._bos + joined, dtype=np.int32)

    def _spans(self, job: _Job, ids: Mapping[str, list[int]]) -> tuple[ImageSpan, ...]:
        spans = []
        at = len(self._bos)
        for piece, (image, box) in zip(job.texts[0], job.views, strict=False):  # the last piece has no view after it
            assert self._image_tokens
            start = at + len(ids[piece]) + 1
            spans.append(ImageSpan(image, start, start + self._image_tokens.count, box))
            at = start + self._image_tokens.count + 1
        return tuple(spans)

    def _text(self, prompt: Prompt) -> tuple[_TextPieces, tuple[ImageView, ...]]:
        if not self._chat:
            if prompt.system:
                raise PromptError("a system prompt needs a chat template: variant=it; for variant=pt, write it into the prompt")
            return self._written(prompt.parts, self._images_of(prompt))
        self._refuse_control_tokens("".join(part for part in (prompt.system, *prompt.parts) if isinstance(part, str)))
        turns = [{"role": "system", "content": prompt.system}] if prompt.system else []
        turns.append({"role": "user", "content": _content(prompt.asked)})
        rendered: str = self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        if self._bos:  # `_joined` adds it, as an id
            rendered = rendered.removeprefix(self._tokenizer.bos_token)
        images = [part for part in prompt.asked if isinstance(part, Image)]
        return self._written((*self._with_images(rendered, images), prompt.reply), self._images_of(prompt))

    def _images_of(self, prompt: Prompt) -> ImagesConfig:
        return prompt.images.within(self._images) if prompt.images else self._images

    def _with_images(self, rendered: str, images: list[Image]) -> Parts:
        """A rendered chat with the images in place of the template's marks."""
        if not images or self._image_tokens is None:
            return (rendered, *images)
        pieces = rendered.split(self._tokenizer.convert_ids_to_tokens(self._image_tokens.begin))
        if len(pieces) != len(images) + 1:
            raise PromptError(f"the chat template has {len(pieces) - 1} places for {len(images)} images")
        parts: list[str | Image] = [pieces[0]]
        for image, piece in zip(images, pieces[1:], strict=True):
            parts += [image, piece]
        return tuple(parts)

    def _written(self, parts: Parts, settings: ImagesConfig) -> tuple[_TextPieces, tuple[ImageView, ...]]:
        """Text and views as transformers' Gemma3Processor writes them: a blank line before and after each, words between crops."""
        pieces = [""]
        views: list[ImageView] = []
        for part in parts:
            if isinstance(part, str):
                pieces[-1] += part
                continue
            for words, box in self._shown(part, settings):
                pieces[-1] += f"{words}\n\n"
                pieces.append("\n\n")
                views.append((part, box))
        return tuple(pieces), tuple(views)

    def _shown(self, image: Image, settings: ImagesConfig) -> list[tuple[str, Box | None]]:
        """The views of an image, each with the words before it."""
        if self._image_tokens is None:
            raise PromptError("the prompt holds an image, and this model reads text alone (its config.json has no vision_config)")
        key = (image.sha256, *astuple(settings))
        if key not in self._crops:
            self._crops[key] = pan_and_scan(size(image), settings)
        crops = self._crops[key]
        if not crops:
            return [("", None)]
        words = ["Here is the original image ", " and here are some crops to help you see better ", *[" "] * (len(crops) - 1)]
        return list(zip(words, [None, *crops], strict=True))

    def _refuse_control_tokens(self, text: str) -> None:
        odd = (token for token in self._control if not _BRACKETED.fullmatch(token))
        found = self._control.intersection(_BRACKETED.findall(text)) or {token for token in odd if token in text}
        if found:
            raise PromptError(f"the prompt holds the control token {min(found)!r} as text, which a chat template cannot carry safely")

    def _ids(self, texts: Iterable[_TextPieces]) -> dict[str, list[int]]:
        """Token ids of every piece of these texts."""
        pieces = list(dict.fromkeys(chain.from_iterable(texts)))
        if self._pieces and not self._chat:
            encoded = self._pieces.encode(pieces)
        else:  # a chat template's markers are control tokens; plain text has none
            encoded = _encode(self._tokenizer, pieces, split_special_tokens=not self._chat)
        return dict(zip(pieces, encoded, strict=True))


def _batches(requests: Sequence[Request], characters: int = 2**25) -> Iterator[Sequence[Request]]:
    """Runs of requests: what a tokenizer returns takes dozens of bytes a token, until it is packed."""
    start, size = 0, 0
    for end, request in enumerate(requests, 1):
        size += sum(len(part) for part in request.prompt.parts if isinstance(part, str))
        if size >= characters or end == len(requests):
            yield requests[start:end]
            start, size = end, 0


def _split_spaces(text: str, continuation: Continuation, chat: bool) -> tuple[str, str]:
    """Context and scored text. Spaces at the context's end move to the scored side, where their token belongs (lm-eval's rule)."""
    context = text + continuation.given
    scored = continuation.text
    if chat:  # a model's turn begins with the answer itself
        return context, scored if continuation.given else scored.lstrip(" ")
    stripped = context.rstrip()
    return stripped, context[len(stripped) :] + scored


def _refuse_half_characters(request: Request) -> None:
    continuations = () if isinstance(request, Generate) else request.continuations
    written = [part for part in request.prompt.parts if isinstance(part, str)]
    for text in (*written, *(continuation.given + continuation.text for continuation in continuations)):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise PromptError(f"the prompt holds {text[error.start]!r}, half of a surrogate pair, which no tokenizer reads") from error


def _content(parts: Parts) -> Any:
    """A user's turn as chat templates take it: a string, or a list of texts and images."""
    merged: list[dict[str, str]] = [{"type": "text", "text": ""}]
    for part in parts:
        if isinstance(part, Image):
            merged += [{"type": "image"}, {"type": "text", "text": ""}]
        else:
            merged[-1]["text"] += part
    return merged[0]["text"] if len(merged) == 1 else [item for item in merged if item.get("text") != ""]
