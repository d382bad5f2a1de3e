"""The vLLM backend against the transformers backend, both in float32, on the same requests."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import numpy as np
import pytest

from gemma_eval.backends import Answer, Backend, open_backend
from gemma_eval.backends.base import Phase
from gemma_eval.backends.prefix_cache import feed
from gemma_eval.backends.vllm import VllmBackend
from gemma_eval.backends.vllm.engine import Capabilities
from gemma_eval.checkpoint.resolve import Checkpoint
from gemma_eval.data.sources import open_source
from gemma_eval.errors import ConfigError, PromptError
from gemma_eval.plan.cost import cost
from gemma_eval.prompt.renderer import Renderer
from gemma_eval.settings import Dtype, TransformersConfig, VllmConfig
from gemma_eval.task.registry import registry
from gemma_eval.task.samples import build
from gemma_eval.types import Encoded, EncodedGenerate, EncodedScore, Generate, GenerateResponse, Prompt, ScoreResponse

pytestmark = [pytest.mark.vllm, pytest.mark.model]

SCORED = {"mmlu": 2, "hellaswag": 2, "arc_challenge": 2, "piqa": 2, "winogrande": 2, "boolq": 1}
WINDOW = 512


@pytest.fixture(scope="module")
def exact(checkpoint: Checkpoint) -> Backend:
    return open_backend(TransformersConfig(dtype=Dtype.float32, device="cpu"), checkpoint)


@pytest.fixture(scope="module")
def questions(exact: Backend) -> list[Encoded]:
    """Bundled items of several tasks, and one question far beyond the sliding window."""
    source = open_source(root=None, samples=True)
    requests = []
    for name, count in SCORED.items():
        task: Any = registry()[name]()
        task.seed, task.limit = 1234, count
        requests += [sample.request for sample in build(task, source).samples]
    encoded = [ids for ids in Renderer(exact.tokenizer, context_length=2000).encode(requests) if not isinstance(ids, PromptError)]
    assert len(encoded) == sum(SCORED.values())
    shortest = min((ids for ids in encoded if isinstance(ids, EncodedScore)), key=lambda ids: len(ids.prompt))
    padding = np.tile(shortest.sequences[0][1:], 60)[: 2 * WINDOW]
    far = [np.concatenate([sequence[:1], padding, sequence[1:]]).astype(np.int32) for sequence in shortest.sequences]
    return [*encoded, EncodedScore(tuple(far), tuple(start + len(padding) for start in shortest.starts))]


def by_index(backend: Backend, requests: list[Encoded]) -> dict[int, Answer]:
    found = {answer.index: answer for answer in backend.answer(requests)}
    assert sorted(found) == list(range(len(requests)))
    return found


def assert_equal_scores(found: dict[int, Answer], reference: dict[int, Answer]) -> None:
    for index, answer in found.items():
        one, other = answer.response, reference[index].response
        assert isinstance(one, ScoreResponse) and isinstance(other, ScoreResponse)
        assert one.logprobs == pytest.approx(other.logprobs, abs=2e-3)
        assert one.lengths == other.lengths and one.greedy == other.greedy


def test_scores_equal_the_transformers_backends(
    vllm_backend: VllmBackend, exact: Backend, questions: list[Encoded], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the prefix cache (one request verified without), in another order, and when all of it is cached."""
    reference = by_index(exact, questions)
    with monkeypatch.context() as patch:
        patch.setattr(vllm_backend, "_settings", dataclasses.replace(vllm_backend._settings, verify=1))
        found = by_index(vllm_backend, questions)
    assert_equal_scores(found, reference)
    assert {"next_token", "cached_rows"} <= set(Counter(answer.method for answer in found.values()))
    some = range(len(questions) - 1, SCORED["mmlu"], -3)
    again = by_index(vllm_backend, [questions[i] for i in some])
    assert_equal_scores({some[index]: answer for index, answer in again.items()}, reference)
    assert any(answer.method == "cached_rows_asked_again" for answer in again.values())


def test_shared_prefixes_are_computed_once(vllm_backend: VllmBackend, questions: list[Encoded]) -> None:
    """But for the last block of 32 tokens, which each choice computes again, since the cache keeps whole blocks."""
    vllm_backend.reset_prefix_cache()
    found = by_index(vllm_backend, questions)
    tokens = cost(questions)
    choices = sum(len(ids.sequences) for ids in questions if isinstance(ids, EncodedScore))
    computed = sum(answer.usage.computed for answer in found.values())
    assert tokens.unique < computed < tokens.unique + 32 * (choices + len(questions)) < tokens.unshared / 2


def test_an_engine_that_takes_one_candidate_at_a_time(vllm_backend: VllmBackend, questions: list[Encoded], exact: Backend) -> None:
    """Older versions offer allowed_token_ids, with log-probabilities as they were before the others were masked."""
    mode = vllm_backend._scoring_mode
    few = questions[:2] + questions[SCORED["mmlu"] :][:2]
    try:
        vllm_backend.__dict__["_scoring_mode"] = dataclasses.replace(mode, ids_per_request=1)
        vllm_backend._engines[0].capabilities = Capabilities(ids_per_request=1, rows_through_cache=True)
        assert_equal_scores(by_index(vllm_backend, few), by_index(exact, few))
    finally:
        vllm_backend.__dict__["_scoring_mode"] = mode
        vllm_backend._engines[0].capabilities = Capabilities.probe()


def generations(backend: Backend, stop: tuple[str, ...] = (), **settings: Any) -> list[Encoded]:
    texts = [
        "The three primary colours are",
        "Question: What is 2 + 2?\nAnswer:",
        "Once upon a time there was a king.\n\nThe king",
        "1, 2, 3,",
    ]
    requests = [Generate(Prompt((text,)), stop, max_tokens=12, **settings) for text in texts]
    return [ids for ids in Renderer(backend.tokenizer, context_length=2000).encode(requests) if isinstance(ids, EncodedGenerate)]


@pytest.mark.parametrize("stop", [(), ("\n",), ("ing", ".", ", 5")])
def test_greedy_texts_equal_the_transformers_backends(vllm_backend: VllmBackend, exact: Backend, stop: tuple[str, ...]) -> None:
    requests = generations(exact, stop=stop)
    found, reference = by_index(vllm_backend, requests), by_index(exact, requests)
    assert {i: answer.response for i, answer in found.items()} == {i: answer.response for i, answer in reference.items()}
    assert sum(a.usage.generated for a in found.values()) == sum(a.usage.generated for a in reference.values())


class Heard:
    """A watcher that keeps what it hears."""

    def __init__(self) -> None:
        self.phases: list[Phase] = []
        self.tokens: list[int] = []

    def phase(self, phase: Phase) -> None:
        self.phases.append(phase)

    def generated(self, tokens: int) -> None:
        self.tokens.append(tokens)


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_a_watcher_hears_of_every_token_once(
    vllm_backend: VllmBackend, exact: Backend, questions: list[Encoded], monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """At each step, if there is time for that; else once the texts have ended."""
    monkeypatch.setattr(feed, "SECONDS", seconds)
    heard = Heard()
    texts = generations(exact, stop=("\n",), temperature=1.0, samples=2, seed=3)
    answers = [answer for answer in vllm_backend.answer([*questions[:2], *texts], heard) if answer.method == "generate"]
    assert heard.phases[-2:] == ["scoring", "generating"] and len(answers) == len(texts)
    assert sum(heard.tokens) == sum(answer.usage.generated for answer in answers) > 0
    assert len(heard.tokens) > 5 if seconds == 0 else len(heard.tokens) == 1


def test_samples_have_seeds_of_their_own(vllm_backend: VllmBackend, exact: Backend) -> None:
    """The same request gives the same texts, whatever it runs with; samples differ, and so do seeds."""
    requests = generations(exact, temperature=1.0, samples=3, seed=7)
    together = by_index(vllm_backend, requests)
    (alone,) = by_index(vllm_backend, requests[1:2]).values()
    assert alone.response == together[1].response
    assert isinstance(alone.response, GenerateResponse) and len(set(alone.response.texts)) == 3
    (other,) = by_index(vllm_backend, generations(exact, temperature=1.0, samples=3, seed=8)[1:2]).values()
    assert other.response != alone.response


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"block_sise": 16}, "has no such engine argument"),
        ({"dtype": "float16"}, "set backend.dtype instead"),
        ({"model": "x"}, "set by gemma_eval"),
        ({"worker_extension_cls": "x"}, "set by gemma_eval"),
    ],
)
def test_unknown_engine_arguments_are_refused(checkpoint: Checkpoint, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        VllmBackend(VllmConfig(engine_args=arguments), checkpoint)


def test_the_fingerprint_tells_what_changes_answers(vllm_backend: VllmBackend, checkpoint: Checkpoint) -> None:
    settings = VllmConfig(dtype=Dtype.float32, enforce_eager=True, engine_args={"max_num_seqs": 8})
    same = VllmBackend(dataclasses.replace(settings, tensor_parallel_size=2, max_model_len=512), checkpoint)
    assert same.fingerprint == vllm_backend.fingerprint
    for changed in ({"dtype": Dtype.bfloat16}, {"kv_cache_dtype": "fp8"}, {"quantization": "fp8"}, {"engine_args": {"block_size": 64}}):
        assert VllmBackend(dataclasses.replace(settings, **changed), checkpoint).fingerprint != same.fingerprint
