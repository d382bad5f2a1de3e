"""Texts become token ids. Each distinct line is encoded once."""

from __future__ import annotations

import re
from collections import ChainMap
from functools import partial
from itertools import chain, islice
from typing import Any

from gemma_eval.errors import PromptError
from gemma_eval.prompt.control import CUT, ControlTokens

GEMMA_BOS = "<bos>"


def encode_texts(tokenizer: Any, control: ControlTokens, texts: list[str]) -> list[list[int]]:
    """Token ids of each text, without BOS. "<bos>" in a text is encoded as the characters it is."""
    return _encode(tokenizer, list(map(control.cut, texts)) if control.can_cut else texts, split_special_tokens=True)


def encode_chats(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    """Token ids of texts of rendered chats, without BOS. The template's control tokens are such; what it was given is cut already."""
    return _encode(tokenizer, texts, split_special_tokens=False)


def _encode(tokenizer: Any, texts: list[str], split_special_tokens: bool) -> list[list[int]]:
    """Token ids of each text. What stands between two `CUT`s is encoded by itself."""
    if not texts:
        return []
    pieces = [text.split(CUT) for text in texts]
    encoded = tokenizer(list(chain.from_iterable(pieces)), add_special_tokens=False, split_special_tokens=split_special_tokens)
    ids = iter(encoded["input_ids"])
    return [next(ids) if len(of_text) == 1 else list(chain.from_iterable(islice(ids, len(of_text)))) for of_text in pieces]


class LineEncoder:
    """Encodes texts line by line, each distinct line once, because exemplars are part of thousands of prompts.

    This is exact for a tokenizer whose added tokens include runs of newlines, as Gemma's do: it splits a text there before it does
    anything else. Each call also encodes some of its texts whole. If one of them differs, lines are no longer used.
    """

    CHECKED = 32  # texts that each call also encodes whole
    LONGEST = 10_000  # characters of the longest line that is remembered

    def __init__(self, tokenizer: Any, control: ControlTokens, longest_run: int) -> None:
        """`longest_run`: newlines in the longest run that is one token."""
        self._encode = partial(encode_texts, tokenizer, control)
        self._pattern = re.compile(rf"\n{{1,{longest_run}}}|[^\n]+")
        self._known: dict[str, list[int]] = {}
        self.trusted = True

    @classmethod
    def of(cls, tokenizer: Any, control: ControlTokens) -> LineEncoder | None:
        """An encoder for this tokenizer, or None if it does not split texts at newlines."""
        runs = {token.content for token in tokenizer.added_tokens_decoder.values() if not token.content.strip("\n") and not token.special}
        longest = next((n - 1 for n in range(1, 99) if "\n" * n not in runs), 0)
        return cls(tokenizer, control, longest) if longest else None

    def lines(self, text: str) -> list[str]:
        """The text in the pieces that are encoded: lines, and runs of newlines."""
        return self._pattern.findall(text)

    def encode(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text, without BOS."""
        if not self.trusted:
            return self._encode(texts)
        split = [self.lines(text) for text in texts]
        new = [line for line in dict.fromkeys(chain.from_iterable(split)) if line not in self._known]
        found = dict(zip(new, self._encode(new), strict=True))
        known = ChainMap(found, self._known) if found else self._known
        encoded = [list(chain.from_iterable(map(known.__getitem__, lines))) for lines in split]
        self._known.update((line, ids) for line, ids in found.items() if len(line) <= self.LONGEST)
        checked = range(0, len(texts), max(1, len(texts) // self.CHECKED))
        if self._encode([texts[i] for i in checked]) != [encoded[i] for i in checked]:
            self.trusted = False
            return self._encode(texts)
        return encoded


def bos_ids(tokenizer: Any) -> list[int]:
    """What stands before every text: BOS, or nothing for a tokenizer that puts nothing there. Raises `PromptError` for anything else.

    It is found by encoding a text, because flags such as `add_bos_token` are often out of date. Gemma was never trained without BOS, so
    its "<bos>" stands there even if the tokenizer's files leave it out.
    """
    text = "a"
    without = tokenizer(text, add_special_tokens=False)["input_ids"]
    full = tokenizer(text)["input_ids"]
    if not without or without[0] not in full:
        raise PromptError(f"the tokenizer reads {text!r} as {full}, without {without}: its files are damaged, or not those of this model")
    leading: list[int] = full[: full.index(without[0])]
    expected = [[tokenizer.bos_token_id]] if tokenizer.bos_token == GEMMA_BOS else [[], leading[:1]]
    if leading and leading not in expected:
        raise PromptError(f"the tokenizer puts {tokenizer.convert_ids_to_tokens(leading)} before a text; one BOS, or none, is expected")
    return expected[0] or leading
