"""Time by task adds up to the time waited, by tokens, wherever the log is saved, the process killed, or the run resumed."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma_eval.store.run_dir import RunDir
from gemma_eval.store.usage import Spent, UsageLog, merge_spent, read_spent
from gemma_eval.types import Usage

SECONDS = st.floats(1.1, 20.0)  # of a forward pass: more than a twentieth of any other
TASKS = st.sampled_from("abc")


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Pass:
    """A forward pass of so many seconds, and the answers it completes: task, tokens, and whether the log is saved after it."""

    seconds: float
    answers: list[tuple[str, int, bool]]

    def shares(self) -> dict[str, float]:
        """Seconds by task, as they should be."""
        tokens: Counter[str] = Counter()
        for task, computed, _ in self.answers:
            tokens[task] += computed
        return {task: self.seconds * count / tokens.total() for task, count in tokens.items()}


PASS = st.lists(st.tuples(TASKS, st.integers(1, 500), st.booleans()), min_size=1, max_size=6)
PASSES = st.lists(st.builds(Pass, SECONDS, PASS))


@contextmanager
def new_run() -> Iterator[RunDir]:
    with tempfile.TemporaryDirectory() as folder:
        yield RunDir(folder)


def expected(passes: list[Pass]) -> dict[str, float]:
    total: dict[str, float] = {}
    for one in passes:
        for task, seconds in one.shares().items():
            total[task] = total.get(task, 0.0) + seconds
    return total


def answer(log: UsageLog, clock: Clock, passes: list[Pass]) -> None:
    for one in passes:
        clock.now += one.seconds
        for task, computed, save in one.answers:
            log.add(task, Usage(computed, computed, 0), "way")
            if save:
                log.save()
            clock.now += 7.0  # scored and written
            log.wait()


def seconds(run: RunDir) -> dict[str, float]:
    return {task: spent.seconds for task, spent in read_spent(run).items()}


@settings(deadline=None, max_examples=50)
@given(PASSES)
def test_each_task_gets_its_share_wherever_saves_fall(passes: list[Pass]) -> None:
    with new_run() as run:
        clock = Clock()
        log = UsageLog(run, clock)
        answer(log, clock, passes)
        log.close()
        assert seconds(run) == pytest.approx(expected(passes))
        assert sum(seconds(run).values()) == pytest.approx(sum(one.seconds for one in passes))
        assert sum(spent.methods["way"] for spent in read_spent(run).values()) == sum(len(one.answers) for one in passes)


@settings(deadline=None, max_examples=50)
@given(PASSES)
def test_a_killed_process_loses_whole_bursts(passes: list[Pass]) -> None:
    """What is in the file at any moment is the tokens and the time of the first passes, as if the others had never been."""
    with new_run() as run:
        clock = Clock()
        answer(UsageLog(run, clock), clock, passes)
        found = read_spent(run)
        kept = sum(spent.methods["way"] for spent in found.values())
        whole = [passes[:end] for end in range(len(passes) + 1) if sum(len(one.answers) for one in passes[:end]) == kept]
        assert whole, "a burst was split"
        assert seconds(run) == pytest.approx(expected(whole[0]))


@settings(deadline=None, max_examples=50)
@given(PASSES, st.lists(st.integers(0, 20), max_size=3))
def test_resumes_add_up(passes: list[Pass], cuts: list[int]) -> None:
    bounds = sorted({0, *(min(cut, len(passes)) for cut in cuts), len(passes)})
    with new_run() as run:
        for start, end in zip(bounds, bounds[1:] or [0], strict=False):
            clock = Clock()
            log = UsageLog(run, clock)
            answer(log, clock, passes[start:end])
            log.close()
        assert seconds(run) == pytest.approx(expected(passes))


WITHIN = 0.001  # of a pass: the wait between two of its answers
PATTERN = st.lists(st.builds(Pass, st.floats(0.0005, 0.019), PASS), min_size=1, max_size=3)
LONG = st.lists(st.builds(Pass, st.floats(10.5, 400.0), PASS), max_size=2)


@settings(deadline=None, max_examples=40)
@given(LONG, PATTERN, st.sampled_from([1, 50, 1000, 3000]), LONG)
def test_no_task_is_faster_than_the_fastest_pass(before: list[Pass], pattern: list[Pass], times: int, after: list[Pass]) -> None:
    """Long passes alone and in between, and streams of passes too quick to be told apart, which are saved again and again."""
    check_rates([*before, *pattern * times, *after])


@pytest.mark.parametrize("times", range(998, 1006))
def test_a_stream_of_quick_passes_is_not_divided_within_one(times: int) -> None:
    """One of these streams gets as long as a burst may be in its last pass, between two tasks."""
    check_rates([*[Pass(0.01, [("a", 9, False)])] * times, Pass(0.01, [("a", 9, False), ("b", 9, False)])])


def check_rates(passes: list[Pass]) -> None:
    with new_run() as run:
        clock = Clock()
        log = UsageLog(run, clock)
        for one in passes:
            for number, (task, computed, _) in enumerate(one.answers):
                clock.now += one.seconds * (WITHIN if number else 1)
                log.add(task, Usage(computed, computed, 0), "way")
        log.close()
        found = read_spent(run)
        spent = {id(one): one.seconds * (1 + WITHIN * (len(one.answers) - 1)) for one in passes}
        fastest = max((sum(tokens for _, tokens, _ in one.answers) / spent[id(one)] for one in passes), default=0.0)
        assert sum(task.seconds for task in found.values()) == pytest.approx(sum(spent[id(one)] for one in passes))
        assert all(task.computed / task.seconds < fastest * 1.01 for task in found.values())


@settings(deadline=None, max_examples=50)
@given(st.lists(PASSES, min_size=1, max_size=3))
def test_several_processes_add_up(shares: list[list[Pass]]) -> None:
    """Each process waits for its own passes; their times are added."""
    with new_run() as run:
        for rank, passes in enumerate(shares):
            clock = Clock()
            log = UsageLog(run.part(rank), clock)
            answer(log, clock, passes)
            log.close()
        for part in run.parts():
            merge_spent(run, part)
        assert seconds(run) == pytest.approx(expected([one for passes in shares for one in passes]))


@dataclass
class Text:
    """A text that is being generated: its length in tokens, and how many there are of it."""

    task: str
    length: int
    tokens: int = 0


TEXTS = st.lists(st.builds(Text, TASKS, st.integers(1, 30)), min_size=1, max_size=25)


def generate(log: UsageLog, clock: Clock, texts: list[Text], slots: int, seconds_per_token: float, unanswered: int = 0) -> None:
    """Continuous batching: a step adds a token to each text in flight, and takes time for each; the next text takes a free slot.
    `unanswered`: tokens of each text that its answer does not count."""
    log.phase("generating")
    waiting, in_flight = list(texts), list[Text]()
    while waiting or in_flight:
        while waiting and len(in_flight) < slots:
            in_flight.append(waiting.pop(0))
        clock.now += seconds_per_token * len(in_flight)
        log.generated(len(in_flight))
        for text in in_flight:
            text.tokens += 1
        for text in [text for text in in_flight if text.tokens == text.length + unanswered]:
            in_flight.remove(text)
            log.add(text.task, Usage(text.length, text.length, text.length), "")
            log.wait()


@settings(deadline=None, max_examples=50)
@given(TEXTS, st.integers(1, 8), st.sampled_from([0.001, 0.1, 3.0]))
def test_texts_that_are_generated_side_by_side_share_by_tokens(texts: list[Text], slots: int, cost: float) -> None:
    with new_run() as run:
        clock = Clock()
        log = UsageLog(run, clock)
        generate(log, clock, texts, slots, cost)
        log.close()
        found = read_spent(run)
        assert {task: spent.seconds for task, spent in found.items()} == pytest.approx(
            {task: cost * spent.generated for task, spent in found.items()}
        )


@settings(deadline=None, max_examples=50)
@given(TEXTS, st.integers(1, 8))
def test_no_time_is_lost_if_more_tokens_are_reported_than_answered(texts: list[Text], slots: int) -> None:
    with new_run() as run:
        clock = Clock()
        log = UsageLog(run, clock)
        generate(log, clock, texts, slots, 0.1, unanswered=1)
        log.close()
        assert sum(seconds(run).values()) == pytest.approx(clock.now)
        assert min(seconds(run).values()) > 0


TOKENS = st.integers(0, 10**9)
SPENT = st.builds(Spent, TOKENS, TOKENS, TOKENS, st.floats(0, 1e6), st.just({"way": 3}), st.booleans())


@settings(deadline=None, max_examples=50)
@given(st.lists(SPENT, min_size=2, max_size=4))
def test_the_file_keeps_what_is_written(spent: list[Spent]) -> None:
    with new_run() as run:
        run.write_json("usage.json", {str(i): one.to_json() for i, one in enumerate(spent)})
        assert list(read_spent(run).values()) == spent
