"""Asks the Hub: with retries while it is busy, and not again soon after it was found to be away."""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

from gemma_eval.errors import HubAwayError
from gemma_eval.hub.refusals import Kind, client_errors, refusal, retry_after, status_of

T = TypeVar("T")

log = logging.getLogger(__name__)

TRIES = 4  # of one request, while the Hub answers "busy" or "too many requests"
CONNECTION_TRIES = 2  # of one request without any answer; each can take the client's time-out of ten seconds
LONGEST_WAIT = 60.0  # seconds; the Hub may ask for more, up to its window of five minutes
AWAY_SECONDS = 60.0  # for which a Hub that was away is not asked again
AWAY_FROM = 2  # repositories in a row without an answer; the files of one alone may lie on a server that is away


class Connection:
    """This process's way to the Hub. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._silent: dict[str, tuple[float, str]] = {}  # repositories without an answer: until when they are not asked again, and why
        _set_up_client()

    def ask(self, call: Callable[[], T], repo: str, kind: Kind, revision: str | None = None, *, retries: bool = False) -> T:
        """What `call` returns. It is called again if the Hub is busy or the connection ended, unless it `retries` that by itself.

        Raises `HubAwayError` if the Hub cannot be reached or stays busy, and `HubError` if it refuses.
        """
        self._check(repo)
        for tried in range(1, TRIES + 1):
            try:
                found = call()
            except client_errors() as error:
                refused = refusal(error, repo, kind, revision)
                if not isinstance(refused, HubAwayError):
                    raise refused from error
                busy = status_of(error) is not None
                wait = retry_after(error)
                last = tried >= (TRIES if busy else CONNECTION_TRIES) or (retries and _was_retried(error))
                if last or (wait or 0) > LONGEST_WAIT or _offline():
                    if not busy:
                        self._note_silent(repo, str(refused).removeprefix(f"{repo}: "))
                    raise refused from error
                time.sleep(wait if wait is not None else 0.5 * 2 ** (tried - 1) * random.uniform(0.75, 1.25))
            else:
                self._note_answer()
                return found
        raise AssertionError("the last try returns or raises")

    def _check(self, repo: str) -> None:
        if _offline():
            raise HubAwayError(f"{repo}: HF_HUB_OFFLINE is set")
        with self._lock:
            self._silent = {name: found for name, found in self._silent.items() if time.monotonic() < found[0]}
            if repo in self._silent or len(self._silent) >= AWAY_FROM:
                raise HubAwayError(f"{repo}: {self._silent.get(repo, next(iter(self._silent.values())))[1]}")

    def _note_silent(self, repo: str, why: str) -> None:
        with self._lock:
            if not self._silent:
                log.warning("%s; the cache is read instead", why)
            self._silent[repo] = time.monotonic() + AWAY_SECONDS, why

    def _note_answer(self) -> None:
        with self._lock:
            self._silent.clear()


@cache
def connection() -> Connection:
    """The connection of this process."""
    return Connection()


def get(address: str, headers: Mapping[str, str] | None = None) -> Any:
    """The server's response to one GET. The user's token goes to the Hub alone: the addresses of its content network are signed."""
    from huggingface_hub import constants
    from huggingface_hub.utils._headers import build_hf_headers
    from huggingface_hub.utils._http import get_session

    own = build_hf_headers() if address.startswith(f"{constants.ENDPOINT}/") else {}
    timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
    return get_session().get(address, headers={**own, **(headers or {})}, follow_redirects=True, timeout=timeout)


def _was_retried(error: BaseException) -> bool:
    """Whether `hf_hub_download` has tried again by itself. It does not while it receives a file: not on a lost connection, nor on a 5xx."""
    from huggingface_hub import errors

    status = status_of(error)
    lost = type(error).__name__ == "ReadError" if status is None else status != 429
    return isinstance(error, errors.LocalEntryNotFoundError) or not lost


def _offline() -> bool:
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def _set_up_client() -> None:
    """Make the Hub's client quiet and impatient.

    It logs a line or two for each retry, and this module says once what matters; HF_HUB_VERBOSITY still wins. For a file that is not in
    the cache, it waits a minute for each of six tries, whatever its time-out says.
    """
    from huggingface_hub import constants, file_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    if hasattr(file_download, "_ETAG_RETRY_TIMEOUT"):
        file_download._ETAG_RETRY_TIMEOUT = constants.HF_HUB_ETAG_TIMEOUT
    if not os.environ.get("HF_HUB_VERBOSITY"):
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
