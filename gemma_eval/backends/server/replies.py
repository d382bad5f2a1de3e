"""The shape of a server's replies, checked in one place. A reply of another shape is no answer."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from gemma_eval.backends.prefix_cache.messages import NoAnswerError
from gemma_eval.backends.tolerance import ABOVE_ZERO

LONGEST = 300  # characters of a server's own words in a message

M = TypeVar("M", bound="Shape")


class Shape(BaseModel):
    """No value is converted, no number is NaN or infinite, and what is not listed is ignored."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 2**31 else None


def _object(value: Any) -> Any:
    return value if isinstance(value, dict) else {}


Logprob = Annotated[float, Field(le=ABOVE_ZERO), AfterValidator(lambda value: min(value, 0.0))]
Count = Annotated[int | None, BeforeValidator(_count)]  # None: not said, or not in a way that can be meant
Text = Annotated[str, AfterValidator(lambda text: re.sub("[\ud800-\udfff]", "\ufffd", text))]  # no file can hold half a character


class Logprobs(Shape):
    """OpenAI's log-probabilities of tokens, and of the likeliest in their places."""

    token_logprobs: list[Logprob | None] | None = None
    top_logprobs: list[dict[str, Logprob] | None] | None = None


class PromptToken(Shape):
    """vLLM's entry of a token of the prompt."""

    logprob: Logprob


class Choice(Shape):
    """One text. `stop_reason`: vLLM's, the stop string or token."""

    text: Text
    finish_reason: Literal["stop", "length"]
    stop_reason: Any = None
    logprobs: Logprobs | None = None
    prompt_logprobs: list[dict[str, PromptToken] | None] | None = None


class PromptDetails(Shape):
    """`cached_tokens`: tokens of the prompt that came from a cache."""

    cached_tokens: Count = None


class Usage(Shape):
    """Tokens as the server counted them."""

    prompt_tokens: Count = None
    completion_tokens: Count = None
    prompt_tokens_details: Annotated[PromptDetails, BeforeValidator(_object)] = PromptDetails()


class Completion(Shape):
    """The reply to a request for one text."""

    choices: Annotated[list[Choice], Field(min_length=1, max_length=1)]
    usage: Annotated[Usage, BeforeValidator(_object)] = Usage()


class ListedModel(Shape):
    """An entry of the list of models."""

    id: str


class ModelList(Shape):
    """The models that a server offers."""

    data: list[ListedModel]


class Version(Shape):
    """What vLLM's `/version` says."""

    version: str


def read(shape: type[M], found: Any) -> M:
    """The reply in its shape. Raises `NoAnswerError` that names the first field which does not fit."""
    try:
        return shape.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "all of it"
        word = "null" if first["input"] is None else str(first["input"])
        said = f", not {word}" if word.isidentifier() and len(word) < 20 else ""  # a word, such as a finish reason
        raise NoAnswerError(one_line(f"the server's reply is not as expected: {where}: {first['msg']}{said}")) from None


def refusal(found: Any) -> tuple[int, str] | None:
    """The status and words of an error that came as an ordinary reply; None if the reply is not an error."""
    if not isinstance(found, dict) or not (found.get("error") or found.get("object") == "error"):
        return None
    error = found.get("error")
    code = str((error if isinstance(error, dict) else found).get("code"))
    return int(code) if re.fullmatch("[45][0-9][0-9]", code) else 400, _words(found)


def words(text: str) -> str:
    """What the text of an error says: a part of it if it is JSON of a known form, else all of it."""
    try:
        return _words(json.loads(text))
    except (ValueError, RecursionError):
        return text


def _words(found: Any) -> str:
    """The message in the forms of OpenAI, vLLM and FastAPI."""
    for name in ("error", "message", "detail"):
        if isinstance(found, dict) and found.get(name):
            found = found[name]
    return found if isinstance(found, str) else json.dumps(found)


def one_line(text: str) -> str:
    """The beginning of a text from elsewhere, as part of a message of one line."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…"
