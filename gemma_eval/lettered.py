"""Generated answers that are a letter: of a question with lettered options, reasoned about before it is answered."""

from __future__ import annotations

from collections.abc import Callable

from gemma_eval.scoring import letters


class Lettered:
    """Right is a gold letter. `anywhere`, which also takes a letter that merely stands alone, is a diagnostic."""

    def diagnostics(self) -> dict[str, Callable[[str], str | None]]:
        return {"anywhere": letters.anywhere}

    def judge(self, answer: str, golds: list[str]) -> float:
        return float(answer in golds)
