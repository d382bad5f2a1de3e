"""What the Hub refuses becomes one clear line, for models and datasets alike; what cannot be reached is not called refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from datasets.exceptions import DatasetNotFoundError
from huggingface_hub import errors, utils

from gemma_eval.checkpoint import resolve
from gemma_eval.data.dataset import DatasetRef
from gemma_eval.data.sources import HubSource
from gemma_eval.errors import ConfigError, DataError
from gemma_eval.runtime.hub import from_hub, page, refusal
from gemma_eval.settings import CheckpointRef

REPO = "org/name"


def hub_error(kind: type[Exception]) -> Exception:
    """An error as the Hub's client raises it, made without a response."""
    error = kind.__new__(kind)
    error.args = ("403 Client Error",)
    return error


def raising(error: Exception) -> Callable[..., NoReturn]:
    def ask(*_: object, **__: object) -> NoReturn:
        raise error

    return ask


GATED = r"gated: accept its terms at https://huggingface.co/{page}, then log in with `hf auth login`"
REFUSALS = [
    (errors.GatedRepoError, GATED),
    (errors.RepositoryNotFoundError, "no such {kind} on the Hub, or it is private and you are not logged in"),
    (errors.RevisionNotFoundError, "no revision 'v9'; https://huggingface.co/{page} lists"),
]


@pytest.mark.parametrize(("error", "said"), REFUSALS)
def test_a_refused_model(error: type[Exception], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.snapshot_download", raising(hub_error(error)))
    with pytest.raises(ConfigError, match=f"^{REPO}: {said.format(page=REPO, kind='model')}"):
        resolve._downloaded(CheckpointRef(repo=REPO, revision="v9"), weights=True)


@pytest.mark.parametrize(("error", "said"), REFUSALS)
def test_a_refused_dataset(error: type[Exception], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", raising(hub_error(error)))
    with pytest.raises(DataError, match=f"^{REPO}: {said.format(page=f'datasets/{REPO}', kind='dataset')}"):
        HubSource()._commit(REPO, "v9")


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (f"Dataset '{REPO}' is a gated dataset on the Hub. You must be authenticated to access it.", "gated: accept its terms at"),
        (f"Revision 'v9' doesn't exist for dataset '{REPO}' on the Hub.", "no revision 'v9'"),
        (f"Dataset '{REPO}' doesn't exist on the Hub or cannot be accessed.", "no such dataset on the Hub"),
    ],
)
def test_a_dataset_refused_while_it_is_read(message: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`datasets` raises errors of its own, and drops their cause."""
    monkeypatch.setattr("datasets.load_dataset", raising(DatasetNotFoundError(message)))
    monkeypatch.setattr(HubSource, "_commit", lambda source, repo, revision: None)
    with pytest.raises(DataError, match=f"^{REPO} config=default split=test: {said}"):
        HubSource().table(DatasetRef(REPO, revision="v9"), "test", samples=Path("none"))


def unreachable() -> list[Exception]:
    """Errors while the Hub cannot be reached. Those of httpx are no `OSError`."""
    httpx: Any = getattr(utils, "httpx", None)
    found: list[Exception] = [ConnectionError("refused"), errors.OfflineModeIsEnabled("offline"), errors.LocalEntryNotFoundError("no")]
    return found + ([httpx.ConnectError("refused")] if httpx else [])


@pytest.mark.parametrize("error", unreachable(), ids=lambda error: type(error).__name__)
def test_a_hub_that_cannot_be_reached(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows may be in the cache. A model that is there would have been found."""
    assert from_hub(raising(error), REPO, "dataset") is None
    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", raising(error))
    assert HubSource()._commit(REPO, None) is None
    monkeypatch.setattr("huggingface_hub.snapshot_download", raising(error))
    with pytest.raises(ConfigError, match=f"^{REPO}: the Hub cannot be reached and the model is not in its cache"):
        resolve._downloaded(CheckpointRef(repo=REPO), weights=True)


def test_an_error_that_the_hub_caused() -> None:
    caused = ValueError("cannot load")
    caused.__cause__ = hub_error(errors.GatedRepoError)
    assert (refusal(caused, REPO, "model") or "").startswith(f"gated: accept its terms at {page(REPO, 'model')}")
    assert refusal(ValueError("cannot load"), REPO, "model") is None
