"""Encoded pictures become upright RGB pixels, and Pan & Scan cuts long ones into crops.

The header alone says whether a picture can be read and how large it is; pixels are decoded only when a model needs them.
"""

from __future__ import annotations

import io
import math

import PIL.Image
from PIL import ExifTags

from gemma_eval.errors import PromptError
from gemma_eval.settings import ImagesConfig
from gemma_eval.types import Box, Image

Size = tuple[int, int]
"""Width and height of an upright image, in pixels."""

MAX_PIXELS = PIL.Image.MAX_IMAGE_PIXELS or 1 << 26  # beyond, Pillow itself suspects a decompression bomb

_TURNS = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}
"""What makes an image upright, by EXIF orientation. From 5 on, width and height change places."""


def size(image: Image) -> Size:
    """Size once upright, from the header alone. Raises `PromptError` if it is no image, or a gigantic one."""
    with _opened(image) as picture:
        width, height = picture.size
        return (height, width) if _orientation(picture) >= 5 else (width, height)


def decode(image: Image, box: Box | None = None) -> PIL.Image.Image:
    """Upright RGB pixels of the image or a part of it, transparency on white. Raises `PromptError` if it cannot be read."""
    with _opened(image) as picture:
        pixels = _upright(picture)
    return pixels.crop(box) if box else pixels


def thumbnail(image: Image, side: int) -> bytes:
    """A JPEG of the whole image, upright, no side longer than `side` pixels. Raises `PromptError` if it cannot be read."""
    with _opened(image) as picture:
        picture.draft("RGB", (side, side))  # a JPEG is then decoded at a fraction of its size
        pixels = _upright(picture)
    pixels.thumbnail((side, side))
    stream = io.BytesIO()
    pixels.save(stream, "JPEG", quality=80)
    return stream.getvalue()


def _upright(picture: PIL.Image.Image) -> PIL.Image.Image:
    orientation = _orientation(picture)
    try:
        pixels = _rgb(picture)
    except Exception as error:  # as below
        raise PromptError(f"an image cannot be decoded: {error}") from error
    return pixels.transpose(_TURNS[orientation]) if orientation in _TURNS else pixels


def _opened(image: Image) -> PIL.Image.Image:
    try:
        picture = PIL.Image.open(io.BytesIO(image.data))
    except PIL.UnidentifiedImageError as error:
        raise PromptError(f"an image cannot be read: its {len(image.data)} bytes are in no known format") from error
    except Exception as error:  # the decoders of some forty formats raise what they like
        raise PromptError(f"an image cannot be read: {error}") from error
    if picture.width * picture.height > MAX_PIXELS:
        raise PromptError(f"an image of {picture.width} x {picture.height} pixels is too large; at most {MAX_PIXELS:,} pixels are decoded")
    return picture


def _orientation(picture: PIL.Image.Image) -> int:
    """EXIF orientation as far as the header tells: PNG's own `getexif` would decode the whole picture to look behind the pixels."""
    if picture.format == "TIFF":  # Pillow itself turns these
        return 1
    return int(PIL.Image.Image.getexif(picture).get(ExifTags.Base.Orientation, 1))


def _rgb(picture: PIL.Image.Image) -> PIL.Image.Image:
    if picture.mode.startswith("I"):  # 16 bits a pixel, which Pillow would clip at 255
        picture = picture.convert("I").point(lambda value: value / 256).convert("L")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    return PIL.Image.alpha_composite(PIL.Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def pan_and_scan(upright: Size, settings: ImagesConfig) -> list[Box]:
    """The crops shown after the whole image, along its longer side; none for an image that is nearly square or small.

    The Gemma 3 report's Pan & Scan, by the rule of transformers' Gemma3ImageProcessor.
    """
    width, height = upright
    long, short = max(upright), min(upright)
    if not settings.pan_and_scan or long / short < settings.min_ratio:
        return []
    wanted = min(math.floor(long / short + 0.5), long // settings.min_crop_size)
    count = min(max(2, wanted), settings.max_crops)
    step = math.ceil(long / count)
    if min(step, short) < settings.min_crop_size:
        return []
    cuts = [(start, min(start + step, long)) for start in range(0, step * count, step)]
    return [(a, 0, b, height) if width >= height else (0, a, width, b) for a, b in cuts]
