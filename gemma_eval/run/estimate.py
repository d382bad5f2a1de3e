"""How much of a run's work is done, how fast it goes, and how long the rest will take.

Work is counted in tokens, and each kind of work has a rate of its own. Nothing here reads a clock: `now` is always an argument, in seconds.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

from gemma_eval.run.planned import PlannedTokens
from gemma_eval.types import GenerateResponse, Response

NOW_SECONDS = 30.0  # the current rate is measured over so many seconds
PREFILL_WEIGHT = 0.1  # a prompt token takes about a tenth of the time of a generated token, since many are computed at once


class Meter:
    """Records when the tokens of one kind of work were done. Time counts only while the meter runs."""

    MARK_SECONDS = 1.0  # tokens that come within this time share one mark
    ESTIMATE_SECONDS = 60.0  # an estimate uses the rate over so many seconds, or over half of the time so far if that is longer

    def __init__(self) -> None:
        self._before = 0.0  # seconds for which the meter ran until it was last stopped
        self._since: float | None = None
        self._times, self._done = [0.0], [0.0]  # marks: a time, and the tokens done by then
        self._opened = 0.0  # time of the first tokens of the latest mark
        self._longest = 0.0  # seconds between two marks, at most so far

    def start(self, now: float) -> None:
        """The work begins or goes on."""
        if self._since is None:
            self._since = now

    def stop(self, now: float) -> None:
        """The work ends or pauses."""
        self._before, self._since = self._ran(now), None

    def add(self, tokens: float, now: float) -> None:
        """`tokens` more tokens are done."""
        ran = self._ran(now)
        total = self._done[-1] + tokens
        if len(self._times) > 1 and ran - self._opened < self.MARK_SECONDS:
            self._times[-1], self._done[-1] = ran, total
        else:
            self._longest = max(self._longest, ran - self._times[-1])
            self._opened = ran
            self._times.append(ran)
            self._done.append(total)

    def rate(self, now: float, over: float) -> float | None:
        """Tokens per second over the last `over` seconds, from one mark to another; None if nothing is done yet.

        Tokens may come in bursts, so the time since the latest mark does not count until it is twice the longest wait so far.
        """
        if not self._done[-1]:
            return None
        last = self._times[-1]
        first = max(bisect_right(self._times, last - over) - 1, 0)
        seconds = last - self._times[first] + max(self._waited(now) - 2 * self._longest, 0.0)
        return (self._done[-1] - self._done[first]) / seconds if seconds > 0 else None

    def seconds_left(self, tokens: float, now: float) -> float | None:
        """Seconds that `tokens` more tokens will take; None if nothing is done yet."""
        rate = self.rate(now, max(self.ESTIMATE_SECONDS, self._ran(now) / 2))
        return max(tokens / rate - min(self._waited(now), self._longest), 0.0) if rate else None

    def settled(self, now: float) -> bool:
        """Whether more time has passed since the first tokens came than before."""
        return len(self._times) > 1 and self._ran(now) > 2 * self._times[1]

    def _ran(self, now: float) -> float:
        return self._before + (0.0 if self._since is None else now - self._since)

    def _waited(self, now: float) -> float:
        return self._ran(now) - self._times[-1]


@dataclass
class _Texts:
    """One task's texts. `left` are not finished, and may have `limit` tokens together; `finished` are, with `tokens` together."""

    left: int = 0
    limit: int = 0
    finished: int = 0
    tokens: int = 0

    def expected(self, in_flight: float) -> float:
        """Tokens still to be generated, when unfinished texts have `in_flight` tokens already.

        Short texts finish first, so the mean length of finished texts is too small. This assumes that a text is equally likely to end after
        any of its tokens. Its expected length is then all tokens generated over the texts finished (the maximum-likelihood estimate for
        censored lifetimes), and a text in flight has as many tokens ahead of it as a new one.
        """
        return min(self.left * (self.tokens + in_flight) / self.finished, self.limit)


@dataclass(frozen=True)
class Work:
    """How far the work of a process is.

    `tokens`, `planned` and `tokens_per_second` belong to the phase. Seconds are None where they are not known. With `at_most`, tokens
    planned and seconds left are upper limits: some texts are planned with as many tokens as they may have.
    """

    phase: str
    tokens: int
    planned: int
    tokens_per_second: float | None
    phase_seconds_left: float | None
    seconds_left: float | None
    at_most: bool


class Workload:
    """The requests that one process asks its backend: the tokens they are planned to take, and those that are done."""

    def __init__(self, planned: Mapping[str, PlannedTokens]) -> None:
        self._waiting = dict(planned)
        self._phase = ""
        self._scoring, self._generating = Meter(), Meter()
        self._text = Meter()  # generated tokens alone; `_generating` counts those of prompts too, by weight
        self._score_planned = self._score_left = sum(request.score for request in planned.values())
        self._prefill_left = sum(request.prefill for request in planned.values())
        self._texts: dict[str, _Texts] = {}
        self._reported = self._finished = 0  # tokens of texts: those that the backend reported, and those of finished texts
        self._generated = 0  # the larger of both: a backend may report tokens only after their text
        for request in planned.values():
            if request.texts:
                texts = self._texts.setdefault(request.task, _Texts())
                texts.left += request.texts
                texts.limit += request.generate

    def begin(self, phase: str, now: float) -> None:
        """The backend begins this phase."""
        if phase == self._phase:
            return
        for name, meter in (("scoring", self._scoring), ("generating", self._generating), ("generating", self._text)):
            (meter.start if name == phase else meter.stop)(now)
        self._phase = phase

    def generated(self, tokens: int, now: float) -> None:
        """`tokens` more tokens are generated."""
        self._reported += tokens
        self._count_generated(now)

    def answered(self, key: str, response: Response, now: float) -> None:
        """The request with this key is answered. A key that is not planned, or is answered already, changes nothing."""
        request = self._waiting.pop(key, None)
        if request is None:
            return
        if isinstance(response, GenerateResponse):
            self._finish(request, response, now)
        else:
            self._score_left -= request.score
            self._scoring.add(request.score, now)

    def _finish(self, request: PlannedTokens, response: GenerateResponse, now: float) -> None:
        texts = self._texts[request.task]
        texts.left -= request.texts
        texts.limit -= request.generate
        texts.finished += request.texts
        texts.tokens += sum(response.tokens)
        self._finished += sum(response.tokens)
        self._prefill_left -= request.prefill
        self._count_generated(now)
        self._generating.add(PREFILL_WEIGHT * request.prefill, now)

    def _count_generated(self, now: float) -> None:
        new = max(self._reported, self._finished) - self._generated
        if new > 0:
            self._generated += new
            self._text.add(new, now)
            self._generating.add(new, now)

    def at(self, now: float) -> Work:
        """How far the work is now."""
        texts, at_most = self._texts_left()
        scoring = self._scoring.seconds_left(self._score_left, now) if self._score_left else 0.0
        generating = self._generating_left(texts, now) if texts else 0.0
        whole = None if scoring is None or generating is None else scoring + generating
        if self._phase == "scoring":
            done, rate = self._score_planned - self._score_left, self._scoring.rate(now, NOW_SECONDS)
            return Work("scoring", done, self._score_planned, rate, scoring, whole, at_most)
        if self._phase == "generating":
            planned, rate = self._generated + round(texts), self._text.rate(now, NOW_SECONDS)
            return Work("generating", self._generated, planned, rate, generating, whole, at_most)
        return Work(self._phase, 0, 0, None, None, whole, at_most)

    @property
    def over(self) -> bool:
        """Whether every request is answered."""
        return not self._waiting

    def _generating_left(self, texts: float, now: float) -> float | None:
        """Seconds that `texts` more tokens of texts will take; None while most of the time so far went into the first prompts."""
        tokens = texts + PREFILL_WEIGHT * self._prefill_left
        return self._generating.seconds_left(tokens, now) if self._text.settled(now) else None

    def _texts_left(self) -> tuple[float, bool]:
        """Tokens still to be generated, and whether that is an upper limit rather than an estimate.

        A task's length is estimated once one of its texts has finished, and as long as finished texts have more tokens in all than texts in
        flight. Texts in flight are counted to those tasks, in proportion to the texts that each has left.
        """
        unfinished = [texts for texts in self._texts.values() if texts.left]
        in_flight = self._generated - self._finished
        known = [texts for texts in unfinished if texts.finished] if self._finished >= in_flight else []
        if not known:
            return max(sum(texts.limit for texts in unfinished) - in_flight, 0), bool(unfinished)
        share = in_flight / sum(texts.left for texts in known)
        limits = [texts.limit for texts in unfinished if not texts.finished]
        return sum(texts.expected(share * texts.left) for texts in known) + sum(limits), bool(limits)
