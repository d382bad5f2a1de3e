"""Log-likelihoods, accuracies and greedy texts of the real Gemma 3 270M against lm-eval 0.4.13's `hf` model and pipeline, in float32.

Oracle: lm-eval's pages, request building, tokenization, `HFLM`, filters and metrics, from end to end; Hugging Face's own
attention and one forward per continuation, where ours packs prefix trees. Both sides get the same seeded items and exemplars,
and must send the same token ids.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from gemma_eval.backends.transformers import TransformersBackend
from gemma_eval.checkpoint.resolve import Checkpoint
from gemma_eval.data.sources import FolderSource
from gemma_eval.prompt.renderer import Renderer
from gemma_eval.settings import Dtype, TransformersConfig
from gemma_eval.task.registry import registry
from gemma_eval.task.samples import TaskSamples, build
from gemma_eval.types import Encoded, EncodedGenerate, EncodedScore, GenerateResponse, Response, Sample, ScoreResponse
from tests.oracle.lm_eval_tasks import (
    PAGES,
    Pair,
    from_folder,
    from_rows,
    give_exemplars,
    mmlu_page,
    pairs_of_ours,
    run,
    super_glue_boolq,
    table_of,
    text_of,
)

log = logging.getLogger(__name__)  # `--log-cli-level=info` shows what was measured

pytestmark = [pytest.mark.model, pytest.mark.data, pytest.mark.slow]

BOS = 2
SEED = 1234
CONTEXT = 32768

Ids = list[int]


@dataclass
class Ours:
    """Our side: tokenization and model, float32 on CPU."""

    backend: TransformersBackend
    renderer: Renderer

    def answers(self, samples: Sequence[Sample]) -> list[tuple[Encoded, Response]]:
        encoded = [item for item in self.renderer.encode([sample.request for sample in samples]) if not isinstance(item, Exception)]
        assert len(encoded) == len(samples)
        responses = {answer.index: answer.response for answer in self.backend.answer(encoded)}
        return [(item, responses[i]) for i, item in enumerate(encoded)]


@dataclass
class Theirs:
    """lm-eval's `hf` model, float32 on CPU, watched: `sent` has the token ids of every pair that it scored.

    Logits are computed only from each continuation's first token on (`logits_to_keep` of Hugging Face's forward). HFLM
    would compute 262,144 of them for every token of the context and throw them away: most of the time of these tests.
    """

    lm: Any
    sent: dict[Pair, tuple[Ids, Ids]] = field(default_factory=dict)
    _first: dict[tuple[int, ...], int] = field(default_factory=dict)

    def watch(self) -> None:
        score = self.lm._loglikelihood_tokens

        def watched(requests: list[tuple[Pair, Ids, Ids]], **kwargs: Any) -> Any:
            for pair, context, continuation in requests:
                self.sent[pair] = (context, continuation)
                key = tuple((context + continuation)[:-1])
                self._first[key] = min(self._first.get(key, len(key)), len(context) - 1)
            return score(requests, **kwargs)

        self.lm._loglikelihood_tokens = watched
        self.lm._model_call = self._needed_logits

    def _needed_logits(self, ids: torch.Tensor) -> Any:
        """`HFLM._model_call` from the first row on that any of the right-padded (id 0) sequences needs."""
        first = min(self._first[tuple(row[row != 0].tolist())] for row in ids)
        with torch.inference_mode():
            return self.lm.model(ids, logits_to_keep=ids.shape[1] - first).logits


@pytest.fixture(scope="module")
def ours(gemma_270m: Path) -> Ours:
    settings = TransformersConfig(dtype=Dtype.float32, device="cpu")
    backend = TransformersBackend(settings, Checkpoint(gemma_270m, {}, CONTEXT))
    return Ours(backend, Renderer(backend.tokenizer, context_length=CONTEXT))


@pytest.fixture(scope="module")
def hflm(gemma_270m: Path) -> Any:
    """BOS is left to the tokenizer's default, lm-eval's way since 0.4.12."""
    return HFLM(pretrained=str(gemma_270m), dtype="float32", device="cpu", batch_size=1)


@pytest.fixture
def theirs(hflm: Any) -> Iterator[Theirs]:
    found = Theirs(hflm)
    found.watch()
    yield found
    del hflm._loglikelihood_tokens, hflm._model_call  # the instance's own; the class's show again
    hflm.batch_size_per_gpu = 1


def built(name: str, root: Path, limit: int) -> TaskSamples:
    """Our task as the pipeline builds it: seeded items, seeded exemplars."""
    task = registry()[name]()
    task.limit, task.seed = limit, SEED
    return build(task, FolderSource(root))


def page_of(ours: TaskSamples, root: Path) -> Any:
    """lm-eval's task with the exemplars that ours drew. BoolQ's page reads our rows (see test_prompts on titles)."""
    name = ours.task.name
    if name == "boolq":
        return from_rows(
            PAGES[name], {s: [super_glue_boolq(r) for r in table_of(ours.task, root, s).rows] for s in ("validation", "train")}
        )
    page = from_folder(PAGES[name], root)
    if ours.task.num_fewshot:
        pool = list(page.fewshot_docs())
        give_exemplars(page, [pool[int(index)] for index in ours.provenance.exemplars["ids"]["all"]])
    return page


def logged_by_lm_eval(lm: Any, ours: TaskSamples, root: Path) -> list[dict[str, Any]]:
    """What lm-eval's pipeline logs for each of our samples, in our order."""
    page = page_of(ours, root)
    indices = [int(sample.id) for sample in ours.samples]
    logged: list[dict[str, Any]] = run(lm, {ours.task.name: page}, {ours.task.name: indices})["samples"][ours.task.name]
    assert [item["doc_id"] for item in logged] == indices
    return logged


def mmlu_logged_by_lm_eval(lm: Any, ours: TaskSamples, root: Path) -> list[dict[str, Any]]:
    """The same for MMLU, which lm-eval has as one task a subject, with exemplars of its own choice: the first five of dev."""
    subjects = [row["subject"] for row in table_of(ours.task, root).rows]
    places = [(sample.subset, int(sample.id) - subjects.index(sample.subset)) for sample in ours.samples]
    indices = {subject: [place for name, place in places if name == subject] for subject, _ in places}
    pages = {subject: from_folder(mmlu_page(subject), root) for subject in indices}
    for page in pages.values():
        page.set_config("num_fewshot", 5)
    logged = run(lm, pages, indices)["samples"]
    found = {(subject, item["doc_id"]): item for subject, items in logged.items() for item in items}
    return [found[place] for place in places]


def check_ids(encoded: EncodedScore, pairs: Sequence[Pair], sent: dict[Pair, tuple[Ids, Ids]]) -> None:
    """Both sides send the same ids, split at the same place, and one BOS."""
    for sequence, start, pair in zip(encoded.sequences, encoded.starts, pairs, strict=True):
        context, continuation = sent[pair]
        assert sequence.tolist() == context + continuation
        assert start == len(context)
        assert sequence[0] == BOS
        assert BOS not in sequence[1:]


def differences(response: ScoreResponse, resps: Sequence[tuple[float, bool]]) -> Iterator[float]:
    """Checks one item's log-likelihoods and greedy flags; gives each difference."""
    assert response.greedy == tuple(greedy for _, greedy in resps)
    for mine, (other, _) in zip(response.logprobs, resps, strict=True):
        assert abs(mine - other) <= 1e-3 + 2e-5 * abs(other)
        yield abs(mine - other)


def check(mine: TaskSamples, answered: Sequence[tuple[Encoded, Response]], logged: Sequence[dict[str, Any]], theirs: Theirs) -> float:
    """Ids, log-likelihoods, greedy flags and accuracies of every item; gives the largest difference (nats)."""
    worst = 0.0
    for sample, (encoded, response), item in zip(mine.samples, answered, logged, strict=True):
        assert isinstance(encoded, EncodedScore) and isinstance(response, ScoreResponse)
        pairs = pairs_of_ours(sample)
        assert [tuple(pair) for pair in item["arguments"]] == pairs
        check_ids(encoded, pairs, theirs.sent)
        worst = max(worst, *differences(response, item["filtered_resps"]))
        scores = mine.task.score(sample.target, response).scores
        shared = scores.keys() & item.keys()
        assert shared == set(item["metrics"])  # acc, and acc_norm where lm-eval has it
        assert {metric: scores[metric] for metric in shared} == {metric: item[metric] for metric in shared}
    return worst


# Batches are what is fastest on two cores: contexts of a length share one, and long ones would hold too many logits at once.
@pytest.mark.parametrize(("name", "metrics", "batch"), [("piqa", 2, 4), ("arc_easy", 2, 8), ("social_iqa", 1, 8), ("boolq", 1, 1)])
def test_zero_shot(name: str, metrics: int, batch: int, data_root: Path, ours: Ours, theirs: Theirs) -> None:
    theirs.lm.batch_size_per_gpu = batch
    mine = built(name, data_root, limit=100)
    logged = logged_by_lm_eval(theirs.lm, mine, data_root)
    assert len(logged) == 100
    assert len(logged[0]["metrics"]) == metrics
    worst = check(mine, ours.answers(mine.samples), logged, theirs)
    log.info("%s: largest difference %.1e nats", name, worst)


# HFLM reads a context once a choice: eight items of the two longest would take as long as all that is above.
@pytest.mark.parametrize(("name", "limit"), [("arc_challenge", 4), ("hellaswag", 4), ("winogrande", 8), ("mmlu", 8)])
def test_few_shot(name: str, limit: int, data_root: Path, ours: Ours, theirs: Theirs) -> None:
    mine = built(name, data_root, limit)
    logged_by = mmlu_logged_by_lm_eval if name == "mmlu" else logged_by_lm_eval
    logged = logged_by(theirs.lm, mine, data_root)
    assert len(logged) == limit
    answered = ours.answers(mine.samples)
    longest = max(start for encoded, _ in answered if isinstance(encoded, EncodedScore) for start in encoded.starts)
    assert longest > theirs.lm.model.config.sliding_window or name == "winogrande"
    worst = check(mine, answered, logged, theirs)
    log.info("%s: largest difference %.1e nats, longest context %d tokens", name, worst, longest)


def test_needed_logits_are_hflms(data_root: Path, hflm: Any, theirs: Theirs) -> None:
    """The shortcut of `Theirs` changes nothing: HFLM as it stands gives the same log-likelihoods."""
    pairs = [pair for sample in built("piqa", data_root, limit=4).samples for pair in pairs_of_ours(sample)]
    requests = [Instance("loglikelihood", {}, pair, 0) for pair in pairs]
    hflm.batch_size_per_gpu = 4
    short = hflm.loglikelihood(requests, disable_tqdm=True)
    hflm._model_call = partial(HFLM._model_call, hflm)
    plain = hflm.loglikelihood(requests, disable_tqdm=True)
    assert [greedy for _, greedy in short] == [greedy for _, greedy in plain]
    assert [value for value, _ in short] == pytest.approx([value for value, _ in plain], abs=1e-4)


def test_greedy_generation(data_root: Path, ours: Ours, hflm: Any) -> None:
    """TriviaQA, five exemplars: the same ids in, the same text up to the newline out."""
    samples = built("trivia_qa", data_root, limit=8).samples
    answered = ours.answers(samples)
    for sample, (encoded, _) in zip(samples, answered, strict=True):
        assert isinstance(encoded, EncodedGenerate)
        (ids,), _ = hflm.tok_batch_encode([text_of(sample)])
        assert encoded.prompt.tolist() == ids.tolist()
        assert encoded.prompt.tolist().count(BOS) == 1
    limits = {"until": ["\n"], "max_gen_toks": 24, "do_sample": False}
    requests = [Instance("generate_until", {}, (text_of(sample), limits), 0) for sample in samples]
    texts = hflm.generate_until(requests, disable_tqdm=True)
    responses = [response for _, response in answered]
    assert all(isinstance(response, GenerateResponse) for response in responses)
    assert [response.texts for response in responses if isinstance(response, GenerateResponse)] == [(text,) for text in texts]
