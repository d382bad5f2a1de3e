"""Prompts become text, with places for their images: as they are, or in the model's chat template."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any, TypeAlias

from jinja2 import TemplateError

from gemma_eval.errors import PromptError
from gemma_eval.prompt.control import ControlTokens
from gemma_eval.prompt.images import pan_and_scan, size
from gemma_eval.prompt.sections import ImageCrop
from gemma_eval.settings import ImagesConfig
from gemma_eval.types import Box, Image, Parts, Prompt

TextPieces: TypeAlias = tuple[str, ...]
"""Pieces of text, with an image between each two."""


@dataclass(frozen=True)
class FormattedPrompt:
    """A prompt as text, without BOS. `images[i]` is between `pieces[i]` and `pieces[i + 1]`.

    In a chat, what is not of the template is cut where it spells a control token (`ControlTokens.cut`).
    """

    pieces: TextPieces
    images: tuple[ImageCrop, ...] = ()


class PromptFormatter:
    """Formats prompts for one model.

    In a chat, the prompt is one user turn of the chat template, and its `reply` begins the model's turn. `begin_image` is the id that
    begins an image; None for a model that reads only text.
    """

    def __init__(
        self, tokenizer: Any, control: ControlTokens, *, chat: bool, template_adds_bos: bool, begin_image: int | None, images: ImagesConfig
    ) -> None:
        if chat and not getattr(tokenizer, "chat_template", None):
            raise PromptError("variant=it needs a chat template, and this checkpoint's tokenizer has none; use variant=pt")
        self._tokenizer = tokenizer
        self._control = control
        self._chat = chat
        self._template_adds_bos = template_adds_bos
        self._begin_image = begin_image
        self._images = images
        self._crops: dict[tuple[Any, ...], list[Box]] = {}  # by the image's hash and the settings

    def format(self, prompt: Prompt) -> FormattedPrompt:
        """The prompt as text. Raises `PromptError` if the model cannot read it, or if an image cannot be read."""
        if self._chat:
            return self._placed(self._turns(prompt), self.image_settings(prompt))
        if prompt.system:
            raise PromptError("a system prompt needs a chat template: variant=it; for variant=pt, write it into the prompt")
        return self._placed(prompt.parts, self.image_settings(prompt))

    def image_settings(self, prompt: Prompt) -> ImagesConfig:
        """How this prompt shows its images."""
        return prompt.images.within(self._images) if prompt.images else self._images

    def _turns(self, prompt: Prompt) -> Parts:
        """The rendered chat, with the images in place of the template's marks."""
        cut = self._control.cut
        turns = [{"role": "system", "content": cut(prompt.system)}] if prompt.system else []
        turns.append({"role": "user", "content": _content(prompt.without_reply, cut)})
        try:
            rendered: str = self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        except TemplateError as error:  # torn, or it refuses such a chat
            raise PromptError(f"the checkpoint's chat template does not take this prompt ({type(error).__name__}: {error})") from error
        if self._template_adds_bos:
            rendered = rendered.removeprefix(self._tokenizer.bos_token)
        images = [part for part in prompt.without_reply if isinstance(part, Image)]
        return (*self._with_images(rendered, images), cut(prompt.reply))

    def _with_images(self, rendered: str, images: list[Image]) -> Parts:
        if not images or self._begin_image is None:
            return (rendered, *images)
        pieces = rendered.split(self._tokenizer.convert_ids_to_tokens(self._begin_image))
        if len(pieces) != len(images) + 1:
            raise PromptError(f"the chat template has {len(pieces) - 1} places for {len(images)} images")
        parts: list[str | Image] = [pieces[0]]
        for image, piece in zip(images, pieces[1:], strict=True):
            parts += [image, piece]
        return tuple(parts)

    def _placed(self, parts: Parts, settings: ImagesConfig) -> FormattedPrompt:
        """Text and images as transformers' Gemma3Processor writes them: a blank line before and after each image, words between crops."""
        pieces = [""]
        images: list[ImageCrop] = []
        for part in parts:
            if isinstance(part, str):
                pieces[-1] += part
                continue
            for words, box in self._image_and_crops(part, settings):
                pieces[-1] += f"{words}\n\n"
                pieces.append("\n\n")
                images.append((part, box))
        return FormattedPrompt(tuple(pieces), tuple(images))

    def _image_and_crops(self, image: Image, settings: ImagesConfig) -> list[tuple[str, Box | None]]:
        """The whole image (None) and its crops, each with the words before it."""
        if self._begin_image is None:
            raise PromptError("the prompt holds an image, and this model reads text alone (its config.json has no vision_config)")
        key = (image.sha256, *astuple(settings))
        if key not in self._crops:
            self._crops[key] = pan_and_scan(size(image), settings)
        crops = self._crops[key]
        if not crops:
            return [("", None)]
        words = ["Here is the original image ", " and here are some crops to help you see better ", *[" "] * (len(crops) - 1)]
        return list(zip(words, [None, *crops], strict=True))


def _content(parts: Parts, cut: Callable[[str], str]) -> Any:
    """The content of a user's turn, as chat templates take it: a string, or a list of texts and images. `cut` changes each text."""
    merged: list[dict[str, str]] = [{"type": "text", "text": ""}]
    for part in parts:
        if isinstance(part, Image):
            merged += [{"type": "image"}, {"type": "text", "text": ""}]
        else:
            merged[-1]["text"] += part
    content = [{**item, "text": cut(item["text"])} if "text" in item else item for item in merged]
    return content[0]["text"] if len(content) == 1 else [item for item in content if item.get("text") != ""]
