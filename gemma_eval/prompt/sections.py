"""Splits a prompt, as it was sent, into header, exemplars, query and reply, so that people can fold its exemplars away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from operator import itemgetter
from typing import Literal, TypeAlias

from gemma_eval.types import Box, Image, Prompt

SectionKind: TypeAlias = Literal["template", "header", "exemplar", "query", "reply"]

ImageCrop: TypeAlias = tuple[Image, Box | None]
"""What the model sees at one place of a prompt: a whole image (None), or the part of it in a box."""


@dataclass(frozen=True)
class Section:
    """A part of the text, or a place where it shows an image. Kind `template`: text of the chat template, or around an image."""

    kind: SectionKind
    number: int = 0  # of an exemplar, from 1
    text: str = ""
    image: str = ""  # the image's SHA-256
    box: Box | None = None


def split_into_sections(prompt: Prompt, texts: Sequence[str], images: Sequence[ImageCrop]) -> list[Section]:
    """The sections of a rendered prompt: `texts`, with one of `images` between each two of them.

    The texts of all sections, joined, are the rendered text, whatever a chat template did to the prompt. For that, the parts of the
    prompt are looked up in the rendered text, one after the other.
    """
    whole = "".join(texts)
    image_positions = list(accumulate(map(len, texts[:-1])))
    marks: list[tuple[int, Section]] = []  # sections, by the position where they begin
    position, seen = 0, 0
    for section, part in _parts(prompt):
        if isinstance(part, Image):
            first = seen
            while seen < len(images) and (seen == first or images[seen][1]):  # the whole image, then its crops
                image, box = images[seen]
                marks.append((image_positions[seen], replace(section, image=image.sha256, box=box)))
                position, seen = image_positions[seen], seen + 1
        elif (words := part.strip()) and (found := whole.find(words, position)) >= 0:
            position = found + len(words)
            marks += [(found, section), (position, Section("template"))]
    return list(_merged(_with_text(whole, sorted(marks, key=itemgetter(0)))))


def _parts(prompt: Prompt) -> Iterator[tuple[Section, str | Image]]:
    """The prompt's parts, each with a section of its kind."""
    shots = ((Section("exemplar", number), shot) for number, shot in enumerate(prompt.shots, 1))
    for section, parts in [
        (Section("header"), prompt.header),
        *shots,
        (Section("query"), prompt.query),
        (Section("reply"), (prompt.reply,)),
    ]:
        for part in parts:
            yield section, part


def _with_text(whole: str, marks: Sequence[tuple[int, Section]]) -> Iterator[Section]:
    """The sections with their text.

    White space between two sections belongs to the first. Template text between two images of one section belongs to that section.
    """
    current = last = Section("template")
    position = 0
    for end, mark in [*marks, (len(whole), current)]:
        if text := whole[position:end]:
            owner = current
            if not text.strip():
                owner = last if position else mark
            elif current.kind == "template" and (last.kind, last.number) == (mark.kind, mark.number):
                owner = mark
            last = replace(owner, text=text, image="", box=None)
            yield last
        if mark.image:
            yield mark
            last, mark = mark, Section("template")
        current, position = mark, end


def _merged(sections: Iterable[Section]) -> Iterator[Section]:
    """The sections, with neighbours of the same kind and number joined."""
    held: Section | None = None
    for section in sections:
        if held and not held.image and not section.image and (held.kind, held.number) == (section.kind, section.number):
            held = replace(held, text=held.text + section.text)
        else:
            if held:
                yield held
            held = section
    if held:
        yield held
