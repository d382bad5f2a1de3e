"""The prompts of `gemma-eval doctor`: fixed texts, and an image that is drawn here."""

from __future__ import annotations

import io

import PIL.Image
import PIL.ImageDraw

from gemma_eval.types import Image, Parts

_PASSAGE = (
    "The ferry leaves the old harbour at seven and needs forty minutes to the island. Marta had packed bread, two apples and "
    'the letter that her uncle wrote in 1962. "If the fog lifts," she said, "we will see the lighthouse before the gulls see us."'
)
_MIXED = (
    "def area(radius):\n    return 3.14159 * radius ** 2\n\nprint(area(2))  # 12.56636\n\n"
    "Der Zug nach Zürich hält um 12:05 Uhr. 東京は雨です。 Цена: 1 250,50 ₽."
)
_LOG = "\n".join(
    f"Station {7 * n % 31:02d}: {place}, {n * 13 % 40 - 8} degrees, wind {n * 5 % 17} km/h, {sky}."
    for n, (place, sky) in enumerate(
        [(place, sky) for place in ("Aberlund", "Corvo", "Dunmere", "Estrel", "Felsach", "Gorran", "Hallow") for sky in
         ("clear", "light rain", "snow on the pass", "fog until noon", "thunder in the west", "overcast", "hail", "drizzle")]
    )
)  # fmt: skip
_DESCRIPTION = (
    "The picture shows four shapes on white: a red circle in the upper left corner, a blue square in the upper right one, a green triangle "
    "below the circle, and a black bar that crosses the picture from the left edge to the right, just above the bottom."
)


def _drawing() -> Image:
    """Shapes all over the image, so that a model predicts their description from all of its parts."""
    image = PIL.Image.new("RGB", (640, 480), "white")
    draw = PIL.ImageDraw.Draw(image)
    draw.ellipse((40, 40, 200, 200), "red")
    draw.rectangle((440, 40, 600, 200), "blue")
    draw.polygon([(120, 240), (40, 400), (200, 400)], "green")
    draw.rectangle((0, 430, 640, 450), "black")
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return Image(stream.getvalue())


PROMPTS: dict[str, Parts] = {"passage": (_PASSAGE,), "mixed": (_MIXED,), "beyond the window": (f"{_LOG}\n\n{_PASSAGE}",)}
CHAT: dict[str, Parts] = {"chat": ("What is the capital of France?",)}  # goes through the chat template
IMAGE: dict[str, Parts] = {"image": ("Look at this picture.", _drawing(), _DESCRIPTION)}  # for a model that reads images
