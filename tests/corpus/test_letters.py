"""Option letters, and yes or no: what is read in the replies of this folder."""

from __future__ import annotations

import pytest

from gemma_eval.metrics import agieval, blink, letters, mmmu, options
from tests.corpus.replies import check, load


@pytest.mark.parametrize("family", ["letters", "letters_multilingual"])
def test_chat_replies(family: str, capsys: pytest.CaptureFixture[str]) -> None:
    check(load(family), lambda reply: options.letter(reply.reply), capsys, family)


def test_mmmu(capsys: pytest.CaptureFixture[str]) -> None:
    check(load("mmmu"), lambda reply: mmmu.letter(reply.reply, reply.options), capsys, "MMMU's options")


def test_blink(capsys: pytest.CaptureFixture[str]) -> None:
    check(load("blink"), lambda reply: blink.letter(reply.reply), capsys, "BLINK's options")


def test_agieval(capsys: pytest.CaptureFixture[str]) -> None:
    check(load("agieval"), lambda reply: agieval.letter(reply.reply), capsys, "AGIEval's options")


def test_yes_or_no(capsys: pytest.CaptureFixture[str]) -> None:
    check(load("yes_no"), lambda reply: letters.yes_or_no(reply.reply), capsys, "yes or no")
