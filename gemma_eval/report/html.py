"""HTML pages from the templates beside this file. Each page is one file that needs no network, and no scripts to be useful."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gemma_eval.compare import Comparison
from gemma_eval.report.comparison import EXPLAINED, headline, tables

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **values: Any) -> str:
    """A page. Every value is escaped unless it is `Markup`. The page holds its style and its script, and no other script may run."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style, script = ((TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template(template).render(values | {"style": Markup(style), "script": Markup(script), "script_sha256": digest})


def comparison_html(comparisons: Sequence[Comparison]) -> str:
    """A page with a section for each comparison."""
    sections = [
        {
            "title": f"{found.b.name} against {found.a.name}",
            "lines": [line.removeprefix("- ") for line in headline(found)],
            "tables": tables(found),
        }
        for found in comparisons
    ]
    return render("comparison.html.j2", title="Comparison", sections=sections, explained=EXPLAINED)
