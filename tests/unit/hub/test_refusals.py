"""Errors of the Hub's client become one clear line; what cannot be reached is not called refused."""

from __future__ import annotations

import errno
import json
from typing import Any

import httpx2
import pytest
from huggingface_hub import errors
from huggingface_hub.utils._http import hf_raise_for_status

from gemma_eval.errors import HubAwayError
from gemma_eval.hub.refusals import client_errors, page, refusal, retry_after, status_of

REPO = "org/name"
REQUEST = httpx2.Request("GET", f"https://huggingface.co/api/datasets/{REPO}/revision/v9")


def answered(status: int, code: str = "", **headers: str) -> Exception:
    """The error that the client raises for a response."""
    found = {"X-Error-Code": code, **{name.replace("_", "-"): value for name, value in headers.items()}}
    try:
        hf_raise_for_status(httpx2.Response(status, headers=found, request=REQUEST))
    except Exception as error:
        return error
    raise AssertionError("the client takes it")


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


REFUSED = [
    (answered(401, "GatedRepo"), "gated: accept its terms at https://huggingface.co/{page}, then log in with `hf auth login`"),
    (answered(403, "GatedRepo"), "gated: accept its terms at https://huggingface.co/{page}, then log in with `hf auth login`"),
    (answered(404, "RepoNotFound"), "no such {kind} on the Hub, or it is private and you are not logged in (`hf auth login`)"),
    (answered(401, "RepoNotFound"), "no such {kind} on the Hub, or it is private and you are not logged in (`hf auth login`)"),
    (answered(404, "RevisionNotFound"), "no revision 'v9' on the Hub; https://huggingface.co/{page}/commits/main lists the commits"),
    (answered(404, "EntryNotFound"), "no such file on the Hub"),
    (answered(403, X_Error_Message="Access to this resource is disabled."), "disabled by the Hub: choose another copy"),
    (answered(403), "forbidden: the token may not read this repository"),
    (answered(401, X_Error_Message="Invalid credentials in Authorization header"), "the token is not valid (it may have expired)"),
    (errors.HFValidationError("Repo id must use alphanumeric chars: 'a b'.\nMore."), "not a name on the Hub: Repo id must use"),
    (OSError(errno.ENOSPC, "No space left on device"), "no space is left for its files in "),
    (OSError(errno.EFBIG, "File too large"), "no space is left for its files in "),
    (OSError("Consistency check failed: file should be of size 9 but has size 4"), "a file came truncated: run the same command again"),
    (PermissionError(errno.EACCES, "Permission denied", "/there"), "/there cannot be written (Permission denied): set HF_HOME"),
    (OSError(errno.EROFS, "Read-only file system", "/there"), "/there cannot be written (Read-only file system): set HF_HOME"),
    (FileExistsError(errno.ENOTDIR, "Not a directory", "/there"), "/there cannot be written (Not a directory): set HF_HOME"),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["model", "dataset"])
@pytest.mark.parametrize(("error", "said"), REFUSED, ids=[said.split(":")[0][:40] for _, said in REFUSED])
def test_refused(error: Exception, said: str, kind: Any) -> None:
    assert isinstance(error, client_errors())
    expected = f"{REPO}: {said.format(kind=kind, page=page(REPO, kind).removeprefix('https://huggingface.co/'))}"
    for raised in (error, caused(RuntimeError("while loading"), error)):
        found = refusal(raised, REPO, kind, "v9")
        assert not isinstance(found, HubAwayError)
        assert str(found).startswith(expected)
        assert "\n" not in str(found)


def not_json() -> Exception:
    try:
        json.loads("<html>")
    except ValueError as error:
        return error
    raise AssertionError


AWAY = [
    (httpx2.ConnectError("[Errno 111] Connection refused"), "the Hub cannot be reached ([Errno 111] Connection refused)"),
    (httpx2.ConnectError("[Errno -2] Name or service not known"), "the Hub cannot be reached ([Errno -2] Name or service not known)"),
    (httpx2.ReadTimeout("The read operation timed out"), "the Hub cannot be reached (The read operation timed out)"),
    (httpx2.ReadError(""), "the Hub cannot be reached (ReadError)"),
    (httpx2.RemoteProtocolError("Server disconnected without sending a response."), "the Hub cannot be reached (Server disconnected"),
    (httpx2.InvalidURL("Invalid port: 'x'"), "the Hub cannot be reached (Invalid port"),
    (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "the Hub cannot be reached ([Errno 104]"),
    (errors.OfflineModeIsEnabled("Cannot reach: offline mode is enabled."), "HF_HUB_OFFLINE is set"),
    (caused(errors.LocalEntryNotFoundError("Cannot find"), httpx2.ConnectError("refused")), "the Hub cannot be reached (refused)"),
    (caused(errors.LocalEntryNotFoundError("Cannot find"), errors.OfflineModeIsEnabled("offline")), "HF_HUB_OFFLINE is set"),
    (errors.FileMetadataError("Distant resource does not seem to be on huggingface.co"), "the answer is not the Hub's: check HF_ENDPOINT"),
    (not_json(), "the answer is not the Hub's: check HF_ENDPOINT"),
    (answered(429), "too many requests (status 429): wait some minutes, or log in"),
    (answered(500), "the Hub has no answer now (status 500): run the same command again later"),
    (answered(503), "the Hub has no answer now (status 503): run the same command again later"),
    (caused(errors.LocalEntryNotFoundError("Cannot find"), answered(503)), "the Hub has no answer now (status 503)"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "said"), AWAY, ids=[f"{type(error).__name__} {said[:30]}" for error, said in AWAY])
def test_away(error: Exception, said: str) -> None:
    assert isinstance(error, client_errors())
    found = refusal(error, REPO, "dataset")
    assert isinstance(found, HubAwayError)
    assert str(found).startswith(f"{REPO}: {said}")
    assert "\n" not in str(found)


@pytest.mark.parametrize("error", [answered(401, "GatedRepo"), caused(OSError(errno.ENOSPC, "full"), httpx2.ReadError("gone"))])
def test_what_refuses_counts_and_not_what_else_went_wrong(error: Exception) -> None:
    assert not isinstance(refusal(caused(RuntimeError("while"), error), REPO, "model"), HubAwayError)


def test_an_unauthorised_large_file_is_no_unwritable_cache() -> None:
    """The library for large files has a `PermissionError` of its own for a token that may not read."""
    hf_xet = pytest.importorskip("hf_xet")
    found = refusal(hf_xet.XetAuthenticationError("401 Unauthorized"), REPO, "model")
    assert "cannot be written" not in str(found)


def test_every_error_of_a_request_is_caught() -> None:
    """Those of the client that carry a response, or say that something is not there."""
    own = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, httpx2.HTTPError | OSError)]
    assert len(own) > 8
    for cls in own:
        assert issubclass(cls, client_errors())
        error = cls.__new__(cls)
        error.args = ("first line\nsecond line",)
        assert "\n" not in str(refusal(error, REPO, "dataset", None))


def test_status_and_time_to_wait() -> None:
    limited = caused(errors.LocalEntryNotFoundError("Cannot find"), answered(429, Retry_After="17"))
    assert (status_of(limited), retry_after(limited)) == (429, 17.0)
    assert (status_of(answered(503)), retry_after(answered(503))) == (503, None)
    assert retry_after(answered(429, Retry_After="Wed, 21 Oct 2026 07:28:00 GMT")) is None
    assert (status_of(ConnectionError("refused")), retry_after(ConnectionError("refused"))) == (None, None)


def test_a_password_in_the_address_of_the_hub_is_not_shown() -> None:
    error = OSError("Client error '502 Bad Gateway' for url 'https://user:hunter2@mirror.example/api/models/x?token=hunter2'")
    assert str(refusal(error, "google/gemma-3-1b-pt", "model")).endswith("'https://…@mirror.example/api/models/x?…')")
