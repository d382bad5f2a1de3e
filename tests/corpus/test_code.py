"""Programs: what is read in the replies of this folder."""

from __future__ import annotations

import pytest

from gemma_eval.metrics import code
from tests.corpus.replies import check, load

TESTS = "assert f(1) == 2"


def test_programs(capsys: pytest.CaptureFixture[str]) -> None:
    check(
        load("code"),
        lambda reply: code.from_reply(reply.reply, TESTS),
        capsys,
        "programs of chat replies",
        lambda found, wanted: found.rstrip() == wanted.rstrip(),
    )
