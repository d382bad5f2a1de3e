"""Whose time it was: answers come in bursts, what is done with them takes time of its own, and old files booked it wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemma_eval.errors import RunError
from gemma_eval.store.run_dir import RunDir
from gemma_eval.store.usage import Spent, UsageLog, merge_spent, read_spent
from gemma_eval.types import Usage


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir(tmp_path)


def scored(tokens: int) -> Usage:
    return Usage(tokens, tokens, 0)


def text(tokens: int) -> Usage:
    return Usage(tokens, tokens, tokens)


def test_waiting_is_shared_by_tokens_and_dealing_with_answers_is_not_counted(run: RunDir, clock: Clock) -> None:
    log = UsageLog(run, clock)
    passes: list[tuple[float, list[tuple[str, int]]]] = [(2.0, [("a", 30), ("b", 10)]), (1.0, [("b", 99)]), (3.0, [("a", 7)])]
    for seconds, answers in passes:
        clock.now += seconds
        for task, computed in answers:
            log.add(task, scored(computed), "")
            clock.now += 0.3  # scored and written
            log.wait()
    log.close()
    found = read_spent(run)
    assert found["a"].seconds == pytest.approx(2.0 * 30 / 40 + 3.0)
    assert found["b"].seconds == pytest.approx(2.0 * 10 / 40 + 1.0)
    assert found["b"].computed == 109


def test_a_save_in_the_middle_of_a_burst_leaves_each_task_its_time(run: RunDir, clock: Clock) -> None:
    """The pass is longer than the time between two saves, so its first answer is followed by a save."""
    log = UsageLog(run, clock)
    clock.now += 24.0
    for task in ("a", "b"):
        log.add(task, scored(100), "")
        clock.now += 0.0004
    assert read_spent(run) == {}, "the open burst was saved"
    log.close()
    assert [spent.seconds for spent in read_spent(run).values()] == pytest.approx([12.0, 12.0], rel=1e-4)


def test_a_short_pause_in_the_middle_of_a_long_burst_does_not_end_it(run: RunDir, clock: Clock) -> None:
    log = UsageLog(run, clock)
    clock.now += 10.0
    for task in ("a", "b"):
        log.add(task, scored(100), "")
        clock.now += 0.1  # garbage is collected
    log.close()
    assert [spent.seconds for spent in read_spent(run).values()] == pytest.approx([5.05, 5.05])


def test_a_stream_of_quick_passes_is_saved_all_the_same(run: RunDir, clock: Clock) -> None:
    log = UsageLog(run, clock)
    for _ in range(6000):
        clock.now += 0.01
        log.add("a", scored(1), "")
    assert read_spent(run)["a"].seconds > 60 - 3 * UsageLog.SAVE_SECONDS


def test_texts_in_flight_keep_their_part_of_the_time(run: RunDir, clock: Clock) -> None:
    """Eight texts of 8 tokens and eight of 80, side by side: half of the first 8 steps is the short ones'."""
    log = UsageLog(run, clock)
    log.phase("generating")
    for step in range(1, 81):
        clock.now += 1.0
        log.generated(16 if step <= 8 else 8)
        for task in ["short"] * 8 if step == 8 else ["long"] * 8 if step == 80 else []:
            log.add(task, text(step), "generate")
    log.close()
    found = read_spent(run)
    assert (found["short"].seconds, found["long"].seconds) == pytest.approx((4.0, 76.0))
    assert found["short"].methods == {"generate": 8}


def test_loading_and_checking_is_no_tasks_time(run: RunDir, clock: Clock) -> None:
    log = UsageLog(run, clock)
    log.phase("loading")
    clock.now += 50.0
    log.phase("checking")
    clock.now += 7.0
    log.phase("scoring")
    clock.now += 2.0
    log.add("a", scored(10), "")
    log.phase("loading")  # another engine, for longer requests
    clock.now += 50.0
    log.phase("generating")
    clock.now += 3.0
    log.generated(5)
    log.add("a", text(5), "")
    log.close()
    assert read_spent(run)["a"].seconds == pytest.approx(5.0)


def test_time_of_texts_that_never_arrived_goes_to_those_that_did(run: RunDir, clock: Clock) -> None:
    """The backend gives up texts that were in flight, as it does when it runs out of memory; nothing of the time is lost."""
    log = UsageLog(run, clock)
    log.phase("generating")
    clock.now += 6.0
    log.generated(60)
    log.add("a", text(10), "")
    log.add("b", text(5), "")
    log.close()
    found = read_spent(run)
    assert (found["a"].seconds, found["b"].seconds) == pytest.approx((4.0, 2.0))


def test_answers_that_took_no_tokens_share_evenly(run: RunDir, clock: Clock) -> None:
    log = UsageLog(run, clock)
    clock.now += 4.0
    for task in ("a", "b"):
        log.add(task, Usage(), "")
    log.close()
    assert [spent.seconds for spent in read_spent(run).values()] == [2.0, 2.0]


# -- what is shown of it ----------------------------------------------------------------------------------------


def test_rates() -> None:
    spent = Spent(1000, 500, 0, 2.0, timed=True)
    assert spent.tokens_per_second == 250.0 and spent.seconds_per_item(4) == 0.5
    assert spent.seconds_per_item(0) is None
    for unknown in (Spent(1000, 500, 0, 2.0), Spent(1000, 500, timed=True), Spent()):
        assert unknown.tokens_per_second is None and unknown.seconds_per_item(4) is None


OLD = {"prompt": 2000, "computed": 1400, "generated": 0}


def test_times_of_old_files_are_not_shown_where_they_may_be_another_tasks(run: RunDir, clock: Clock) -> None:
    """Two tasks of one pass: nearly all of its time was booked on the first, so the second seemed to do 3,500,000 tokens a second."""
    run.write_json("usage.json", {"a": OLD | {"seconds": 24.06}, "b": OLD | {"seconds": 0.0004, "methods": {"next_token": 3}}})
    found = read_spent(run)
    assert found["b"] == Spent(2000, 1400, 0, 0.0004, {"next_token": 3})
    assert all(spent.tokens_per_second is None and spent.seconds_per_item(3) is None for spent in found.values())
    log = UsageLog(run, clock)  # the run goes on with this version
    for task in ("b", "c"):
        clock.now += 1.0
        log.add(task, scored(100), "next_token")
    log.close()
    found = read_spent(run)
    assert found["b"].tokens_per_second is None and found["b"].methods == {"next_token": 4}
    assert found["c"].tokens_per_second == 100.0


def test_the_time_of_an_old_run_of_one_task_is_that_tasks(run: RunDir) -> None:
    run.write_json("usage.json", {"a": OLD | {"seconds": 7.0}})
    assert read_spent(run)["a"].tokens_per_second == 200.0


def test_a_damaged_file_is_named(run: RunDir) -> None:
    run.write_json("usage.json", {"a": OLD | {"seconds": "long"}})
    with pytest.raises(RunError, match=r"usage\.json.*a\.seconds"):
        read_spent(run)


def test_what_other_processes_spent_is_added(run: RunDir) -> None:
    run.write_json("usage.json", {"a": Spent(10, 5, 0, 0.5, {"x": 1}, timed=True).to_json()})
    run.part(1).write_json("usage.json", {name: Spent(20, 10, 1, 2.0, {"y": 2}, timed=True).to_json() for name in "ab"})
    merge_spent(run, run.part(1))
    assert read_spent(run) == {
        "a": Spent(30, 15, 1, 2.5, {"x": 1, "y": 2}, timed=True),
        "b": Spent(20, 10, 1, 2.0, {"y": 2}, timed=True),
    }
    assert not (run.part(1).path / "usage.json").exists()
