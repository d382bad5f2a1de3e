"""Which added tokens of a tokenizer steer the model, and how a text that spells one out stays the characters it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from gemma_eval.errors import PromptError

CUT = "\udfff"
"""Where a text is cut before it is encoded: half of a surrogate pair, which no text may hold (`refuse_lone_surrogates`)."""

MARKUP = re.compile(
    "</?(a|b|bbox|blockquote|body|caption|code|div|em|footer|h[1-6]|html|i|iframe|img|li|s|span|strong|su[bp]|table|tbody|td|tfoot|th|thead|tr|u|ul)>"
)
"""Tags that are words of Gemma's vocabulary: "<table>" in a text is one token, as in training."""

_BRACKETED = (re.compile(r"<[^<>]*>"), re.compile(r"\[[^\[\]]*\]"))  # the forms of nearly all control tokens
_NOTHING = re.compile(r"(?!)")


class ControlTokens:
    """The control tokens of one tokenizer: its added tokens, special or not, except those that are text.

    Text is white space, such as Gemma's runs of newlines, and the tags of `MARKUP`. A text with the characters of a control token is cut
    after their first one, and the two sides are encoded by themselves. So it is never that token, whether the tokenizer would take it for
    an added token or put it together from its parts, as one that was made from a GGUF file may do.
    """

    def __init__(self, tokenizer: Any) -> None:
        tokens = {number: str(token.content) for number, token in tokenizer.added_tokens_decoder.items() if not _is_text(token)}
        self.ids = frozenset(tokens)
        self._names = tokens
        self._bracketed = {text for text in tokens.values() if any(form.fullmatch(text) for form in _BRACKETED)}
        others = sorted({*tokens.values()} - self._bracketed - {""}, key=len, reverse=True)
        self._others = re.compile(f"(?=({'|'.join(map(re.escape, others))}))") if others else _NOTHING
        self._longest = max(map(len, tokens.values()), default=0)
        apart = [*_ids(tokenizer, "x"), *_ids(tokenizer, "y")]  # some put a space before each text
        self.can_cut = tokenizer.decode(apart) == tokenizer.decode(_ids(tokenizer, "xy"))

    def cut(self, text: str) -> str:
        """The text with `CUT` inside each place that spells a control token. Raises `PromptError` if this tokenizer would show the cut."""
        spans = self._spans(text)
        if not spans:
            return text
        if not self.can_cut:
            start, end = spans[0]
            raise PromptError(f"the prompt holds the control token {text[start:end]!r} as text, which this tokenizer cannot encode as text")
        places = sorted({start + 1 for start, _ in spans})
        return CUT.join(text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True))

    def cut_between(self, before: str, after: str) -> str:
        """`CUT` if the end of one text and the beginning of the next spell a control token together; else ""."""
        end, beginning = before[-self._longest :], after[: self._longest]
        border = len(end)
        spelled = any(start < border < stop for start, stop in self._spans(end + beginning))
        return CUT if spelled and self.can_cut else ""

    def count(self, text: str) -> int:
        """How many control tokens a text of the model's chat template has."""
        return len(self._spans(text))

    def check(self, ids: Sequence[int], expected: int = 0) -> None:
        """Raise `PromptError`, naming the token, if there are other than `expected` control tokens among these ids."""
        if expected == 0 and self.ids.isdisjoint(ids):
            return
        found = [number for number in ids if number in self.ids]
        if len(found) != expected:
            name = self._names[found[-1]] if found else "a control token"
            raise PromptError(f"the prompt holds the control token {name!r} as text, which this tokenizer cannot encode as text")

    def _spans(self, text: str) -> list[tuple[int, int]]:
        """Where the text spells a control token: first character, and the one after the last."""
        return sorted({*self._found(text)})

    def _found(self, text: str) -> Iterator[tuple[int, int]]:
        for form in _BRACKETED:
            yield from (match.span() for match in form.finditer(text) if match[0] in self._bracketed)
        yield from (match.span(1) for match in self._others.finditer(text))


def _is_text(token: Any) -> bool:
    """Whether an added token is text, not a control token."""
    return not token.special and (not token.content.strip() or MARKUP.fullmatch(token.content) is not None)


def _ids(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def refuse_lone_surrogates(texts: Iterable[str]) -> None:
    """Raise `PromptError` if a text holds half of a surrogate pair."""
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise PromptError(f"the prompt holds {text[error.start]!r}, half of a surrogate pair, which no tokenizer reads") from error
