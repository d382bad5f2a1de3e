"""Requests become token ids. Only this package knows BOS, and the ids around and in place of an image.

Every encoded request begins with the tokenizer's BOS exactly once (id 2 for Gemma), whatever its text says and whatever a chat template
adds. A missing or doubled BOS is the commonest reason why scores of Gemma do not reproduce.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from gemma_eval.errors import PromptError
from gemma_eval.prompt.control import CUT, ControlTokens, refuse_lone_surrogates
from gemma_eval.prompt.formatting import PromptFormatter, TextPieces
from gemma_eval.prompt.sections import ImageCrop, Section, split_into_sections
from gemma_eval.prompt.tokenizing import LineEncoder, bos_ids, encode_chats, encode_texts
from gemma_eval.settings import ImagesConfig
from gemma_eval.types import Continuation, Encoded, EncodedGenerate, EncodedScore, Generate, ImageSpan, Prompt, Request, TokenIds


@dataclass(frozen=True)
class ImageTokens:
    """The ids of an image in a prompt: `begin`, then `count` times `soft`, then `end`."""

    begin: int
    soft: int
    end: int
    count: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> ImageTokens | None:
        """The ids in a Gemma 3 checkpoint's config.json; None for a model that reads only text."""
        if "vision_config" not in config:
            return None
        names = {"boi_token_index": 255_999, "image_token_index": 262_144, "eoi_token_index": 256_000, "mm_tokens_per_image": 256}
        return cls(*(int(config.get(name, gemma)) for name, gemma in names.items()))

    @property
    def ids(self) -> list[int]:
        """All ids of one image, in order."""
        return [self.begin, *[self.soft] * self.count, self.end]


@dataclass(frozen=True)
class _RequestText:
    """A request as text. All its texts show the same images.

    A generation request has one text, its prompt. A scoring request has two for each continuation: the context, and the context with
    the continuation.
    """

    request: Request
    texts: list[TextPieces]
    images: tuple[ImageCrop, ...]


class Renderer:
    """Encodes requests for one tokenizer.

    In a chat, the prompt becomes one user turn of the model's chat template. Text from datasets never becomes a control token: "<bos>"
    in a question is encoded as the characters it is. Without `image_tokens`, prompts with images are refused.
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
        """Raises `PromptError` if a chat is wanted and the tokenizer has no chat template, or if it puts more than BOS before a text."""
        self._tokenizer = tokenizer
        self._context_length = context_length
        self._chat = chat
        self._image_tokens = image_tokens
        self._bos = bos_ids(tokenizer)
        self._control = ControlTokens(tokenizer)
        self._line_encoder = LineEncoder.of(tokenizer, self._control)
        self._formatter = PromptFormatter(
            tokenizer,
            self._control,
            chat=chat,
            template_adds_bos=bool(self._bos),
            begin_image=image_tokens.begin if image_tokens else None,
            images=images or ImagesConfig(),
        )

    @property
    def bos(self) -> list[int]:
        """The ids that stand before any text: [2] for Gemma, none for a model without BOS."""
        return self._bos

    @property
    def context_length(self) -> int:
        """Tokens that the model can read, the answer's included."""
        return self._context_length

    def tokens(self, prompt: Prompt) -> int:
        """Tokens of a prompt as the model reads it, with BOS, images and the chat template. Raises `PromptError`."""
        refuse_lone_surrogates(part for part in prompt.parts if isinstance(part, str))
        pieces = self._formatter.format(prompt).pieces
        return self._length(pieces, dict(zip(pieces, self._encoded(list(pieces)), strict=True)))

    def sections(self, request: Request, encoded: Encoded) -> list[Section]:
        """The text of a request's prompt as it was encoded, without BOS and dropped exemplars, split into sections."""
        prompt = request.prompt
        kept = replace(prompt, shots=prompt.shots[: len(prompt.shots) - encoded.dropped_shots])
        formatted = self._formatter.format(kept)
        return split_into_sections(kept, [piece.replace(CUT, "") for piece in formatted.pieces], formatted.images)

    def encode(self, requests: Sequence[Request]) -> list[Encoded | PromptError]:
        """Token ids of each request. A prompt with too many tokens or images drops whole exemplars, the last first, until it fits.

        A request that cannot be encoded has a `PromptError` in its place: one that is too long without exemplars, or has a broken image.
        """
        return list(chain.from_iterable(map(self._encode_batch, request_batches(requests))))

    def _encode_batch(self, requests: Sequence[Request]) -> list[Encoded | PromptError]:
        written = [self._text_or_error(request) for request in requests]
        ids = self._ids(pieces for one in written if isinstance(one, _RequestText) for pieces in one.texts)
        return [self._fit_or_error(one, ids) if isinstance(one, _RequestText) else one for one in written]

    def _text_or_error(self, request: Request) -> _RequestText | PromptError:
        try:
            return self._text(request)
        except PromptError as error:
            return error

    def _fit_or_error(self, text: _RequestText, ids: Mapping[str, list[int]]) -> Encoded | PromptError:
        try:
            encoded = self._assemble(text, ids)
            return self._drop_shots(text.request) if self._excess(text.request, encoded) else encoded
        except PromptError as error:
            return error

    def _drop_shots(self, request: Request) -> Encoded:
        """The request with as many exemplars as fit. Raises `PromptError` if it does not fit without any."""
        shots = request.prompt.shots
        excess = None
        for kept in range(len(shots), -1, -1):
            shorter = replace(request, prompt=replace(request.prompt, shots=shots[:kept]))
            text = self._text(shorter)
            encoded = self._assemble(text, self._ids(text.texts))
            excess = self._excess(shorter, encoded)
            if not excess:
                return replace(encoded, dropped_shots=len(shots) - kept)
        raise PromptError(f"{excess}, even without exemplars")

    def _excess(self, request: Request, encoded: Encoded) -> str | None:
        """Which limit the prompt exceeds, in words. The last token of a continuation does not count: it is predicted, never read."""
        if isinstance(encoded, EncodedScore):
            excess = max(len(sequence) for sequence in encoded.sequences) - 1 - self._context_length
        else:
            excess = len(encoded.prompt) + encoded.request.max_tokens - self._context_length
        if excess > 0:
            return f"prompt is {excess} tokens too long for a context of {self._context_length}"
        limit = self._formatter.image_settings(request.prompt).limit
        if limit is not None and len(encoded.images) > limit:
            return f"prompt has {len(encoded.images)} images and images.limit={limit}"
        return None

    def _text(self, request: Request) -> _RequestText:
        refuse_lone_surrogates(_texts(request))
        prompt = self._formatter.format(request.prompt)
        if isinstance(request, Generate):
            return _RequestText(request, [prompt.pieces], prompt.images)
        *before, last = prompt.pieces
        pairs = [self._context_and_scored(last, continuation) for continuation in request.continuations]
        endings = [ending for context, scored in pairs for ending in (context, context + scored)]
        return _RequestText(request, [(*before, ending) for ending in endings], prompt.images)

    def _ids(self, texts: Iterable[TextPieces]) -> dict[str, list[int]]:
        """Token ids of every piece of these texts."""
        pieces = list(dict.fromkeys(chain.from_iterable(texts)))
        encoded = self._line_encoder.encode(pieces) if self._line_encoder and not self._chat else self._encoded(pieces)
        return dict(zip(pieces, encoded, strict=True))

    def _encoded(self, pieces: list[str]) -> list[list[int]]:
        return encode_chats(self._tokenizer, pieces) if self._chat else encode_texts(self._tokenizer, self._control, pieces)

    def _assemble(self, text: _RequestText, ids: Mapping[str, list[int]]) -> Encoded:
        images = self._image_spans(text, ids)
        if isinstance(text.request, Generate):
            return EncodedGenerate(self._sequence(text.texts[0], ids), text.request, images=images)
        sequences = [self._sequence(whole, ids) for whole in text.texts[1::2]]
        starts = [self._length(context, ids) for context in text.texts[0::2]]
        for sequence, start, continuation in zip(sequences, starts, text.request.continuations, strict=True):
            if not 0 < start < len(sequence):
                raise PromptError(f"the continuation {continuation.text!r} has no token of its own after this prompt")
        return EncodedScore(tuple(sequences), tuple(starts), images=images)

    def _length(self, pieces: TextPieces, ids: Mapping[str, list[int]]) -> int:
        """Tokens of BOS, the pieces, and the images between them."""
        image_tokens = (len(pieces) - 1) * len(self._image_tokens.ids) if self._image_tokens else 0
        return len(self._bos) + sum(len(ids[piece]) for piece in pieces) + image_tokens

    def _sequence(self, pieces: TextPieces, ids: Mapping[str, list[int]]) -> TokenIds:
        """BOS, and the ids of the pieces with those of an image between each two. Shape [tokens], int32."""
        joined: list[int] = []
        for number, piece in enumerate(pieces):
            if number:
                assert self._image_tokens
                joined += self._image_tokens.ids
            self._control.check(ids[piece], expected=self._control.count(piece) if self._chat else 0)
            joined += ids[piece]
        if self._bos and self._bos[0] in joined:
            raise PromptError("BOS would stand inside the prompt")
        return np.asarray(self._bos + joined, dtype=np.int32)

    def _context_and_scored(self, text: str, continuation: Continuation) -> tuple[str, str]:
        """The context, which is read, and the text that is scored after it.

        Spaces at the end of the context move to the scored text, because tokens begin with a space (lm-eval's rule). In a chat, a
        scored text that begins the model's turn loses its leading spaces.
        """
        if self._chat:
            text += self._control.cut_between(text, continuation.given) + self._control.cut(continuation.given)
            scored = self._control.cut(continuation.text if continuation.given else continuation.text.lstrip(" "))
        else:
            whole = text + continuation.given
            text = whole.rstrip()
            scored = whole[len(text) :] + continuation.text
        return text, self._control.cut_between(text, scored) + scored

    def _image_spans(self, text: _RequestText, ids: Mapping[str, list[int]]) -> tuple[ImageSpan, ...]:
        """Where the soft tokens of each image stand."""
        spans = []
        position = len(self._bos)
        for piece, (image, box) in zip(text.texts[0], text.images, strict=False):  # no image follows the last piece
            assert self._image_tokens
            start = position + len(ids[piece]) + 1
            spans.append(ImageSpan(image, start, start + self._image_tokens.count, box))
            position = start + self._image_tokens.count + 1
        return tuple(spans)


def request_batches(requests: Sequence[Request], characters: int = 2**25) -> Iterator[Sequence[Request]]:
    """The requests in runs of about `characters` characters. A tokenizer's output takes dozens of bytes a token until it is packed."""
    start, size = 0, 0
    for end, request in enumerate(requests, 1):
        size += sum(len(part) for part in request.prompt.parts if isinstance(part, str))
        if size >= characters or end == len(requests):
            yield requests[start:end]
            start, size = end, 0


def _texts(request: Request) -> Iterator[str]:
    """All texts of a request."""
    yield request.prompt.system
    yield from (part for part in request.prompt.parts if isinstance(part, str))
    if not isinstance(request, Generate):
        yield from (continuation.given + continuation.text for continuation in request.continuations)
