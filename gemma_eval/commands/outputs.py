"""Files that a command writes where the user says: `--json FILE`, `-o FILE`, `--out FOLDER`."""

from __future__ import annotations

from pathlib import Path

from gemma_eval.runtime.disk import refusing
from gemma_eval.runtime.files import ESCAPED

TERMINAL = "-"


def write(file: Path | str, text: str, option: str) -> None:
    """Write a text file and its folders; "-" is the terminal. Raises `DiskError`, naming `option`, if it cannot be written."""
    if str(file) == TERMINAL:
        print(text, end="")
        return
    with refusing(Path(file), option):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(text, encoding="utf-8", errors=ESCAPED)


def append(file: Path | str, text: str, option: str) -> None:
    """Likewise, at the end of a text file."""
    with refusing(Path(file), option), Path(file).open("a", encoding="utf-8", errors=ESCAPED) as stream:
        stream.write(text)


def check(file: Path | str, option: str) -> None:
    """Raise `DiskError` if a file cannot be written: before long work, so that its result has a place. What is there stays."""
    found = Path(file)
    with refusing(found, option):
        new = not found.exists()
        found.parent.mkdir(parents=True, exist_ok=True)
        found.open("a").close()
        if new:
            found.unlink()
