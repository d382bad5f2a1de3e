"""Texts -> ids, each distinct line once."""

from __future__ import annotations

import re
from collections import ChainMap
from itertools import chain
from typing import Any

from gemma_eval.errors import PromptError


def _encode(tokenizer: Any, texts: list[str], split_special_tokens: bool = True) -> list[list[int]]:
    if not texts:
        return []
    encoded = tokenizer(texts, add_special_tokens=False, split_special_tokens=split_special_tokens)
    return encoded["input_ids"]  # type: ignore[no-any-return]


class _Pieces:
    """Encodes texts line by line, each distinct line once: exemplars stand in thousands of prompts.

    Exact where runs of newlines are added tokens, as in Gemma's vocabulary: the tokenizer itself cuts a text there before anything
    else. Each call also encodes some texts whole, and all of them if a single one differs.
    """

    CHECKED = 32  # texts a call
    LONGEST = 10_000  # characters of a line worth remembering

    def __init__(self, tokenizer: Any, longest_run: int) -> None:
        self._tokenizer = tokenizer
        self._pattern = re.compile(rf"\n{{1,{longest_run}}}|[^\n]+")
        self._known: dict[str, list[int]] = {}
        self._trusted = True

    @classmethod
    def of(cls, tokenizer: Any) -> _Pieces | None:
        """None for a tokenizer that does not cut at newlines."""
        runs = {token.content for token in tokenizer.added_tokens_decoder.values() if not token.content.strip("\n") and not token.special}
        longest = next((n - 1 for n in range(1, 99) if "\n" * n not in runs), 0)
        return cls(tokenizer, longest) if longest else None

    def encode(self, texts: list[str]) -> list[list[int]]:
        if not self._trusted:
            return _encode(self._tokenizer, texts)
        pieces = [self._pattern.findall(text) for text in texts]
        new = [piece for piece in dict.fromkeys(chain.from_iterable(pieces)) if piece not in self._known]
        found = dict(zip(new, _encode(self._tokenizer, new), strict=True))
        known = ChainMap(found, self._known) if found else self._known
        joined = [list(chain.from_iterable(map(known.__getitem__, parts))) for parts in pieces]
        self._known.update((piece, ids) for piece, ids in found.items() if len(piece) <= self.LONGEST)
        some = range(0, len(texts), max(1, len(texts) // self.CHECKED))
        if _encode(self._tokenizer, [texts[i] for i in some]) != [joined[i] for i in some]:
            self._trusted = False
            return _encode(self._tokenizer, texts)
        return joined


def _leading_ids(tokenizer: Any) -> list[int]:
    """The ids that the tokenizer puts before a text by default, found by looking (flags such as add_bos_token are often stale)."""
    text = "a"
    plain = tokenizer(text, add_special_tokens=False)["input_ids"]
    full = tokenizer(text)["input_ids"]
    leading: list[int] = full[: full.index(plain[0])] if plain[0] in full else []
    if len(leading) > 1:
        raise PromptError(f"the tokenizer puts {len(leading)} tokens before a text; one BOS, or none, is expected")
    return leading
