"""Any change that can change an answer changes the request key; nothing else does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gemma_eval.store.keys import prompt_sha256, request_key
from gemma_eval.types import JSON, Encoded, EncodedGenerate, EncodedScore, Generate, Image, ImageSpan, Prompt, TokenIds

FINGERPRINT: dict[str, JSON] = {
    "checkpoint": {"repo": "google/gemma-3-1b-pt", "commit": "abc"},
    "dtype": "bfloat16",
    "engine": "transformers",
    "engine_version": "5.23.0",
    "attention": "tree",
}
GENERATE = Generate(Prompt(("q",)), ("\n",), 16)


def ids(*values: int) -> TokenIds:
    return np.asarray(values, dtype=np.int32)


@pytest.mark.parametrize("name", sorted(FINGERPRINT))
def test_every_fact_about_model_and_engine_counts(name: str) -> None:
    request = EncodedGenerate(ids(2, 5), GENERATE)
    assert request_key(FINGERPRINT, request) != request_key({**FINGERPRINT, name: "other"}, request)


@pytest.mark.parametrize(
    "changed",
    [
        EncodedGenerate(ids(2, 6), GENERATE),
        EncodedGenerate(ids(2, 5), replace(GENERATE, stop=("\n", "."))),
        EncodedGenerate(ids(2, 5), replace(GENERATE, max_tokens=17)),
        EncodedGenerate(ids(2, 5), replace(GENERATE, temperature=0.5)),
        EncodedGenerate(ids(2, 5), replace(GENERATE, samples=2)),
        EncodedScore((ids(2, 5),), (1,)),
    ],
)
def test_prompt_and_sampling_count(changed: EncodedGenerate | EncodedScore) -> None:
    assert request_key(FINGERPRINT, EncodedGenerate(ids(2, 5), GENERATE)) != request_key(FINGERPRINT, changed)


def test_the_seed_counts_when_something_is_drawn() -> None:
    greedy = [EncodedGenerate(ids(2, 5), replace(GENERATE, seed=seed)) for seed in (0, 1)]
    drawn = [EncodedGenerate(ids(2, 5), replace(GENERATE, seed=seed, temperature=1.0)) for seed in (0, 1)]
    assert len({request_key(FINGERPRINT, request) for request in greedy}) == 1
    assert len({request_key(FINGERPRINT, request) for request in drawn}) == 2


@pytest.mark.parametrize(
    "other",
    [
        EncodedScore((ids(2, 5, 6), ids(2, 5, 8)), (2, 2)),  # another choice
        EncodedScore((ids(2, 5, 6), ids(2, 5, 7)), (1, 2)),  # another boundary
        EncodedScore((ids(2, 5, 7), ids(2, 5, 6)), (2, 2)),  # another order of choices
        EncodedScore((ids(2, 5, 6),), (2,)),
        EncodedScore((ids(2, 5, 6, 2), ids(5, 7)), (2, 2)),  # the same ids in other sequences
    ],
)
def test_continuations_count(other: EncodedScore) -> None:
    request = EncodedScore((ids(2, 5, 6), ids(2, 5, 7)), (2, 2))
    assert request_key(FINGERPRINT, request) != request_key(FINGERPRINT, other)
    assert prompt_sha256(request) != prompt_sha256(other)


def test_images_count() -> None:
    """All images have the same soft tokens. Keys differ by the bytes of the image, its position, and the part that is shown."""
    prompt = ids(2, 9, 9, 5)

    def asked(*images: ImageSpan) -> list[Encoded]:
        return [EncodedGenerate(prompt, GENERATE, images=images), EncodedScore((prompt,), (3,), images=images)]

    one, other = Image(b"one"), Image(b"other")
    spans = [(), (ImageSpan(one, 1, 3),), (ImageSpan(other, 1, 3),), (ImageSpan(one, 1, 3, (0, 0, 8, 8)),), (ImageSpan(one, 1, 2),)]
    requests = [request for images in spans for request in asked(*images)]
    assert len({request_key(FINGERPRINT, request) for request in requests}) == len(requests)
    assert len({prompt_sha256(request) for request in requests}) == len(requests)
    assert request_key(FINGERPRINT, asked(ImageSpan(Image(b"one"), 1, 3))[0]) == request_key(FINGERPRINT, asked(ImageSpan(one, 1, 3))[0])


def test_the_prompt_hash_is_the_same_on_every_engine() -> None:
    request = EncodedScore((ids(2, 5, 6),), (2,))
    assert prompt_sha256(request) == prompt_sha256(EncodedScore((ids(2, 5, 6),), (2,), dropped_shots=1))
