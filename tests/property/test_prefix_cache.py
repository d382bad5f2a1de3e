"""Jobs of a prefix cache, with engines that need no model.

`Arithmetic` scores: its log-probabilities are a hash of the tokens before, its cache works in blocks and holds no logits, and it answers
in any order. `Writer` generates a token of each text in a step.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Collection, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma_eval.backends.base import Unwatched
from gemma_eval.backends.prefix_cache import feed as feeding
from gemma_eval.backends.prefix_cache.feed import feed
from gemma_eval.backends.prefix_cache.generate import GenerateJob
from gemma_eval.backends.prefix_cache.messages import EngineReply, EngineRequest, GenerateRequest, Job, Scored, ScoreRequest
from gemma_eval.backends.prefix_cache.replicas import feed_all
from gemma_eval.backends.prefix_cache.score import ScoreJob, ScoringMode
from gemma_eval.backends.prefix_cache.verify import VerifiedJob, drawn
from gemma_eval.backends.vllm.engine import read_scores, read_text
from gemma_eval.errors import RunError
from gemma_eval.settings import Dtype
from gemma_eval.types import EncodedGenerate, EncodedScore, Generate, GenerateResponse, Prompt, ScoreResponse, TokenIds

VOCABULARY = 4
BLOCK = 3


def logprob(before: TokenIds, token: int) -> float:
    digest = hashlib.sha256(before.astype("<i4").tobytes() + bytes([token])).digest()
    return -1 - digest[0] / 10


def scored(before: TokenIds, token: int) -> Scored:
    return Scored(logprob(before, token), logprob(before, token) >= max(logprob(before, t) for t in range(VOCABULARY)))


class Arithmetic:
    """Scores as an engine would. `wrong`: what its rows are off by when it reads its cache."""

    def __init__(self, max_in_flight: int = 4, seed: int = 0, wrong: float = 0.0) -> None:
        self.max_in_flight = max_in_flight
        self.computed = 0
        self.queue: dict[str, ScoreRequest] = {}
        self._cache: set[bytes] = set()
        self._random = random.Random(seed)
        self._wrong = wrong

    def submit(self, tag: str, request: EngineRequest) -> None:
        assert isinstance(request, ScoreRequest) and tag not in self.queue
        self.queue[tag] = request

    def step(self) -> Iterator[tuple[str, EngineReply]]:
        """Some of the queue is computed in its order, and comes back in any order."""
        now = list(self.queue)[: self._random.randint(1, len(self.queue))]
        replies = [(tag, self._computed(self.queue.pop(tag))) for tag in now]
        self._random.shuffle(replies)
        yield from replies

    def reply(self, request: EngineRequest, output: EngineReply) -> EngineReply:
        return output

    def generated(self) -> int:
        return 0

    def abort(self, tags: Collection[str]) -> None:
        for tag in tags:
            self.queue.pop(tag, None)

    def _computed(self, request: ScoreRequest) -> EngineReply:
        prompt = request.prompt
        ends = range(BLOCK, len(prompt) + 1, BLOCK)
        cached = 0
        for end in ends:
            if request.fresh or end >= len(prompt) or prompt[:end].tobytes() not in self._cache:
                break
            cached = end
        self._cache.update(prompt[:end].tobytes() for end in ends)
        self.computed += len(prompt) - cached
        rows = {}
        if request.rows_from is not None:
            for position in range(max(request.rows_from, cached + 1), len(prompt)):
                row = scored(prompt[:position], int(prompt[position]))
                rows[position] = Scored(row.logprob + self._wrong * (cached > 0), row.greedy)
        return EngineReply(cached, {token: scored(prompt, token) for token in request.ids}, rows)


def expected(request: EncodedScore) -> ScoreResponse:
    parts = [
        [scored(s[:position], int(s[position])) for position in range(start, len(s))]
        for s, start in zip(request.sequences, request.starts, strict=True)
    ]
    return ScoreResponse(
        tuple(sum(one.logprob for one in part) for part in parts),
        tuple(map(len, parts)),
        tuple(all(one.greedy for one in p) for p in parts),
    )


tokens = st.integers(0, VOCABULARY - 1)


@st.composite
def requests(draw: st.DrawFn) -> list[EncodedScore]:
    """Questions of a few choices, under one prefix, over so few tokens that beginnings coincide; contexts may differ by choice."""
    shared = draw(st.lists(tokens, min_size=1, max_size=7))
    made = []
    for _ in range(draw(st.integers(1, 4))):
        question = draw(st.lists(tokens, max_size=5))
        choices = draw(st.lists(st.tuples(st.lists(tokens, max_size=2), st.lists(tokens, min_size=1, max_size=7)), min_size=1, max_size=4))
        sequences = [np.array(shared + question + given + choice, dtype=np.int32) for given, choice in choices]
        starts = [len(shared) + len(question) + len(given) for given, _ in choices]
        made.append(EncodedScore(tuple(sequences), tuple(starts)))
    return made


def jobs(questions: list[EncodedScore], seen: int = 0, **mode: Any) -> list[Job]:
    return [ScoreJob(i, request, ScoringMode(**{"block": BLOCK} | mode), seen) for i, request in enumerate(questions)]


modes = st.builds(
    ScoringMode, share=st.booleans(), ids_per_request=st.sampled_from([1, 2, 128]), rows_through_cache=st.booleans(), block=st.just(BLOCK)
)


@given(requests(), modes, st.integers(0, 9), st.integers(0, 99))
@settings(deadline=None)
def test_scores_equal_full_prompts(questions: list[EncodedScore], mode: ScoringMode, seen: int, seed: int) -> None:
    engine = Arithmetic(seed=seed)
    answers = list(feed(engine, iter(jobs(questions, seen, **vars(mode)))))
    assert sorted(answer.index for answer in answers) == list(range(len(questions)))
    assert sum(answer.usage.computed for answer in answers) == engine.computed
    for answer in answers:
        response, want = answer.response, expected(questions[answer.index])
        assert isinstance(response, ScoreResponse)
        assert response.logprobs == pytest.approx(want.logprobs) and response.lengths == want.lengths and response.greedy == want.greedy


@given(requests(), st.integers(1, 3))
@settings(deadline=None, max_examples=25)
def test_replicas_answer_as_one_engine(questions: list[EncodedScore], replicas: int) -> None:
    answers = list(feed_all([Arithmetic(seed=i) for i in range(replicas)], jobs(questions)))
    assert {answer.index: answer.response for answer in answers} == {a.index: a.response for a in feed(Arithmetic(), iter(jobs(questions)))}


def test_a_failing_replica_ends_the_run() -> None:
    class Dead(Arithmetic):
        def step(self) -> Iterator[tuple[str, EngineReply]]:
            raise RuntimeError("engine core died")

    with pytest.raises(RuntimeError, match="engine core died"):
        list(feed_all([Dead(), Dead()], jobs([question([0] * 9, [[1, 2]])] * 20)))


def question(context: list[int], choices: list[list[int]]) -> EncodedScore:
    return EncodedScore(tuple(np.array(context + choice, dtype=np.int32) for choice in choices), (len(context),) * len(choices))


def test_letters_cost_one_forward_of_the_question() -> None:
    engine = Arithmetic()
    (answer,) = feed(engine, iter(jobs([question([0, 1, 2, 3, 0, 1, 2], [[0], [1], [2], [3]])])))
    assert answer.method == "next_token" and engine.computed == 7 and answer.usage.prompt == 28


def test_a_question_asked_again_is_answered_from_the_cache() -> None:
    """Its rows lie in cached blocks: they are asked for as next tokens."""
    engine, questions = Arithmetic(), [question([0] * 9, [[1, 2, 3, 0, 1, 2, 3], [1, 2, 2]])]
    (first,) = feed(engine, iter(jobs(questions)))
    (second,) = feed(engine, iter(jobs(questions)))
    assert second.method == "cached_rows_asked_again"
    assert isinstance(first.response, ScoreResponse) and isinstance(second.response, ScoreResponse)
    assert second.response.logprobs == pytest.approx(first.response.logprobs) and second.response.greedy == first.response.greedy


@pytest.mark.parametrize("wrong", [0.0, 0.01])
def test_verify_stops_where_the_cache_is_wrong(wrong: float) -> None:
    engine = Arithmetic(wrong=wrong)
    job, full_prompt = (ScoreJob(0, question([0] * 10, [[1, 2, 3]]), ScoringMode(share, block=BLOCK)) for share in (True, False))
    if wrong:
        with pytest.raises(RunError, match="through the prefix cache"):
            list(feed(engine, iter([VerifiedJob(job, full_prompt, Dtype.float32)])))
    else:
        (answer,) = feed(engine, iter([VerifiedJob(job, full_prompt, Dtype.float32)]))
        assert answer.response == expected(job.request) and answer.usage.computed == engine.computed


def test_verified_requests_are_a_seeded_choice() -> None:
    indices = list(range(10, 40))
    assert drawn(indices, 5, 1) == drawn(indices, 5, 1) <= set(indices) and len(drawn(indices, 99, 1)) == 30


def test_what_is_in_flight_is_aborted_with_the_run() -> None:
    engine = Arithmetic(max_in_flight=8)
    answers = feed(engine, iter(jobs([question([0, n], [[1]]) for n in range(4)] * 3)))
    next(answers)
    assert engine.queue
    del answers  # as where a run is stopped
    assert not engine.queue


# -- texts ------------------------------------------------------------------------------------------------------


class Writer:
    """Adds a token to each text in a step. A text ends after as many tokens as its prompt says, if that is not too many."""

    max_in_flight = 3

    def __init__(self) -> None:
        self._texts: dict[str, tuple[GenerateRequest, int]] = {}

    def submit(self, tag: str, request: EngineRequest) -> None:
        assert isinstance(request, GenerateRequest)
        self._texts[tag] = request, 0

    def step(self) -> Iterator[tuple[str, EngineReply]]:
        for tag, (request, count) in list(self._texts.items()):
            ended, too_long = count == request.prompt[-1], count == request.settings.max_tokens
            if ended or too_long:
                del self._texts[tag]
                yield tag, EngineReply(cached=0, tokens=(7,) * count, ended=ended)
            else:
                self._texts[tag] = request, count + 1

    def reply(self, request: EngineRequest, output: EngineReply) -> EngineReply:
        return output

    def generated(self) -> int:
        return sum(count for _, count in self._texts.values())

    def abort(self, tags: Collection[str]) -> None:
        for tag in tags:
            self._texts.pop(tag, None)


class Told(Unwatched):
    """The numbers of tokens that a watcher is told."""

    def __init__(self) -> None:
        self.tokens: list[int] = []

    def generated(self, tokens: int) -> None:
        self.tokens.append(tokens)


lengths = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9), st.integers(1, 3)), min_size=1, max_size=8)


def writing(texts: list[tuple[int, int, int]]) -> list[Job]:
    tokenizer = SimpleNamespace(decode=lambda ids, skip_special_tokens: "x" * len(ids))
    requests = [
        EncodedGenerate(np.array([2, length], dtype=np.int32), Generate(Prompt(("",)), (), limit, samples=samples))
        for length, limit, samples in texts
    ]
    return [GenerateJob(i, request, tokenizer) for i, request in enumerate(requests)]


@pytest.mark.parametrize("replicas", [1, 2])
@given(texts=lengths, seconds=st.sampled_from([0.0, 60.0]))
@settings(deadline=None, max_examples=25)
def test_a_watcher_hears_of_every_token_once(replicas: int, texts: list[tuple[int, int, int]], seconds: float) -> None:
    """While texts are written, or if it was not time for that, once they are."""
    told = Told()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feeding, "SECONDS", seconds)
        answers = list(feed_all([Writer() for _ in range(replicas)], writing(texts), told))
    assert sum(told.tokens) == sum(answer.usage.generated for answer in answers)
    assert all(tokens > 0 for tokens in told.tokens)
    for answer in answers:
        length, limit, samples = texts[answer.index]
        assert isinstance(answer.response, GenerateResponse)
        assert answer.response.tokens == (min(length, limit),) * samples
        assert answer.response.finish == ("eos" if length <= limit else "length",) * samples


def test_a_watcher_hears_of_tokens_before_a_text_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "SECONDS", 0.0)
    told = Told()
    answers = feed(Writer(), iter(writing([(9, 9, 1)])), told)
    next(answers)
    assert told.tokens == [1] * 9


# -- outputs of the engine --------------------------------------------------------------------------------------


def entry(token: int, value: float, likeliest: float) -> dict[int, Any]:
    return {token: SimpleNamespace(logprob=value), 99: SimpleNamespace(logprob=likeliest)}


def output(rows: list[dict[int, Any] | None] | None, cached: int, candidates: dict[int, float]) -> Any:
    sampled = [{token: SimpleNamespace(logprob=value) for token, value in candidates.items()}]
    return SimpleNamespace(num_cached_tokens=cached, prompt_logprobs=rows, outputs=[SimpleNamespace(logprobs=sampled)])


PROMPT = np.array([2, 11, 12, 13, 14], dtype=np.int32)
REQUEST = ScoreRequest(PROMPT, (5,), rows_from=2)
ROWS = [entry(12, -3.0, -1.0), entry(13, -1.0, -1.0), entry(14, -2.0, -1.0)]


@pytest.mark.parametrize(
    ("rows", "cached", "positions"),
    [
        ([None, entry(11, -9, -1), *ROWS], 0, {2, 3, 4}),  # all computed
        ([None, entry(7, -9, -1), entry(12, -9.0, -1), *ROWS[1:]], 2, {3, 4}),  # a cached row left unset, though it names the token
        ([None, *ROWS[1:]], 2, {3, 4}),  # cached rows left out
        ([None, entry(11, -9, -1), entry(8, -3, -1), *ROWS[1:]], 0, {3, 4}),  # a row that names another token
        ([None, entry(11, -9, -1), entry(12, float("nan"), -1), *ROWS[1:]], 0, {3, 4}),
        (None, 4, set()),
    ],
)
def test_only_rows_beyond_doubt_are_read(rows: Any, cached: int, positions: set[int]) -> None:
    reply = read_scores(REQUEST, output(rows or [], cached, {5: -0.5, 6: -0.7}))
    assert set(reply.rows) == positions and reply.cached == cached and reply.next == {5: Scored(-0.5, True)}
    assert all(reply.rows[position] == Scored({2: -3.0, 3: -1.0, 4: -2.0}[position], position == 3) for position in positions)


def test_ties_are_greedy() -> None:
    request = ScoreRequest(PROMPT, (5, 6))
    assert read_scores(request, output(None, 0, {5: -0.5, 6: -0.5, 7: -0.5})).next == {5: Scored(-0.5, True), 6: Scored(-0.5, True)}


@pytest.mark.parametrize(
    ("ids", "tokens", "ended"), [((5, 6, 1), (5, 6), True), ((5, 6), (5, 6), False), ((1,), (), True), ((), (), False)]
)
def test_an_end_token_is_no_part_of_a_text(ids: tuple[int, ...], tokens: tuple[int, ...], ended: bool) -> None:
    reply = read_text(SimpleNamespace(num_cached_tokens=None, outputs=[SimpleNamespace(token_ids=ids)]), {1, 106})
    assert (reply.tokens, reply.ended, reply.generated) == (tokens, ended, len(tokens))
