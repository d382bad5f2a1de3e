"""A prompt as it was sent, cut into what it was made from: for people, who want to fold its exemplars away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from operator import itemgetter
from typing import Literal, TypeAlias

from gemma_eval.types import Box, Image, Prompt

Kind: TypeAlias = Literal["template", "header", "exemplar", "query", "reply"]

ImageView: TypeAlias = tuple[Image, Box | None]
"""What one run of soft tokens shows: an image, or a part of it."""


@dataclass(frozen=True)
class Section:
    """A piece of the text, or a place where a picture stands in it. `template`: of the chat, or of a picture's frame."""

    kind: Kind
    number: int = 0  # of an exemplar, from 1
    text: str = ""
    image: str = ""  # a picture's SHA-256
    box: Box | None = None


def cut(prompt: Prompt, texts: Sequence[str], views: Sequence[ImageView]) -> list[Section]:
    """The sections of a rendered prompt: `texts` with a view between each two.

    Nothing is rendered anew. The prompt's parts are looked for, one after the other, in the text that was sent, so that the sections
    joined are that text, whatever a chat template did to it.
    """
    whole = "".join(texts)
    places = list(accumulate(map(len, texts[:-1])))
    marks: list[tuple[int, Section]] = []  # where a section begins
    at, seen = 0, 0
    for section, part in _parts(prompt):
        if isinstance(part, Image):
            first = seen
            while seen < len(views) and (seen == first or views[seen][1]):  # the whole image, then its crops
                image, box = views[seen]
                marks.append((places[seen], replace(section, image=image.sha256, box=box)))
                at, seen = places[seen], seen + 1
        elif (words := part.strip()) and (found := whole.find(words, at)) >= 0:
            at = found + len(words)
            marks += [(found, section), (at, Section("template"))]
    return list(_joined(_written(whole, sorted(marks, key=itemgetter(0)))))


def _parts(prompt: Prompt) -> Iterator[tuple[Section, str | Image]]:
    shots = ((Section("exemplar", number), shot) for number, shot in enumerate(prompt.shots, 1))
    for section, parts in [
        (Section("header"), prompt.header),
        *shots,
        (Section("query"), prompt.query),
        (Section("reply"), (prompt.reply,)),
    ]:
        for part in parts:
            yield section, part


def _written(whole: str, marks: Sequence[tuple[int, Section]]) -> Iterator[Section]:
    """The sections with their text. White space between two belongs to the first; what frames the pictures of one section, to it."""
    current = last = Section("template")
    at = 0
    for place, mark in [*marks, (len(whole), current)]:
        if text := whole[at:place]:
            owner = current
            if not text.strip():
                owner = last if at else mark
            elif current.kind == "template" and (last.kind, last.number) == (mark.kind, mark.number):
                owner = mark
            last = replace(owner, text=text, image="", box=None)
            yield last
        if mark.image:
            yield mark
            last, mark = mark, Section("template")
        current, at = mark, place


def _joined(sections: Iterable[Section]) -> Iterator[Section]:
    """Neighbours of one kind made one."""
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
