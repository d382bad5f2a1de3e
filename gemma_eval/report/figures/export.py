"""Figures as files, and as SVG that stands in a page: its own ids, no fonts, no styles, colours that follow the page's."""

from __future__ import annotations

import io
import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib

from gemma_eval.report.figures.style import FAINT, GRID, INK, SERIES, STYLE, Drawn

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
COLOURS = {INK: "currentColor", FAINT: "var(--faint)", GRID: "var(--grid)"} | {
    colour: f"var(--series-{number})" for number, colour in enumerate(SERIES, 1)
}
METADATA = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}  # the same figure is the same file


def save(drawn: Drawn, folder: Path, form: str) -> Path:
    file = folder / f"{drawn.name}.{form}"
    with matplotlib.rc_context(STYLE):
        drawn.figure.savefig(file, format=form, dpi=200, facecolor="white", metadata=METADATA[form])
    return file


def inline_svg(drawn: Drawn) -> str:
    stream = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        drawn.figure.savefig(stream, format="svg", metadata=METADATA["svg"])
    root = ElementTree.fromstring(stream.getvalue())
    _strip(root)
    for element in root.iter():
        _adapt(element, drawn.name)
    width, height = (float(root.attrib.pop(side).removesuffix("pt")) for side in ("width", "height"))
    root.attrib |= {"role": "img", "aria-label": f"{drawn.title}. {drawn.caption}", "style": f"width: {width / 72:.2f}in"}
    root.set("viewBox", f"0 0 {width:g} {height:g}")
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    return ElementTree.tostring(root, encoding="unicode")


def _strip(root: ElementTree.Element) -> None:
    """Without metadata, and without styles, which would hold for the whole page."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)


def _adapt(element: ElementTree.Element, name: str) -> None:
    """Ids begin with the figure's name, so that no two figures share one; colours are the page's."""
    for key, value in element.attrib.items():
        if key == "id":
            element.set(key, f"{name}-{value}")
        elif key == f"{{{XLINK}}}href":
            element.set(key, f"#{name}-{value.removeprefix('#')}")
        elif key in ("style", "clip-path"):
            value = re.sub(r"url\(#", f"url(#{name}-", value)
            element.set(key, re.sub(r"#[0-9a-f]{6}", lambda found: COLOURS.get(found[0], found[0]), value))
