"""Texts become token ids. Each distinct line is encoded once."""

from __future__ import annotations

import re
from collections import ChainMap
from itertools import chain
from typing import Any

from gemma_eval.errors import PromptError


def encode_texts(tokenizer: Any, texts: list[str], split_special_tokens: bool = True) -> list[list[int]]:
    """Token ids of each text, without BOS.

    With `split_special_tokens`, "<bos>" in a text is encoded as the characters it is. Without, it is the control token.
    """
    if not texts:
        return []
    encoded = tokenizer(texts, add_special_tokens=False, split_special_tokens=split_special_tokens)
    return encoded["input_ids"]  # type: ignore[no-any-return]


class LineEncoder:
    """Encodes texts line by line, each distinct line once, because exemplars are part of thousands of prompts.

    This is exact for a tokenizer whose added tokens include runs of newlines, as Gemma's do: it splits a text there before it does
    anything else. Each call also encodes some of its texts whole. If one of them differs, lines are no longer used.
    """

    CHECKED = 32  # texts that each call also encodes whole
    LONGEST = 10_000  # characters of the longest line that is remembered

    def __init__(self, tokenizer: Any, longest_run: int) -> None:
        """`longest_run`: newlines in the longest run that is one token."""
        self._tokenizer = tokenizer
        self._pattern = re.compile(rf"\n{{1,{longest_run}}}|[^\n]+")
        self._known: dict[str, list[int]] = {}
        self.trusted = True

    @classmethod
    def of(cls, tokenizer: Any) -> LineEncoder | None:
        """An encoder for this tokenizer, or None if it does not split texts at newlines."""
        runs = {token.content for token in tokenizer.added_tokens_decoder.values() if not token.content.strip("\n") and not token.special}
        longest = next((n - 1 for n in range(1, 99) if "\n" * n not in runs), 0)
        return cls(tokenizer, longest) if longest else None

    def lines(self, text: str) -> list[str]:
        """The text in the pieces that are encoded: lines, and runs of newlines."""
        return self._pattern.findall(text)

    def encode(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text, without BOS."""
        if not self.trusted:
            return encode_texts(self._tokenizer, texts)
        split = [self.lines(text) for text in texts]
        new = [line for line in dict.fromkeys(chain.from_iterable(split)) if line not in self._known]
        found = dict(zip(new, encode_texts(self._tokenizer, new), strict=True))
        known = ChainMap(found, self._known) if found else self._known
        encoded = [list(chain.from_iterable(map(known.__getitem__, lines))) for lines in split]
        self._known.update((line, ids) for line, ids in found.items() if len(line) <= self.LONGEST)
        checked = range(0, len(texts), max(1, len(texts) // self.CHECKED))
        if encode_texts(self._tokenizer, [texts[i] for i in checked]) != [encoded[i] for i in checked]:
            self.trusted = False
            return encode_texts(self._tokenizer, texts)
        return encoded


def leading_ids(tokenizer: Any) -> list[int]:
    """The ids that the tokenizer puts before a text by default: BOS, or none. Raises `PromptError` if there are more.

    They are found by encoding a text, because flags such as `add_bos_token` are often out of date.
    """
    text = "a"
    without = tokenizer(text, add_special_tokens=False)["input_ids"]
    full = tokenizer(text)["input_ids"]
    leading: list[int] = full[: full.index(without[0])] if without[0] in full else []
    if len(leading) > 1:
        raise PromptError(f"the tokenizer puts {len(leading)} tokens before a text; one BOS, or none, is expected")
    return leading
