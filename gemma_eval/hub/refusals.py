"""Errors of the Hub's client and of the network, each as one clear line that says how to mend it."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from gemma_eval.errors import HubAwayError, HubError
from gemma_eval.runtime.urls import without_secrets

Kind = Literal["model", "dataset"]

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
UNWRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR}
# The words of the Hub's client, which shows the last 40 characters of a long name.
TRUNCATED = re.compile(r"should be of size (\d+) but has size (\d+) \((?:\(…\)(?:[^/)]*/)?)?(.+?)\)")
STATUS = {
    403: "forbidden: the token may not read this repository; make one that may at https://huggingface.co/settings/tokens",
    404: "no such file on the Hub",
    429: "too many requests (status 429): wait some minutes, or log in with `hf auth login` for a higher limit",
}
INVALID_TOKEN = "the token is not valid (it may have expired): log in again with `hf auth login`, or unset HF_TOKEN"
NOT_THE_HUB = "the answer is not the Hub's: check HF_ENDPOINT, and whether a proxy or a login page stands in between"


def page(repo: str, kind: Kind) -> str:
    """Address of a repository's page, where its terms are accepted."""
    return f"https://huggingface.co/{'datasets/' if kind == 'dataset' else ''}{repo}"


def client_errors() -> tuple[type[Exception], ...]:
    """What `huggingface_hub` raises. Its version decides which HTTP library it uses, and the errors of that are not `OSError`s."""
    from huggingface_hub import errors, utils

    own = (OSError, RuntimeError, ValueError, errors.EntryNotFoundError)
    for name in ("httpx2", "httpx"):
        if library := getattr(utils, name, None) or getattr(utils._http, name, None):
            return (*own, library.HTTPError, library.InvalidURL)
    return own


def refusal(error: BaseException, repo: str, kind: Kind, revision: str | None = None) -> HubError:
    """The error that the user sees. It is a `HubAwayError` if the Hub cannot be reached, or has no answer now."""
    causes = list(_causes(error))
    for cause in causes:
        if found := _refused(cause, repo, kind, revision):
            return HubError(f"{repo}: {found}")
    return HubAwayError(f"{repo}: {_away(causes)}")


def _refused(error: BaseException, repo: str, kind: Kind, revision: str | None) -> str | None:
    """Why the Hub, or this machine, refuses; None if the Hub cannot be reached."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return f"gated: accept its terms at {page(repo, kind)}, then log in with `hf auth login`"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"no revision {revision!r} on the Hub; {page(repo, kind)}/commits/main lists the commits there are"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"no such {kind} on the Hub, or it is private and you are not logged in (`hf auth login`)"
    if isinstance(error, errors.DisabledRepoError):
        return "disabled by the Hub: choose another copy"
    if isinstance(error, errors.HFValidationError):
        return f"not a name on the Hub: {_first_line(error)}"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 401:
        return INVALID_TOKEN
    if status in (403, 404):
        return STATUS[status]
    if isinstance(error, OSError) and error.errno in FULL:
        return f"no space is left for its files in {cache_folder()}: free some, or set HF_HOME to a folder on a larger disk"
    if isinstance(error, OSError) and "onsistency check" in str(error):
        return f"{_truncated(str(error))}: run the same command again"
    if isinstance(error, OSError) and error.errno in UNWRITABLE:
        return f"{error.filename or cache_folder()} cannot be written ({error.strerror}): set HF_HOME to a folder that can"
    return None


def _truncated(error: str) -> str:
    if found := TRUNCATED.search(error):
        whole, here, name = found.groups()
        return f"{name} came truncated ({int(here):,} of {int(whole):,} bytes)"
    return "a file came truncated"


def _away(causes: list[BaseException]) -> str:
    from huggingface_hub import errors

    if status := status_of(causes[0]):
        return STATUS.get(status) or f"the Hub has no answer now (status {status}): run the same command again later"
    for cause in causes:
        if isinstance(cause, errors.OfflineModeIsEnabled):
            return "HF_HUB_OFFLINE is set"
        if "JSON" in type(cause).__name__ or type(cause).__name__ in {"FileMetadataError", "UnicodeDecodeError"}:
            return NOT_THE_HUB
    why = causes[-1]
    return f"the Hub cannot be reached ({_first_line(why)})"


def status_of(error: BaseException) -> int | None:
    """The HTTP status with which the server answered, from the error or what caused it; None if it did not answer."""
    statuses = (getattr(response, "status_code", None) for response in _responses(error))
    return next((status for status in statuses if isinstance(status, int) and status >= 400), None)


def retry_after(error: BaseException) -> float | None:
    """Seconds that the server asks to wait before the next request; None if it does not say."""
    said = (str(response.headers.get("Retry-After", "")) for response in _responses(error))
    return next((float(seconds) for seconds in said if seconds.isdigit()), None)


def _responses(error: BaseException) -> Iterator[Any]:
    return (response for cause in _causes(error) if (response := getattr(cause, "response", None)) is not None)


def cache_folder() -> Path:
    """The Hub's own cache, which HF_HOME and HF_HUB_CACHE move."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return without_secrets(lines[0] if lines else type(error).__name__).rstrip(".")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what caused it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
