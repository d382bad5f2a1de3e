"""What the Hugging Face Hub refuses, in one clear line: gated, missing or private repositories, and revisions that do not exist."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, TypeVar

from gemma_eval.errors import ConfigError, DataError

T = TypeVar("T")

Kind = Literal["model", "dataset"]


def page(repo: str, kind: Kind) -> str:
    """Address of a repository's page, where its terms are accepted."""
    return f"https://huggingface.co/{'datasets/' if kind == 'dataset' else ''}{repo}"


def refusal(error: BaseException, repo: str, kind: Kind, revision: str | None = None) -> str | None:
    """Why the Hub refuses a repository and how to mend it; None for any other error, as when the Hub cannot be reached.

    `error`: an exception of `huggingface_hub`, one that it caused, or one of `datasets`, which drops the cause and keeps a message.
    """
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    for cause in _causes(error):
        dataset_missing = type(cause).__name__ == "DatasetNotFoundError"
        if isinstance(cause, GatedRepoError) or (dataset_missing and "gated" in str(cause)):
            return f"gated: accept its terms at {page(repo, kind)}, then log in with `hf auth login`"
        if isinstance(cause, RevisionNotFoundError) or (dataset_missing and "Revision" in str(cause)):
            return f"no revision {revision!r}; {page(repo, kind)} lists the revisions there are"
        if isinstance(cause, RepositoryNotFoundError) or dataset_missing:
            return f"no such {kind} on the Hub, or it is private and you are not logged in (`hf auth login`)"
    return None


def from_hub(ask: Callable[[], T], repo: str, kind: Kind, revision: str | None = None) -> T | None:
    """What `ask` gets from the Hub; None if the Hub cannot be reached.

    Raises what `refusal` says, beginning with the repository: a `ConfigError` of a model, a `DataError` of a dataset.
    """
    try:
        return ask()
    except _network_errors() as error:
        if (why := refusal(error, repo, kind, revision)) is None:
            return None
        raise (ConfigError if kind == "model" else DataError)(f"{repo}: {why}") from error


def _network_errors() -> tuple[type[Exception], ...]:
    """What a request to the Hub raises. The errors of httpx, which newer versions of `huggingface_hub` use, are no `OSError`."""
    from huggingface_hub import utils

    httpx = getattr(utils, "httpx", None)
    return (OSError, RuntimeError, *([httpx.HTTPError] if httpx else []))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what caused it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
