"""usage.json and memory.json: what a run has spent so far, over all its starts and all its processes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

from pydantic import TypeAdapter

from gemma_eval.runtime.environment import peak_memory
from gemma_eval.store.documents import refuse_newer, validated
from gemma_eval.store.run_dir import RunDir
from gemma_eval.types import Usage

USAGE, MEMORY = "usage.json", "memory.json"
SCHEMA = 0  # neither file has said one so far
T = TypeVar("T")


@dataclass(frozen=True)
class Spent:
    """What the answers of one task took: tokens as `types.Usage` counts them, seconds of waiting, and answers by the engine's method.

    `timed` says that `seconds` is the task's own time. Older versions did not write it: they could count the whole time of a forward pass
    to one of its tasks.
    """

    prompt: int = 0
    computed: int = 0
    generated: int = 0
    seconds: float = 0.0
    methods: dict[str, int] = field(default_factory=dict)
    timed: bool = False

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.prompt + other.prompt,
            self.computed + other.computed,
            self.generated + other.generated,
            self.seconds + other.seconds,
            dict(Counter(self.methods) + Counter(other.methods)),
            self.timed and other.timed,
        )

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens computed per second; None if the task's time is not known."""
        return self.computed / self.seconds if self._has_time and self.computed else None

    def seconds_per_item(self, items: int) -> float | None:
        """Seconds per answered item; None if the task's time is not known, or there is no item."""
        return self.seconds / items if self._has_time and items else None

    @property
    def _has_time(self) -> bool:
        return self.timed and self.seconds > 0

    def to_json(self) -> dict[str, Any]:
        """The entry of a task in usage.json."""
        return asdict(self)


_NOTHING = Spent(timed=True)
_ADAPTER = TypeAdapter(dict[str, Spent])
_PEAKS = TypeAdapter(dict[str, int])
MEND = "delete the file: scores do not need it"


def read_spent(directory: RunDir) -> dict[str, Spent]:
    """What each task of a run has spent; empty if the run spent nothing. Raises `RunError` if usage.json is damaged.

    In a run of one task, all of the time is that task's own, whatever version wrote it.
    """
    spent = _read(_ADAPTER, directory, USAGE)
    return {name: replace(found, timed=True) for name, found in spent.items()} if len(spent) == 1 else spent


def read_peaks(directory: RunDir) -> dict[str, int]:
    """The most bytes that a process of a run had in use, by place; empty if it kept none. Raises `RunError` if memory.json is damaged."""
    return _read(_PEAKS, directory, MEMORY)


def _read(adapter: TypeAdapter[T], directory: RunDir, name: str) -> T:
    file, value = directory.path / name, directory.read_json(name, {}, MEND)
    refuse_newer(value, file, SCHEMA)
    return validated(adapter, value, file, MEND)


def _write_spent(directory: RunDir, spent: Mapping[str, Spent]) -> None:
    directory.write_json(USAGE, {name: found.to_json() for name, found in spent.items()})


class _Burst:
    """What the answers of one forward pass took, by task; or of several passes that are too quick to be told apart."""

    PAUSE_SECONDS = 0.02  # a longer wait between two answers ends the burst
    PAUSE_SHARE = 0.05  # unless it is less than this share of the wait for the first answer: memory is freed within a burst, too
    LATER_SECONDS = 10.0  # waits within a burst, in sum; where they are longer, and than the first one, it is a stream of quick passes

    def __init__(self) -> None:
        self.spent: dict[str, Spent] = {}
        self._first_wait = 0.0
        self._later_waits = 0.0
        self._later_answers = 0

    def takes(self, waited: float) -> bool:
        """Whether an answer belongs to the burst that came after a wait of `waited` seconds."""
        if not self.spent:
            return True
        if waited > max(self.PAUSE_SECONDS, self.PAUSE_SHARE * self._first_wait):
            return False
        if self._later_waits <= max(self.LATER_SECONDS, self._first_wait):
            return True
        return waited < self._later_waits / self._later_answers / 2  # a stream is cut between two passes, where waits are not short

    def add(self, task: str, spent: Spent, waited: float) -> None:
        """Add an answer that came after a wait of `waited` seconds."""
        if self.spent:
            self._later_waits += waited
            self._later_answers += 1
        else:
            self._first_wait = waited
        self.spent[task] = self.spent.get(task, _NOTHING) + spent

    @property
    def tokens(self) -> Counter[str]:
        """Tokens computed, by task."""
        return Counter({task: spent.computed for task, spent in self.spent.items()})

    @property
    def generated(self) -> int:
        """Tokens generated."""
        return sum(spent.generated for spent in self.spent.values())


class UsageLog:
    """Adds up what each task of a run spends, over all starts of the run.

    Answers arrive in bursts, one for each forward pass. The time spent waiting for a burst is shared among its tasks in proportion to
    computed tokens. A burst ends when the next answer keeps the log waiting. Saving does not end a burst; it writes everything but the open
    one. A process that is killed loses both the tokens and the time of the open burst, so no time is counted to the wrong task.

    Texts are generated side by side and finish one by one. When some texts arrive, they get the share of the waiting time that their tokens
    have in all tokens generated so far. The rest is kept for the texts in flight. The log hears of those as a `backends.base.Watcher`.
    The time for loading and checking a model is not counted.
    """

    SAVE_SECONDS = 10.0

    def __init__(self, directory: RunDir, clock: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._clock = clock
        self._totals = read_spent(directory)
        self._burst = _Burst()
        self._seconds = 0.0  # of waiting, not counted to a task yet
        self._phase = ""
        self._phase_tokens: Counter[str] = Counter()
        self._in_flight = 0  # tokens generated, less those of texts that have arrived
        self._left_in_flight = 0  # the same, when the latest answer arrived
        self._waiting = self._saved = clock()

    # -- what the backend does ------------------------------------------------------------------------------

    def phase(self, phase: str) -> None:
        """The backend begins a phase (see `backends.base.Phase`). No text of the phase before is in flight any more."""
        if phase != self._phase:
            self._end_phase()
        if self._phase in ("loading", "checking"):
            self.wait()
        self._phase = phase

    def generated(self, tokens: int) -> None:
        """The backend generated `tokens` more tokens, of texts that may not have arrived yet."""
        self._in_flight += tokens

    # -- answers --------------------------------------------------------------------------------------------

    def wait(self) -> None:
        """The answers so far are scored and stored: waiting for the next one begins."""
        self._waiting = self._clock()

    def add(self, task: str, usage: Usage, method: str) -> None:
        """An answer of `task` has arrived. `method`: the engine's way to it, or "" if it has only one."""
        now = self._clock()
        waited = now - self._waiting
        self._waiting = now
        if not self._burst.takes(waited):
            self._end_burst()
        spent = Spent(usage.prompt, usage.computed, usage.generated, methods={method: 1} if method else {}, timed=True)
        self._burst.add(task, spent, waited)
        self._seconds += waited
        self._in_flight -= usage.generated
        self._left_in_flight = self._in_flight
        if now - self._saved > self.SAVE_SECONDS:
            self.save()

    def _end_burst(self) -> None:
        """Count the burst to its tasks: their tokens, and their share of the time."""
        burst, self._burst = self._burst, _Burst()
        for task, spent in burst.spent.items():
            self._totals[task] = self._totals.get(task, _NOTHING) + spent
        arrived = max(burst.generated, 1)
        self._share(self._seconds * arrived / (arrived + max(self._left_in_flight, 0)), burst.tokens)
        self._phase_tokens.update(burst.tokens)

    def _end_phase(self) -> None:
        """Count the rest of the time to the tasks of the phase: texts in flight did not arrive, or their tokens were reported twice."""
        self._end_burst()
        self._share(self._seconds, self._phase_tokens)
        self._phase_tokens.clear()
        self._in_flight = self._left_in_flight = 0

    def _share(self, seconds: float, tokens: Counter[str]) -> None:
        """Count `seconds` of waiting to tasks, in proportion to tokens; evenly if none has any."""
        weights = tokens if tokens.total() else Counter(dict.fromkeys(tokens, 1))
        for task, weight in weights.items():
            share = seconds * weight / weights.total()
            self._totals[task] += replace(_NOTHING, seconds=share)
            self._seconds -= share

    # -- files ----------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write everything but the open burst."""
        self._saved = self._clock()
        _write_spent(self._directory, self._totals)
        _keep_peaks(self._directory, peak_memory())

    def close(self) -> None:
        """No answer follows: write everything."""
        self._end_phase()
        self.save()


def merge_spent(directory: RunDir, part: RunDir) -> None:
    """Add what another process of the run has spent: tokens and seconds as sums, memory as the most that one process had."""
    totals = read_spent(directory)
    for task, spent in read_spent(part).items():
        totals[task] = totals.get(task, _NOTHING) + spent
    _write_spent(directory, totals)
    (part.path / USAGE).unlink(missing_ok=True)  # so that it is not added twice
    _keep_peaks(directory, read_peaks(part))


def _keep_peaks(directory: RunDir, peaks: Mapping[str, int]) -> None:
    before = read_peaks(directory)
    directory.write_json(MEMORY, before | {place: max(size, before.get(place, 0)) for place, size in peaks.items()})
