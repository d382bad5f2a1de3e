"""What goes wrong on a local Hub: rules that give a request something else than the right answer."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Fault:
    """A rule for requests whose "METHOD path" contains the regular expression `pattern`. The path has its query, and is unquoted.

    The first `skip` requests are left to the rules after this one, the next `times` meet the fault (None: all the others). Then it is
    over. Its effects:

    - `delay`: seconds before the answer.
    - `status`: an answer with this status, these `headers` and this `body`.
    - `hang`: no answer while the Hub runs. The connection stays open.
    - `reset`: the connection is reset in place of an answer.
    - `drop`: the connection ends after so many bytes of the body.
    - `truncate`: the body has at most so many bytes, and Content-Length says so: a whole answer of a file that was cut.
    """

    pattern: str
    times: int | None = None
    skip: int = 0
    delay: float = 0.0
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = '{"error": "a fault of the local Hub"}'
    hang: bool = False
    reset: bool = False
    drop: int | None = None
    truncate: int | None = None

    @classmethod
    def html(cls, pattern: str, *, times: int | None = None) -> Fault:
        """A page with status 200 in place of every answer, as the login page of a network is."""
        page = "<html><body>Please sign in to use this network.</body></html>"
        return cls(pattern, times, status=200, headers={"Content-Type": "text/html"}, body=page)

    @classmethod
    def rate_limit(cls, pattern: str, *, wait: int, times: int | None = None) -> Fault:
        """Status 429, which tells the client to wait so many seconds."""
        return cls(pattern, times, status=429, headers={"Retry-After": str(wait)}, body='{"error": "Too Many Requests"}')


class Faults:
    """The rules of a Hub. A request meets the first one that matches it and is not over."""

    def __init__(self) -> None:
        self._rules: list[Fault] = []
        self._seen: list[int] = []  # matching requests by rule
        self._lock = threading.Lock()

    def add(self, *faults: Fault) -> None:
        """Add rules after those that are there."""
        with self._lock:
            self._rules += faults
            self._seen += [0] * len(faults)

    def clear(self) -> None:
        """Remove all rules."""
        with self._lock:
            self._rules, self._seen = [], []

    def next(self, line: str) -> Fault | None:
        """The fault that a request meets; None if all goes well. `line`: its "METHOD path"."""
        with self._lock:
            for position, fault in enumerate(self._rules):
                over = fault.times is not None and self._seen[position] >= fault.skip + fault.times
                if over or not re.search(fault.pattern, line):
                    continue
                self._seen[position] += 1
                if self._seen[position] > fault.skip:
                    return fault
        return None
