"""Figures as files, and as SVG in a page. Such SVG has ids of its own, no fonts and no styles, and its colours follow the page's."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import matplotlib

from gemma_eval.report.figures.style import FAINT, GRID, INK, SERIES, STYLE, Drawn

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
COLOURS = {INK: "currentColor", FAINT: "var(--faint)", GRID: "var(--grid)"} | {
    colour: f"var(--series-{number})" for number, colour in enumerate(SERIES, 1)
}
METADATA = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}  # the same figure gives the same bytes


def encoded(drawn: Drawn, form: str) -> bytes:
    """The figure on white, as the content of a file. `form`: svg, png (200 dots per inch) or pdf."""
    return _saved(drawn, form, facecolor="white")


def _saved(drawn: Drawn, form: str, facecolor: str = "none") -> bytes:
    stream = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        drawn.figure.savefig(stream, format=form, dpi=200, facecolor=facecolor, metadata=METADATA[form])
    return stream.getvalue()


def inline_svg(drawn: Drawn) -> str:
    """The figure as an <svg> element that can stand in a page beside others."""
    root = ElementTree.fromstring(_saved(drawn, "svg"))
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
    """Remove metadata, and styles, which would hold for the whole page."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)


def _adapt(element: ElementTree.Element, name: str) -> None:
    """Put the figure's name before each id, so that no two figures share one, and use the page's colours."""
    for key, value in element.attrib.items():
        if key == "id":
            element.set(key, f"{name}-{value}")
        elif key == f"{{{XLINK}}}href":
            element.set(key, f"#{name}-{value.removeprefix('#')}")
        elif key in ("style", "clip-path"):
            value = re.sub(r"url\(#", f"url(#{name}-", value)
            element.set(key, re.sub(r"#[0-9a-f]{6}", lambda found: COLOURS.get(found[0], found[0]), value))
