"""Disks that are full, read-only or away: which file could not be read or written, and what moves it to another place."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from gemma_eval.errors import DiskError
from gemma_eval.runtime.paths import cache_folder

ROOM = "free some space"

FULL_OR_BROKEN = {
    errno.ENOSPC: ROOM,
    errno.EDQUOT: ROOM,
    errno.EFBIG: "`ulimit -f` or the file system allows no larger file",
    errno.EROFS: "",
    errno.EIO: "the disk may be faulty",
}
"""What to do about the errors of a disk, which libraries wrap in errors of their own."""

MENDS = FULL_OR_BROKEN | {
    errno.EACCES: "change who may use it",
    errno.EPERM: "change who may use it",
    errno.ESTALE: "the network file system lost it",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOTDIR: "a part of its path is a file",
    errno.EISDIR: "name a file",
    errno.EEXIST: "name a folder",
    errno.ELOOP: "its links lead in a circle",
    errno.EMFILE: "raise `ulimit -n`",
    errno.ENFILE: "too many files are open on this machine",
}
"""What to do about errors that are a disk's or a path's, and not the program's."""

IN_WORDS = re.compile(r"\((?:os error|errno) (\d+)\)|\[Errno (\d+)\]", re.IGNORECASE)  # as libraries in Rust and C++ tell them


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """Give an `OSError` of the block the name of the file, if it has none: a full disk is noticed where the name is not known."""
    try:
        yield
    except OSError as error:
        if error.errno and error.filename is None:
            error.filename = str(file)
        raise


@contextmanager
def refusing(file: Path, setting: str = "") -> Iterator[None]:
    """A block that writes this file, or to this folder, and nothing else. Raises `DiskError` if it cannot be written.

    `setting`: what chooses another place.
    """
    try:
        yield
    except OSError as error:
        raise _told(error.errno or 0, str(file), {setting: file} if setting else {}) from error


def disk_error(error: BaseException, places: Mapping[str, Path] | None = None) -> DiskError | None:
    """What the user can mend of an error that a disk caused, in one line; None for any other error.

    `places`: settings that choose a folder, and the folder each of them chose, beside those of the caches.
    """
    found = _cause(error)
    return _told(*found, places or {}) if found else None


def _told(number: int, file: str, places: Mapping[str, Path]) -> DiskError:
    setting = _setting(file, places)
    mends = [MENDS.get(number, ""), f"choose another place with {setting}" if setting else ""]
    return DiskError("; ".join([f"{file or 'a file'}: {os.strerror(number)}", *filter(None, mends)]))


def _cause(error: BaseException) -> tuple[int, str] | None:
    """Number and file of the disk's error that this one is, or that it was raised from."""
    if isinstance(error, OSError) and error.errno in MENDS:
        return error.errno, os.fsdecode(error.filename or b"") if isinstance(error.filename, str | bytes | None) else ""
    wrapped: BaseException | None = error
    while wrapped is not None:
        if isinstance(wrapped, OSError) and wrapped.errno in FULL_OR_BROKEN:
            return _cause(wrapped)
        if (told := IN_WORDS.search(str(wrapped))) and (number := int(told[1] or told[2])) in FULL_OR_BROKEN:
            return number, ""
        wrapped = wrapped.__cause__ or wrapped.__context__
    return None


def _setting(file: str, places: Mapping[str, Path]) -> str:
    """The setting that chose the folder of this file; empty if none is known to have."""
    path = Path(file).absolute()
    within = (setting for setting, folder in {**places, **_caches()}.items() if path.is_relative_to(folder.absolute()))
    return next(within, "") if file else ""


def _caches() -> dict[str, Path]:
    """The folders that keep what can be had again, by the variable that chooses each."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface"
    found = {"GEMMA_EVAL_CACHE": cache_folder()}
    found |= {name: Path(chosen) for name in ("HF_HUB_CACHE", "HF_DATASETS_CACHE") if (chosen := os.environ.get(name))}
    found["HF_HOME"] = Path(os.environ.get("HF_HOME") or home)
    if chosen := os.environ.get("TMPDIR"):
        found["TMPDIR"] = Path(chosen)
    return found


def check_writable(folder: Path, setting: str) -> None:
    """Raise `DiskError` if no file can be written in a folder, which `setting` chooses. A new folder is not left behind."""
    with refusing(folder, setting):
        made = [one for one in (folder, *folder.parents) if not one.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as stream:
                stream.write(bytes(4096))
                stream.flush()
        finally:
            for one in made:
                with suppress(OSError):
                    one.rmdir()
