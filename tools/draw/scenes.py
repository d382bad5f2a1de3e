"""Scenes of simple things in front of simple backgrounds. They stand in for photographs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from PIL import Image, ImageDraw

SIZE = (384, 288)
Draw: TypeAlias = ImageDraw.ImageDraw
Rectangle: TypeAlias = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class Thing:
    """A thing about `size` pixels high, with the middle of its foot at (x, y). `kind` is a key of `THINGS`."""

    kind: str
    x: int
    y: int
    size: int = 50
    colour: str = "crimson"


def _box(thing: Thing, wide: float = 1.0, high: float = 1.0) -> Rectangle:
    """A box on the thing's foot, `wide` and `high` times its size."""
    return thing.x - thing.size * wide / 2, thing.y - thing.size * high, thing.x + thing.size * wide / 2, thing.y


def ball(draw: Draw, thing: Thing) -> None:
    """A ball."""
    draw.ellipse(_box(thing), fill=thing.colour, outline="black", width=2)


def cube(draw: Draw, thing: Thing) -> None:
    """A cube."""
    draw.rectangle(_box(thing), fill=thing.colour, outline="black", width=2)


def cone(draw: Draw, thing: Thing) -> None:
    """A cone."""
    left, top, right, bottom = _box(thing, 0.9)
    draw.polygon([(left, bottom), (thing.x, top), (right, bottom)], fill=thing.colour, outline="black", width=2)


def tree(draw: Draw, thing: Thing) -> None:
    """A tree."""
    draw.rectangle(_box(thing, 0.14, 0.6), fill="saddlebrown")
    left, top, right, bottom = _box(thing, 0.8, 1.3)
    draw.ellipse((left, top, right, bottom - thing.size * 0.45), fill=thing.colour, outline="darkgreen", width=2)


def house(draw: Draw, thing: Thing) -> None:
    """A house."""
    left, top, right, bottom = _box(thing, 1.2, 0.8)
    draw.rectangle((left, top, right, bottom), fill=thing.colour, outline="black", width=2)
    draw.polygon([(left - 8, top), (thing.x, top - thing.size * 0.5), (right + 8, top)], fill="sienna", outline="black", width=2)
    draw.rectangle(_box(thing, 0.2, 0.4), fill="white", outline="black")


def car(draw: Draw, thing: Thing) -> None:
    """A car."""
    left, top, right, bottom = _box(thing, 1.6, 0.5)
    draw.rounded_rectangle((left, top, right, bottom - 6), 8, fill=thing.colour, outline="black", width=2)
    draw.rounded_rectangle((left + 16, top - 16, right - 16, top + 4), 6, fill="lightcyan", outline="black", width=2)
    for wheel in (left + 18, right - 18):
        draw.ellipse((wheel - 9, bottom - 16, wheel + 9, bottom + 2), fill="black")


def boat(draw: Draw, thing: Thing) -> None:
    """A sailing boat."""
    left, top, right, bottom = _box(thing, 1.4)
    draw.polygon([(left, bottom - 16), (right, bottom - 16), (right - 18, bottom), (left + 18, bottom)], fill=thing.colour, outline="black")
    draw.line((thing.x, bottom - 16, thing.x, top), fill="black", width=3)
    draw.polygon([(thing.x + 3, top), (right - 8, bottom - 24), (thing.x + 3, bottom - 24)], fill="white", outline="black")


def cat(draw: Draw, thing: Thing) -> None:
    """A cat that faces right."""
    left, top, right, bottom = _box(thing, 1.1, 0.6)
    draw.ellipse((left, top, right, bottom), fill=thing.colour, outline="black", width=2)
    head = thing.size * 0.26
    draw.ellipse((right - head, top - head, right + head, top + head), fill=thing.colour, outline="black", width=2)
    for ear in (right - head * 0.7, right + head * 0.3):
        draw.polygon([(ear, top - head * 0.6), (ear + head * 0.2, top - head * 1.5), (ear + head * 0.45, top - head * 0.7)], fill="black")
    draw.arc((left - 24, top - 14, left + 12, bottom), 90, 270, fill="black", width=4)


def cup(draw: Draw, thing: Thing) -> None:
    """A cup."""
    left, top, right, bottom = _box(thing, 0.7, 0.8)
    draw.rounded_rectangle((left, top, right, bottom), 5, fill=thing.colour, outline="black", width=2)
    draw.arc((right - 6, top + 6, right + 14, bottom - 8), 270, 90, fill="black", width=4)


def table(draw: Draw, thing: Thing) -> None:
    """A table."""
    left, top, right, bottom = _box(thing, 1.8, 0.8)
    draw.rectangle((left, top, right, top + 10), fill=thing.colour, outline="black", width=2)
    for leg in (left + 6, right - 14):
        draw.rectangle((leg, top + 10, leg + 8, bottom), fill=thing.colour, outline="black")


def kite(draw: Draw, thing: Thing) -> None:
    """A kite."""
    left, top, right, bottom = _box(thing, 0.7)
    middle = (top + bottom) / 2 - 6
    draw.polygon([(thing.x, top), (right, middle), (thing.x, bottom), (left, middle)], fill=thing.colour, outline="black", width=2)
    draw.line((thing.x, bottom, thing.x + 20, bottom + 26, thing.x + 8, bottom + 50), fill="dimgray", width=2)


def star(draw: Draw, thing: Thing) -> None:
    """A star."""
    middle = thing.y - thing.size / 2
    radii = [thing.size / 2, thing.size / 5] * 5
    angles = [math.pi * (i / 5 - 0.5) for i in range(10)]
    draw.polygon(
        [(thing.x + r * math.cos(a), middle + r * math.sin(a)) for r, a in zip(radii, angles, strict=True)],
        fill=thing.colour,
        outline="black",
    )


THINGS: dict[str, Callable[[Draw, Thing], None]] = {
    function.__name__: function for function in (ball, cube, cone, tree, house, car, boat, cat, cup, table, kite, star)
}
GROUNDS = {
    "park": ("skyblue", "yellowgreen"),
    "beach": ("lightskyblue", "khaki"),
    "sea": ("lightblue", "steelblue"),
    "street": ("lightsteelblue", "dimgray"),
    "room": ("antiquewhite", "burlywood"),
    "night": ("midnightblue", "darkslategray"),
    "plain": ("white", "white"),
}


def scene(ground: str, *things: Thing) -> Image.Image:
    """An image of 384 x 288 pixels: the things, in front of a background from `GROUNDS`."""
    above, below = GROUNDS[ground]
    image = Image.new("RGB", SIZE, above)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, SIZE[1] * 0.62, *SIZE), fill=below)
    for thing in things:
        THINGS[thing.kind](draw, thing)
    return image
