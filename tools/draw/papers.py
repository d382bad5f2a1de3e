"""Images of printed matter: pages, posters and signs."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

INK = "#222222"


def font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib and has accented letters. `size` in pixels."""
    return ImageFont.truetype(mpl.get_data_path() + "/fonts/ttf/DejaVuSans.ttf", size)


def page(title: str, lines: list[str], width: int = 400, height: int = 520) -> Image.Image:
    """A typed page, in grey. A line with "|" in it is a row of a table. Sizes in pixels."""
    image = Image.new("L", (width, height), 248)
    draw = ImageDraw.Draw(image)
    draw.text((28, 24), title, fill=30, font=font(20))
    draw.line((28, 56, width - 28, 56), fill=60, width=2)
    for number, line in enumerate(lines):
        y = 72 + 24 * number
        cells = line.split("|")
        for column, cell in enumerate(cells):
            draw.text((28 + column * (width - 56) // len(cells), y), cell.strip(), fill=40, font=font(13))
        if len(cells) > 1:
            draw.line((28, y + 21, width - 28, y + 21), fill=170)
    return image


def scanned(image: Image.Image, seed: int, angle: float = 0.0) -> Image.Image:
    """The page as a scanner sees it: turned by `angle` degrees, with noise and specks."""
    turned = image.convert("L").rotate(angle, expand=False, fillcolor=235, resample=Image.Resampling.BILINEAR)
    values = np.asarray(turned, dtype=np.float32)
    random = np.random.default_rng(seed)
    specks = random.random(values.shape) > 0.998
    return Image.fromarray(np.where(specks, 90, np.clip(values + random.normal(0, 5, values.shape), 0, 255)).astype(np.uint8))


def poster(title: str, facts: list[tuple[str, str]], colour: str) -> Image.Image:
    """A tall infographic. Each fact is a big number and a short sentence."""
    image = Image.new("RGB", (320, 110 + 100 * len(facts)), colour)
    draw = ImageDraw.Draw(image)
    draw.text((20, 24), title, fill="white", font=font(23))
    for number, (figure, sentence) in enumerate(facts):
        top = 90 + 100 * number
        draw.rounded_rectangle((16, top, 304, top + 84), 12, fill="white")
        draw.text((30, top + 10), figure, fill=colour, font=font(30))
        draw.text((30, top + 52), sentence, fill=INK, font=font(13))
    return image


def sign(text: str, ground: str, ink: str, size: int = 36) -> Image.Image:
    """A sign on a post, in front of sky and grass."""
    image = Image.new("RGB", (384, 288), "lightskyblue")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 210, 384, 288), fill="olivedrab")
    draw.rectangle((184, 150, 200, 270), fill="gray")
    draw.rounded_rectangle((40, 50, 344, 170), 14, fill=ground, outline="black", width=3)
    draw.multiline_text((192, 110), text, fill=ink, font=font(size), anchor="mm", align="center")
    return image
