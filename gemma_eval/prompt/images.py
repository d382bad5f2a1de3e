"""Encoded images become upright RGB pixels, and Pan & Scan crops long ones.

The header alone says whether an image can be read and how large it is. Pixels are decoded only when a model needs them.
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

MAX_PIXELS = PIL.Image.MAX_IMAGE_PIXELS or 1 << 26  # above this, Pillow too suspects a decompression bomb

_TURNS = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}
"""The operation that makes an image upright, by EXIF orientation. From 5 on, it swaps width and height."""


def size(image: Image) -> Size:
    """Width and height of the upright image, from the header alone. Raises `PromptError` if it is no image, or too large."""
    with _open(image) as opened:
        width, height = opened.size
        return (height, width) if _orientation(opened) >= 5 else (width, height)


def decode(image: Image, box: Box | None = None) -> PIL.Image.Image:
    """Upright RGB pixels of the image, or of the part in `box`. Transparent areas become white. Raises `PromptError`."""
    with _open(image) as opened:
        pixels = _upright(opened)
    return pixels.crop(box) if box else pixels


def thumbnail(image: Image, side: int) -> bytes:
    """An upright JPEG of the whole image, no side longer than `side` pixels. Raises `PromptError` if the image cannot be read."""
    with _open(image) as opened:
        pixels = _upright(opened, draft=(side, side))
    pixels.thumbnail((side, side))
    stream = io.BytesIO()
    pixels.save(stream, "JPEG", quality=80)
    return stream.getvalue()


def _upright(opened: PIL.Image.Image, draft: Size | None = None) -> PIL.Image.Image:
    """Upright RGB pixels. With `draft`, a JPEG is decoded at a fraction of its size, no smaller than that."""
    orientation = _orientation(opened)
    try:
        if draft:
            opened.draft("RGB", draft)
        pixels = _rgb(opened)
    except Exception as error:  # Pillow's decoders, of some forty formats, raise any kind of exception
        raise PromptError(f"an image cannot be decoded: {error}") from error
    return pixels.transpose(_TURNS[orientation]) if orientation in _TURNS else pixels


def _open(image: Image) -> PIL.Image.Image:
    try:
        opened = PIL.Image.open(io.BytesIO(image.data))
    except PIL.UnidentifiedImageError as error:
        raise PromptError(f"an image cannot be read: its {len(image.data)} bytes are in no known format") from error
    except Exception as error:  # as in `_upright`
        raise PromptError(f"an image cannot be read: {error}") from error
    if opened.width * opened.height == 0:
        raise PromptError(f"an image of {opened.width} x {opened.height} pixels shows nothing")
    if opened.width * opened.height > MAX_PIXELS:
        raise PromptError(f"an image of {opened.width} x {opened.height} pixels is too large; at most {MAX_PIXELS:,} pixels are decoded")
    return opened


def _orientation(opened: PIL.Image.Image) -> int:
    """EXIF orientation, 1 to 8, from the header alone. Metadata that cannot be read does not turn an image, as in any viewer.

    PNG's own `getexif` would decode all pixels to look for EXIF data after them.
    """
    if opened.format == "TIFF":  # Pillow turns these itself
        return 1
    try:
        orientation = int(PIL.Image.Image.getexif(opened).get(ExifTags.Base.Orientation, 1))
    except Exception:  # as in `_upright`
        return 1
    return orientation if orientation in _TURNS else 1


def _rgb(opened: PIL.Image.Image) -> PIL.Image.Image:
    if opened.mode.startswith("I"):  # 16 bits a pixel, which Pillow would clip at 255
        opened = opened.convert("I").point(lambda value: value / 256).convert("L")
    if not opened.has_transparency_data:
        return opened.convert("RGB")
    opened = opened.convert("RGBA")
    return PIL.Image.alpha_composite(PIL.Image.new("RGBA", opened.size, "white"), opened).convert("RGB")


def pan_and_scan(upright: Size, settings: ImagesConfig) -> list[Box]:
    """The crops shown after the whole image, side by side along its longer side. No crops for an image that is small or nearly square.

    This is the Pan & Scan of the Gemma 3 report (arXiv 2503.19786), by the rule of transformers' Gemma3ImageProcessor.
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
    spans = [(start, min(start + step, long)) for start in range(0, step * count, step)]
    return [(start, 0, end, height) if width >= height else (0, start, width, end) for start, end in spans]
