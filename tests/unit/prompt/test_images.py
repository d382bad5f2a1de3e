"""Images of every format come out upright, in RGB and on white. One that cannot be read is a `PromptError`."""

from __future__ import annotations

import contextlib
import io
import struct
import warnings
import zlib
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemma_eval.errors import PromptError
from gemma_eval.prompt import images
from gemma_eval.prompt.images import decode, pan_and_scan, size
from gemma_eval.settings import ImagesConfig
from gemma_eval.types import Image
from tools.tiny_vision import encoded

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def flag() -> PIL.Image.Image:
    """Upright: 32 wide, 16 high, left half red, right half blue."""
    halves = PIL.Image.new("RGB", (32, 16), RED)
    halves.paste(BLUE, (16, 0, 32, 16))
    return halves


def pixels(image: Image) -> npt.NDArray[np.uint8]:
    return np.asarray(decode(image))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(("orientation", "stored"), [(turn, method) for turn, method in images._TURNS.items()])
def test_exif_orientation_is_undone(kind: str, orientation: int, stored: PIL.Image.Transpose) -> None:
    undone = {PIL.Image.Transpose.ROTATE_90: PIL.Image.Transpose.ROTATE_270, PIL.Image.Transpose.ROTATE_270: PIL.Image.Transpose.ROTATE_90}
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    image = encoded(flag().transpose(undone.get(stored, stored)), kind, exif=exif, **options)
    assert size(image) == (32, 16)
    assert (pixels(image) == np.asarray(flag())).all()


def exif(kind: int, count: int, value: bytes) -> bytes:
    """EXIF data with nothing but an orientation: of this type of TIFF, this many values, and these bytes in place of the value."""
    entry = struct.pack(">HHI", 0x0112, kind, count) + value.ljust(4, b"\0")[:4]
    return b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "metadata",
    [
        exif(2, 4, b"top"),  # text
        exif(7, 3, b"\xff\xfe\0"),  # bytes
        exif(5, 1, struct.pack(">I", 9999)),  # a fraction that lies behind the end
        exif(12, 1, b"\x7f\xf8"),
        exif(3, 1, struct.pack(">H", 9)),  # there is no ninth
        exif(3, 1, struct.pack(">H", 0)),
        b"Exif\0\0MM\0*" + struct.pack(">I", 1 << 30),
        b"Exif\0\0nonsense",
    ],
)
def test_metadata_that_cannot_be_read_turns_no_image(kind: str, metadata: bytes) -> None:
    image = encoded(flag(), kind, exif=metadata, **({"lossless": True} if kind == "WEBP" else {}))
    assert size(image) == (32, 16) == decode(image).size
    left, right = pixels(image)[8, 4].astype(int), pixels(image)[8, 28].astype(int)
    assert (left - right)[0] > 200 and (right - left)[2] > 200
    assert images.thumbnail(image, 8)


@given(
    st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP"]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=12),
    st.floats(0, 1),
)
def test_nothing_but_a_prompt_error_leaves_a_damaged_image(kind: str, damage: list[tuple[float, int]], kept: float) -> None:
    metadata = {} if kind in ("GIF", "BMP") else {"exif": exif(3, 1, struct.pack(">H", 6))}
    data = bytearray(encoded(flag(), kind, **metadata).data)
    for place, value in damage:
        data[int(place * len(data))] = value
    image = Image(bytes(data[: int(kept * len(data)) if kept < 0.5 else len(data)]))
    for read in (size, decode, lambda image: images.thumbnail(image, 8)):
        with contextlib.suppress(PromptError), warnings.catch_warnings(action="ignore"):
            read(image)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "GIF"])
def test_transparency_is_white(mode: str) -> None:
    half_clear = PIL.Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    half_clear.paste((255, 0, 0, 255), (0, 0, 4, 2))
    if mode == "P":
        palette = half_clear.convert("RGB").quantize(2)
        image = encoded(palette, transparency=palette.getpixel((0, 3)))
    elif mode == "GIF":
        image = encoded(half_clear.convert("P"), "GIF", transparency=half_clear.convert("P").getpixel((0, 3)))
    else:
        image = encoded(half_clear.convert(mode))
    found = pixels(image)
    assert (found[2:] == WHITE).all()
    assert not (found[:2] == WHITE).all(axis=2).any()


def test_cmyk_and_grey_become_rgb() -> None:
    cyan = decode(encoded(PIL.Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "TIFF")).getpixel((0, 0))
    assert cyan == (0, 255, 255)
    assert decode(encoded(PIL.Image.new("L", (8, 8), 77))).getpixel((0, 0)) == (77, 77, 77)
    assert decode(encoded(PIL.Image.new("1", (8, 8), 1))).getpixel((0, 0)) == WHITE


def test_sixteen_bits_keep_their_shades() -> None:
    """Pillow's own conversion clips at 255, which makes nearly everything white."""
    shades = np.linspace(0, 65535, 256, dtype=np.uint16).reshape(16, 16)
    found = pixels(encoded(PIL.Image.fromarray(shades)))
    assert (found[..., 0] == shades // 256).all()


def test_the_first_frame_of_an_animation() -> None:
    stream = io.BytesIO()
    flag().save(stream, "GIF", save_all=True, append_images=[PIL.Image.new("RGB", (32, 16))])
    assert decode(Image(stream.getvalue())).getpixel((0, 0)) == RED


def test_a_part_of_the_upright_image() -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    image = encoded(flag().transpose(PIL.Image.Transpose.ROTATE_90), exif=exif)
    assert (np.asarray(decode(image, (16, 0, 32, 16))) == BLUE).all()


@pytest.mark.parametrize("data", [b"", b"not an image", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0" + bytes(50)])
def test_what_is_no_image_is_refused_by_its_header(data: bytes) -> None:
    with pytest.raises(PromptError, match="an image cannot be read"):
        size(Image(data))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF"])
def test_a_truncated_file_has_a_size_but_no_pixels(kind: str) -> None:
    noise = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    whole = encoded(noise, kind).data
    with pytest.raises(PromptError, match="an image cannot be"):
        decode(Image(whole[: len(whole) // 2]))


def bomb(width: int, height: int) -> bytes:
    """A PNG header of a few bytes that promises so many pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [10_000, 60_000])
def test_a_gigantic_image_is_refused_by_its_header(side: int) -> None:
    with pytest.raises(PromptError, match=r"too large|bomb"):
        size(Image(bomb(side, side)))


EMPTY_GIF = b"GIF89a" + struct.pack("<HHBBB", 0, 0, 0, 0, 0) + b"\x2c" + struct.pack("<HHHHB", 0, 0, 0, 0, 0) + b"\x02\x00;"


@pytest.mark.parametrize("data", [bomb(0, 0), bomb(0, 9), EMPTY_GIF, b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_an_image_of_no_pixels_is_refused_by_its_header(data: bytes) -> None:
    with pytest.raises(PromptError, match=r"^an image (cannot be read: .+|of 0 x \d pixels shows nothing)$"):
        size(Image(data))


SIDES = st.integers(1, 5000)
SETTINGS = st.builds(
    ImagesConfig,
    pan_and_scan=st.just(True),
    min_crop_size=st.sampled_from([64, 256, 300]),
    max_crops=st.integers(2, 6),
    min_ratio=st.sampled_from([1.0, 1.2, 2.5]),
)


@given(width=SIDES, height=SIDES, settings=SETTINGS)
def test_crops_are_those_of_transformers(width: int, height: int, settings: ImagesConfig) -> None:
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    theirs = Gemma3ImageProcessorPil().pan_and_scan(
        np.broadcast_to(np.uint8(0), (3, height, width)), settings.min_crop_size, settings.max_crops, settings.min_ratio
    )
    ours = pan_and_scan((width, height), settings)
    assert [(lower - upper, right - left) for left, upper, right, lower in ours] == [crop.shape[1:] for crop in theirs]
    for before, after in pairwise(ours):  # side by side, as theirs are
        assert (before[2], before[1]) == after[:2] or (before[0], before[3]) == after[:2]
    assert not ours or (ours[0][:2], ours[-1][2:]) == ((0, 0), (width, height))
    assert pan_and_scan((width, height), replace(settings, pan_and_scan=False)) == []
