"""Data files of the item browser: scripts that hand over one JSON value each. A page opened from disk may read no other files.

They are ASCII. Whatever a text contains (a closing script tag, U+2028, half a surrogate pair, NUL) is written as an escape.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ITEMS = 200  # at most, in a file
CHARACTERS = 1_000_000  # about, in a file; a larger item has a file of its own


def write_data(folder: Path, name: str, value: Any) -> int:
    """Write a value to `data/<name>.js`. Returns the file's size in characters."""
    encoded = json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    file = folder / "data" / f"{name}.js"
    file.parent.mkdir(parents=True, exist_ok=True)
    return file.write_text(f"gemmaEval.receive({json.dumps(name)},{encoded});\n", encoding="ascii")


@dataclass
class Shards:
    """Packs the items of a task into files, in order. `starts` holds the number of each file's first item."""

    folder: Path
    task: str
    starts: list[int] = field(default_factory=list)
    _items: list[dict[str, Any]] = field(default_factory=list)
    _texts: dict[str, int] = field(default_factory=dict)
    _size: int = 0
    _count: int = 0

    def text(self, text: str) -> int:
        """The number of a text in the file that is being filled. Prompts of neighbouring items share most of their texts."""
        if text not in self._texts:
            self._texts[text] = len(self._texts)
            self._size += len(text)
        return self._texts[text]

    def add(self, item: dict[str, Any]) -> None:
        """Add an item, and write the file if it is full."""
        self._items.append(item)
        self._count += 1
        self._size += sum(map(_size, item.values()))
        if len(self._items) >= ITEMS or self._size >= CHARACTERS:
            self.close()

    def close(self) -> None:
        """Write the items that are left."""
        if self._items:
            write_data(self.folder, f"{self.task}/{len(self.starts):03}", {"items": self._items, "texts": list(self._texts)})
            self.starts.append(self._count - len(self._items))
            self._items, self._texts, self._size = [], {}, 0


def _size(value: Any) -> int:
    """The number of characters of the texts in a value."""
    if isinstance(value, dict):
        return sum(map(_size, value.values()))
    return sum(map(_size, value)) if isinstance(value, list) else len(value) if isinstance(value, str) else 0
