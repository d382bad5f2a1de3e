"""Files that take another's place at once, so that neither a reader nor a kill ever sees half of one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def replacing(file: Path, errors: str = "strict") -> Iterator[TextIO]:
    """Write a file's new content, which takes the old one's place in the end. Folders are made. `errors`: as in `open`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors=errors) as stream:
            yield stream
        Path(scratch).chmod(0o644)
        Path(scratch).replace(file)
    finally:
        Path(scratch).unlink(missing_ok=True)


def replace_text(file: Path, text: str) -> None:
    """Replace a text file."""
    with replacing(file) as stream:
        stream.write(text)
