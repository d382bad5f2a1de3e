"""Errors that a user can mend, and parts of their messages. Only the message is printed. Any other error is a bug and shows a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GemmaEvalError(Exception):
    """Base of every error this package raises on purpose. The message says what is wrong and how to mend it."""


class ConfigError(GemmaEvalError):
    """A setting, or a combination of settings, that cannot work. Names the key and the choices."""


class DataError(GemmaEvalError):
    """A dataset that is missing, gated or malformed. Names repository, config, split and row."""


class PluginError(GemmaEvalError):
    """A task page that cannot be registered. Names the file and the field."""


class PromptError(GemmaEvalError):
    """A request that cannot be sent to this model: too long without any exemplar, images for a text model, a broken image, ..."""


class UnansweredError(GemmaEvalError):
    """Some requests cannot be answered, as became clear only on the way: an image does not decode. All others were answered first."""

    def __init__(self, reasons: dict[int, str]) -> None:
        super().__init__(f"{len(reasons)} requests cannot be answered; {next(iter(reasons.values()))}")
        self.reasons = reasons  # by the request's index


class ModelError(GemmaEvalError):
    """A model whose scores would mean nothing: NaN weights, prompts without BOS, ... Names the cause."""


class RunError(GemmaEvalError):
    """A run directory that is missing, damaged or in use."""


class MetricError(GemmaEvalError):
    """A metric that gives something else than a finite number. Names the metric; the answer is kept without a score."""


class DiskError(GemmaEvalError):
    """A file that a disk does not let the program read or write: full, read-only, too long a name, ... Names the file."""


class SandboxError(GemmaEvalError):
    """Generated code cannot be run here. Says what to install, or which setting to change."""


class HubError(GemmaEvalError):
    """The Hub refuses a repository or cannot be reached. Names the repository and says how to mend it."""


class HubAwayError(HubError):
    """The Hub cannot be reached, or has no answer now. The cache may still have what was asked for."""


def near(name: str, options: Iterable[str]) -> str:
    """` Did you mean 'x' or 'y'?`, or nothing if no option is like `name`."""
    found = difflib.get_close_matches(name, list(options), n=3)
    return f" Did you mean {' or '.join(map(repr, found))}?" if found else ""


def one_line(error: BaseException, longest: int = 200) -> str:
    """The message of a library's or a page's exception on one line, at most `longest` characters of it."""
    return " ".join(str(error).split())[:longest]
