"""Time left, in runs that go steadily: the estimate of the end stays where the end is, and never moves away from it.

Requests are scored pass after pass, each as long as its tokens. Texts are generated in continuous batching: a step adds a token to every
text in flight, and the next text takes a free place once its prompt is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma_eval.run.estimate import Work, Workload
from gemma_eval.run.planned import PlannedTokens
from gemma_eval.types import GenerateResponse, ScoreResponse

SCORED = ScoreResponse((-1.0,), (1,), (True,))
LONGEST = 512  # tokens a text may have

LENGTHS: dict[str, Callable[[Random], int]] = {
    "alike": lambda draw: 90,
    "spread": lambda draw: draw.randint(20, 160),
    "skewed": lambda draw: min(int(draw.lognormvariate(4.4, 0.5)) + 1, LONGEST),
    "ending anywhere": lambda draw: min(int(draw.expovariate(1 / 80)) + 1, LONGEST),
}


@dataclass
class Speed:
    """Seconds of each kind of work: for a token that is scored or read, and for a step of generation, by texts in it."""

    read: float
    step: float
    text: float


SLOW_PROCESSOR = Speed(read=0.0005, step=0.05, text=0.005)
FAST_DEVICE = Speed(read=0.00002, step=0.02, text=0.0001)


@dataclass
class Run:
    """A run whose progress somebody looks at every half second."""

    work: Workload
    now: float = 0.0
    thin: float = 0.0  # when the last texts began to leave more than half of the places free
    seen: list[tuple[float, Work]] = field(default_factory=list)

    def spend(self, seconds: float) -> None:
        """Time goes by."""
        end = self.now + seconds
        while (tick := 0.5 * (len(self.seen) + 1)) <= end:
            self.seen.append((tick, self.work.at(tick)))
        self.now = end

    def later(self, share: float) -> list[tuple[float, Work]]:
        """What was seen after this share of the time."""
        return [(tick, work) for tick, work in self.seen if tick >= share * self.now]


def score(run: Run, tokens: dict[str, int], speed: Speed, budget: int) -> None:
    run.work.begin("scoring", run.now)
    waiting, in_pass = list(tokens), list[str]()
    while waiting or in_pass:
        while waiting and sum(tokens[key] for key in in_pass) < budget:
            in_pass.append(waiting.pop(0))
        run.spend(speed.read * sum(tokens[key] for key in in_pass))
        for key in in_pass:
            run.work.answered(key, SCORED, run.now)
        in_pass = []


def generate(run: Run, planned: dict[str, PlannedTokens], lengths: dict[str, int], speed: Speed, slots: int) -> None:
    run.work.begin("generating", run.now)
    waiting, in_flight = list(lengths), dict[str, int]()
    while waiting or in_flight:
        while waiting and len(in_flight) < slots:
            in_flight[waiting[0]] = 0
            run.spend(speed.read * planned[waiting.pop(0)].prefill)
        if len(in_flight) >= slots / 2:
            run.thin = run.now
        run.spend(speed.step + speed.text * len(in_flight))
        run.work.generated(len(in_flight), run.now)
        in_flight = {key: tokens + 1 for key, tokens in in_flight.items()}
        for key in [key for key, tokens in in_flight.items() if tokens == lengths[key]]:
            run.work.answered(key, GenerateResponse(("",), ("stop",), (in_flight.pop(key),)), run.now)


def texts(task: str, count: int, draw: Random, length: Callable[[Random], int]) -> tuple[dict[str, PlannedTokens], dict[str, int]]:
    planned = {f"{task} {i}": PlannedTokens(task, prefill=draw.randint(50, 150), generate=LONGEST, texts=1) for i in range(count)}
    return planned, {key: length(draw) for key in planned}


def assert_near(run: Run, seen: list[tuple[float, Work]], began: float = 0.0) -> None:
    """The estimated end is within a quarter of the time of this work, and the time for which its last texts run nearly alone, at a rate
    that falls."""
    tolerance = 0.25 * (run.now - began) + (run.now - run.thin)
    assert max(abs(tick + work.seconds_left - run.now) for tick, work in seen if work.seconds_left is not None) < tolerance


def error(run: Run, tick: float, left: float | None) -> float:
    """By how much of the run's time the estimated end is too late."""
    assert left is not None
    return (tick + left - run.now) / run.now


@settings(deadline=None, max_examples=30)
@given(st.integers(2000, 20_000), st.sampled_from([SLOW_PROCESSOR, Speed(0.003, 0, 0)]), st.integers(0, 1000))
def test_scoring_ends_when_it_was_said_to(budget: int, speed: Speed, seed: int) -> None:
    """From the first pass on, within 1 % of the time, and also while a long pass keeps everybody waiting."""
    draw = Random(seed)
    tokens = {str(i): draw.randint(1, 900) for i in range(300)}
    run = Run(Workload({key: PlannedTokens("piqa", score=size) for key, size in tokens.items()}))
    score(run, tokens, speed, budget)
    assert all((work.seconds_left is None) == (work.tokens == 0) for _, work in run.seen)
    assert all(abs(error(run, tick, work.seconds_left)) < 0.01 for tick, work in run.seen if work.tokens)
    assert run.work.at(run.now).seconds_left == 0.0 and run.work.over


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(list(LENGTHS)), st.sampled_from([SLOW_PROCESSOR, FAST_DEVICE]), st.integers(0, 1000))
def test_generation_ends_about_when_it_was_said_to(kind: str, speed: Speed, seed: int) -> None:
    """Sixteen times as many texts as are generated at once: near the end in the last two thirds of the time, and an upper limit until
    lengths are known."""
    planned, lengths = texts("gsm8k", 16 * 32, Random(seed), LENGTHS[kind])
    run = Run(Workload(planned))
    generate(run, planned, lengths, speed, slots=32)
    later = run.later(1 / 3)
    assert not any(work.at_most for _, work in later)
    assert_near(run, later)
    assert_falling(run, later)
    assert all(error(run, tick, work.seconds_left) > 0 for tick, work in run.seen if work.at_most and work.seconds_left is not None)
    assert run.work.at(run.now).seconds_left == 0.0


def assert_falling(run: Run, seen: list[tuple[float, Work]]) -> None:
    """Over any fifth of the time, time left gets less."""
    step = max(int(0.2 * run.now / 0.5), 1)
    for (_, earlier), (_, later) in zip(seen, seen[step:], strict=False):
        assert earlier.seconds_left is not None and later.seconds_left is not None
        assert later.seconds_left < earlier.seconds_left


@settings(deadline=None, max_examples=15)
@given(st.sampled_from(list(LENGTHS)), st.sampled_from([SLOW_PROCESSOR, FAST_DEVICE]), st.integers(0, 1000))
def test_a_run_that_scores_first_and_generates_later(kind: str, speed: Speed, seed: int) -> None:
    """While it scores, nobody can tell how fast it will generate: the time of scoring is told alone. Later, the whole is."""
    draw = Random(seed)
    planned, lengths = texts("gsm8k", 16 * 32, draw, LENGTHS[kind])
    tokens = {f"piqa {i}": draw.randint(20, 400) for i in range(3000)}
    run = Run(Workload(planned | {key: PlannedTokens("piqa", score=size) for key, size in tokens.items()}))
    run.work.begin("loading", 0.0)
    run.spend(20.0)
    score(run, tokens, speed, budget=4096)
    scored = run.now
    generate(run, planned, lengths, speed, slots=32)
    scoring = [(tick, work) for tick, work in run.seen if work.phase == "scoring" and work.tokens and tick < scored]
    assert all(work.seconds_left is None for _, work in scoring)
    assert all(abs(tick + (work.phase_seconds_left or 0.0) - scored) < 0.02 * scored for tick, work in scoring)
    known = [(tick, work) for tick, work in run.seen if tick > scored + (run.now - scored) / 3]
    assert_near(run, known, began=scored)
    assert_falling(run, known)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 1000))
def test_tasks_of_other_lengths_are_an_upper_limit_until_they_begin(seed: int) -> None:
    draw = Random(seed)
    short, short_lengths = texts("triviaqa", 600, draw, lambda draw: draw.randint(1, 8))
    long, long_lengths = texts("gsm8k", 400, draw, LENGTHS["spread"])
    run = Run(Workload(short | long))
    generate(run, short | long, short_lengths | long_lengths, SLOW_PROCESSOR, slots=16)
    limits = [(tick, work) for tick, work in run.seen if work.at_most and work.seconds_left is not None]
    assert limits and all(error(run, tick, work.seconds_left) > 0 for tick, work in limits)
    assert_near(run, run.later(0.5))


def test_the_rate_is_that_of_the_last_half_minute() -> None:
    """A device gets four times as fast in the middle: half a minute later, the rate shown is the new one."""
    planned = {str(i): PlannedTokens("gsm8k", generate=LONGEST, texts=1) for i in range(512)}
    run = Run(Workload(planned))
    for keys, speed in ((list(planned)[:256], Speed(0, 0.4, 0)), (list(planned)[256:], Speed(0, 0.1, 0))):
        changed = run.now
        generate(run, planned, dict.fromkeys(keys, 90), speed, slots=16)
    rates = {tick - changed: work.tokens_per_second for tick, work in run.seen}
    assert all(rate == pytest.approx(40, rel=0.05) for since, rate in rates.items() if -changed + 30 < since < 0)
    assert all(rate == pytest.approx(160, rel=0.05) for since, rate in rates.items() if since > 32)
