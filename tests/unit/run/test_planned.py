"""The tokens that requests are planned to take: each once, with the request that needs it first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gemma_eval.plan.cost import cost
from gemma_eval.run.planned import PlannedTokens, planned_tokens
from gemma_eval.task.base import Task
from gemma_eval.task.registry import registry
from gemma_eval.types import Encoded, EncodedGenerate, EncodedScore, Generate, Image, ImageSpan, Prompt, TokenIds

PIQA, GSM8K = (registry()[name]() for name in ("piqa", "gsm8k"))


@dataclass(frozen=True)
class Asked:
    task: Task
    key: str
    encoded: Encoded


def ids(*values: int) -> TokenIds:
    return np.asarray(values, dtype=np.int32)


def text(prompt: TokenIds, samples: int = 1, images: tuple[ImageSpan, ...] = ()) -> EncodedGenerate:
    return EncodedGenerate(prompt, Generate(Prompt(("",)), (), 16, samples=samples), images=images)


def test_shared_tokens_are_counted_once() -> None:
    """Two questions under three exemplar tokens: one of two letters, which are predicted and not read, one of two longer choices."""
    letters = Asked(PIQA, "letters", EncodedScore((ids(2, 10, 11, 20, 5), ids(2, 10, 11, 20, 6)), (4, 4)))
    longer = Asked(PIQA, "longer", EncodedScore((ids(2, 10, 11, 21, 5, 7), ids(2, 10, 11, 21, 6, 7)), (4, 4)))
    assert planned_tokens([letters, longer]) == {"letters": PlannedTokens("piqa", score=4), "longer": PlannedTokens("piqa", score=3)}


def test_texts_read_their_prompt_once_and_are_as_long_as_they_may_be() -> None:
    asked = [Asked(GSM8K, "a", text(ids(2, 10, 20), samples=3)), Asked(GSM8K, "b", text(ids(2, 10, 21)))]
    assert planned_tokens(asked) == {
        "a": PlannedTokens("gsm8k", prefill=3, generate=48, texts=3),
        "b": PlannedTokens("gsm8k", prefill=1, generate=16, texts=1),
    }


def test_a_request_of_several_samples_is_planned_once() -> None:
    asked = Asked(GSM8K, "a", text(ids(2, 10, 20)))
    assert planned_tokens([asked, asked]) == {"a": PlannedTokens("gsm8k", prefill=3, generate=16, texts=1)}


def test_different_images_share_nothing() -> None:
    asked = [
        Asked(GSM8K, str(i), text(ids(2, 9, 9, 20), images=(ImageSpan(Image(content), 1, 3),)))
        for i, content in enumerate([b"a", b"a", b"b"])
    ]
    assert sorted(planned.prefill for planned in planned_tokens(asked).values()) == [0, 3, 4]


def test_sums_are_those_of_the_plan() -> None:
    draw = np.random.default_rng(1)
    encoded: list[Encoded] = []
    for _ in range(200):
        prompt = [2, *draw.integers(3, 6, draw.integers(1, 8))]
        if draw.random() < 0.5:
            encoded.append(text(ids(*prompt)))
        else:
            choices = [ids(*prompt, *draw.integers(3, 6, draw.integers(1, 4))) for _ in range(3)]
            encoded.append(EncodedScore(tuple(choices), (len(prompt),) * 3))
    planned = planned_tokens(Asked(PIQA, str(i), one) for i, one in enumerate(encoded)).values()
    whole = cost(encoded)
    assert sum(one.score + one.prefill for one in planned) == whole.unique
    assert sum(one.generate for one in planned) == whole.generated
