"""Generation under shared prefixes gives the texts of full prompts, whatever the budgets. Samples have seeds of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from gemma_eval.backends.base import Phase
from gemma_eval.backends.transformers import TransformersBackend, decode_attention, full_prompt, generate
from gemma_eval.backends.transformers.forward import run_body
from gemma_eval.backends.transformers.sampling import GeneratedRow, TokenCount, answers
from gemma_eval.backends.transformers.tree_attention import TREE_ATTENTION
from gemma_eval.run.model import open_model
from gemma_eval.types import Encoded, EncodedGenerate, EncodedScore, Generate, GenerateResponse, Prompt
from tests.settings import compose


@pytest.fixture(scope="module")
def model(tiny_gemma: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(tiny_gemma, dtype=torch.float32, attn_implementation=TREE_ATTENTION).eval()


@pytest.fixture(scope="module")
def tokenizer(tiny_gemma: Path) -> Any:
    return AutoTokenizer.from_pretrained(tiny_gemma)


@pytest.fixture(scope="module", autouse=True)
def slots_grow_often() -> Iterator[None]:
    """So that texts of a few tokens fill the window of 16, and go round in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode_attention, "GROWTH", 8)
        yield


def generation(prompt: list[int], stop: tuple[str, ...] = (), max_tokens: int = 6, **sampling: Any) -> EncodedGenerate:
    return EncodedGenerate(np.asarray(prompt, dtype=np.int32), Generate(Prompt(("",)), stop, max_tokens, **sampling))


TOKENS = st.lists(st.integers(5, 9), min_size=1, max_size=24)


@st.composite
def requests(draw: st.DrawFn) -> list[EncodedGenerate]:
    exemplars = draw(TOKENS)
    return [
        generation(
            [2, *(exemplars if draw(st.booleans()) else []), *draw(st.one_of(st.just([]), TOKENS))],
            max_tokens=draw(st.integers(1, 24)),  # beyond the window of 16
            temperature=draw(st.sampled_from([0.0, 1.0])),
            samples=draw(st.integers(1, 3)),
            seed=draw(st.integers(0, 2)),
        )
        for _ in range(draw(st.integers(1, 6)))
    ]


def texts(rows: Iterable[GeneratedRow]) -> dict[int, Any]:
    return {answer.index: answer.response for answer in answers(rows)}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=requests(), pass_budget=st.sampled_from([4, 13, 500]), cache_budget=st.sampled_from([1, 40, 5000]))
def test_shared_prefixes_equal_full_prompts(
    model: Any, tokenizer: Any, batch: list[EncodedGenerate], pass_budget: int, cache_budget: int
) -> None:
    expected = texts(full_prompt.grow(model, tokenizer, batch, budget=1))  # one row at a time
    assert texts(generate.grow(model, tokenizer, batch, pass_budget, cache_budget)) == expected


def test_full_prompts_do_not_depend_on_the_batch(model: Any, tokenizer: Any) -> None:
    batch = [generation([2, *range(5, 5 + n)], max_tokens=20) for n in (1, 3, 30, 7)]
    assert texts(full_prompt.grow(model, tokenizer, batch, budget=10_000)) == texts(full_prompt.grow(model, tokenizer, batch, budget=1))


def test_exemplars_are_prefilled_once(model: Any, tokenizer: Any) -> None:
    exemplars = [2, *range(100, 140)]
    batch = [generation([*exemplars, q, 7], max_tokens=3) for q in range(5, 15)]
    found = list(answers(generate.grow(model, tokenizer, batch, 64, 10_000)))
    generated = sum(answer.usage.generated for answer in found)
    assert sum(answer.usage.computed for answer in found) == len(exemplars) + 10 * 2 + generated
    assert sum(answer.usage.prompt for answer in found) == 10 * (len(exemplars) + 2) + generated


def test_the_time_left_is_judged_by_tokens(model: Any, tokenizer: Any) -> None:
    """Rows of one batch end together: by texts, nothing would be done until all is, and a short run would be compiled."""
    considered = []

    class Judge:
        def start(self) -> None: ...

        def consider(self, done: int, planned: int) -> None:
            considered.append((done, planned))

    batch = [generation([2, *range(100, 140), q, 7], max_tokens=30, samples=2) for q in range(5, 15)]
    judge: Any = Judge()
    found = list(answers(generate.grow(model, tokenizer, batch, 64, 10_000, judge)))
    assert considered[0][0] > 40 and considered[0][1] <= 41 + 20 + 20 * 30
    assert all(later[0] > done and later[1] <= planned for (done, planned), later in pairwise(considered))
    assert considered[-1] == (sum(answer.usage.computed for answer in found),) * 2


def test_rows_under_different_paths_are_decoded_together(model: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading the weights is most of a decoding step's time, so three tasks of two rows each must not take three batches."""
    batch = [generation([2, *range(start, start + 40), q], max_tokens=8) for start in (10, 60, 110) for q in (5, 6)]
    expected = texts(full_prompt.grow(model, tokenizer, batch, budget=1))
    forwards = []

    def counted(model: Any, ids: torch.Tensor, depth: torch.Tensor, context: Any) -> torch.Tensor:
        forwards.append(len(ids))
        return run_body(model, ids, depth, context)

    monkeypatch.setattr(generate, "run_body", counted)
    assert texts(generate.grow(model, tokenizer, batch, 48, 10_000)) == expected
    assert forwards == [6] * 7  # the first token of each comes from the prefill


def test_stop_strings_end_a_text_and_are_not_part_of_it(model: Any, tokenizer: Any) -> None:
    free = texts(generate.grow(model, tokenizer, [generation([2, 5, 6], max_tokens=30)], 64, 1000))[0]
    stop = free.texts[0][40:44]
    stopped = texts(generate.grow(model, tokenizer, [generation([2, 5, 6], max_tokens=30, stop=(stop, "never"))], 64, 1000))[0]
    assert stopped.finish == ("stop",)
    assert stopped.texts[0] == free.texts[0][: free.texts[0].find(stop)]
    assert stopped.tokens[0] < 30


def test_samples_differ_by_seed_and_agree_with_themselves(model: Any, tokenizer: Any) -> None:
    batch = [generation([2, 5, 6], temperature=1.0, samples=4, seed=seed) for seed in (1, 1, 2)]
    found = texts(generate.grow(model, tokenizer, batch, 64, 1000))
    assert found[0] == found[1] != found[2]
    assert len(set(found[0].texts)) == 4


@pytest.mark.parametrize("share", [True, False])
def test_a_text_as_it_grows_ends_as_the_answer(tiny_gemma: Path, share: bool) -> None:
    chosen = [f"model.path={tiny_gemma}", "model=local", "backend.dtype=float32", f"backend.share_prefixes={share}"]
    backend = open_model(compose(*chosen)).backend
    assert isinstance(backend, TransformersBackend)
    for request in (generation([2, 5, 6], max_tokens=12), generation([2, 5, 6], max_tokens=12, temperature=1.0, seed=3)):
        (answer,) = backend.answer([request])
        drafts = list(backend.stream(request))
        last = drafts[-1]
        assert last.finish and answer.response == GenerateResponse((last.text,), (last.finish,), (last.tokens,))
        assert [draft.finish for draft in drafts[:-1]] == [None] * (len(drafts) - 1)
        assert [draft.tokens for draft in drafts] == list(range(1, last.tokens + 1)) or last.finish == "eos"


# -- what a watcher hears ---------------------------------------------------------------------------------------


class Heard:
    """A watcher that keeps what it hears."""

    def __init__(self) -> None:
        self.phases: list[Phase] = []
        self.tokens: list[int] = []

    def phase(self, phase: Phase) -> None:
        self.phases.append(phase)

    def generated(self, tokens: int) -> None:
        self.tokens.append(tokens)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=requests(), share=st.booleans(), ends=st.sampled_from([set[int](), set(range(0, 262144, 3))]))
def test_a_watcher_hears_of_every_token_as_it_is_generated(
    model: Any, tokenizer: Any, batch: list[EncodedGenerate], share: bool, ends: set[int]
) -> None:
    """An end token, here one token in three, is not counted."""
    heard = Heard()
    with pytest.MonkeyPatch.context() as patch:
        for module in (generate, full_prompt):
            patch.setattr(module, "end_tokens", lambda generation_config, tokenizer: ends)
        rows = generate.grow(model, tokenizer, batch, 64, 1000) if share else full_prompt.grow(model, tokenizer, batch, budget=1000)
        found = list(TokenCount(heard).answers(rows))
    assert sum(heard.tokens) == sum(answer.usage.generated for answer in found)
    assert set(heard.tokens) <= {1}


@pytest.mark.parametrize("share", [True, False])
def test_a_watcher_hears_of_phases_and_of_each_token_once_though_memory_runs_out(
    tiny_gemma: Path, share: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = generate if share else full_prompt
    grow, calls, told_before = module.grow, [], []
    heard = Heard()

    def short_of_memory(*arguments: Any) -> Iterator[GeneratedRow]:
        calls.append(arguments)
        rows = grow(*arguments)
        yield from rows if len(calls) > 1 else islice(rows, 7)
        if len(calls) == 1:
            told_before.extend(heard.tokens)
            raise torch.OutOfMemoryError

    monkeypatch.setattr(module, "grow", short_of_memory)
    chosen = [f"model.path={tiny_gemma}", "model=local", "backend.dtype=float32", f"backend.share_prefixes={share}"]
    backend = open_model(compose(*chosen)).backend
    sequence = np.array([2, 5, 6, 7], dtype=np.int32)
    batch: list[Encoded] = [generation([2, 5, 6], max_tokens=12), EncodedScore((sequence,), (3,)), generation([2, 9], max_tokens=5)]
    usage = {answer.index: answer.usage for answer in backend.answer(batch, heard)}
    assert heard.phases == ["loading", "scoring", "generating"]
    assert len(calls) == 2 and sum(told_before) == 7
    assert sum(heard.tokens) == sum(usage[i].generated for i in (0, 2)) and usage[1].generated == 0
    list(backend.answer(batch[:1], heard))
    assert heard.phases[3:] == ["generating"]
