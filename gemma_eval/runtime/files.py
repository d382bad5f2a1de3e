"""Files that take another's place at once, so that neither a reader nor a kill ever sees half of one; and stand-ins for files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from gemma_eval.runtime.disk import naming

ESCAPED = "backslashreplace"  # `errors=` of texts with halves of surrogate pairs, which data sets hold; JSON reads the escapes back
LFS_POINTER = b"version https://git-lfs.github.com/spec/"


def is_lfs_pointer(file: Path) -> bool:
    """Whether a file is the stub that Git LFS leaves in place of one that it has not fetched. Raises `OSError` if it cannot be read."""
    with file.open("rb") as stream:
        return stream.read(len(LFS_POINTER)) == LFS_POINTER


@contextmanager
def replacing(file: Path, errors: str = "strict") -> Iterator[TextIO]:
    """Write a file's new content, which takes the old one's place in the end. Folders are made. `errors`: as in `open`.

    Raises `OSError`, naming the file, if it cannot be written.
    """
    handle, scratch = _scratch(file)
    try:
        with naming(file):
            with os.fdopen(handle, "w", encoding="utf-8", errors=errors) as stream:
                yield stream
            scratch.chmod(0o644)
            scratch.replace(file)
    finally:
        scratch.unlink(missing_ok=True)


def _scratch(file: Path) -> tuple[int, Path]:
    """An open file beside this one, and its path."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    except OSError as error:
        error.filename = str(file)  # not the name of a file that nobody knows
        raise
    return handle, Path(scratch)


def replace_text(file: Path, text: str) -> None:
    """Replace a text file. Raises `OSError`, naming the file, if it cannot be written."""
    with replacing(file) as stream:
        stream.write(text)
