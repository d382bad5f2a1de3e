"""Replies as models write them, and what a careful human reads in each. One YAML file holds the replies of one family of extractors.

A file is a list of mappings:

    - reply: |-            # the whole reply
        **Answer:** 18
      read: '18'           # what a careful human reads; null if the reply gives no single answer
      style: gemma, en     # whose manner, and the language
      note: bold label     # optional: what is hard about it
      task: mmmu           # optional: for an extractor that only this task uses
      options: [cat, dog]  # optional: the texts of the item's options, for an extractor that needs them
      missed: true         # optional: known to be read wrongly

A reply that is read wrongly and not marked `missed` fails its test. So does a marked one that is read rightly: its mark must go. The share
that is read rightly can therefore only grow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import eq
from pathlib import Path

import pytest
import yaml

SMALLEST = 60  # replies of a family


@dataclass(frozen=True)
class Reply:
    """One reply of a corpus; the module says what its fields are."""

    reply: str
    read: str | None
    style: str
    note: str = ""
    task: str = ""
    options: tuple[str, ...] = ()
    missed: bool = False


def load(family: str) -> list[Reply]:
    """The replies of `tests/corpus/<family>.yaml`, in order."""
    items = yaml.safe_load(Path(__file__).with_name(f"{family}.yaml").read_text(encoding="utf-8"))
    return [Reply(**(item | {"options": tuple(item.get("options", ()))})) for item in items]


def check(
    replies: list[Reply], read: Callable[[Reply], str | None], capsys: pytest.CaptureFixture[str], name: str, same: Callable[..., bool] = eq
) -> None:
    """Prints the share that `read` reads rightly, and fails unless exactly the replies marked `missed` are read wrongly.

    `same` compares an answer with what is to be read; both are texts, since None equals None alone.
    """
    found = [read(reply) for reply in replies]
    right = [_right(answer, reply.read, same) for answer, reply in zip(found, replies, strict=True)]
    with capsys.disabled():
        print(f"\n{name}: {sum(right)} of {len(replies)} replies read rightly")
    assert len(replies) >= SMALLEST
    lost = [
        (reply.reply, reply.read, answer) for reply, answer, ok in zip(replies, found, right, strict=True) if not ok and not reply.missed
    ]
    assert not lost, f"{name}: read wrongly (reply, to be read, was read): {lost}"
    gained = [reply.reply for reply, ok in zip(replies, right, strict=True) if ok and reply.missed]
    assert not gained, f"{name}: read rightly now, so take away their mark `missed`: {gained}"


def _right(answer: str | None, wanted: str | None, same: Callable[..., bool]) -> bool:
    return answer is wanted if answer is None or wanted is None else bool(same(answer, wanted))
