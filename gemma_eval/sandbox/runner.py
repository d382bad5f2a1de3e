"""Runs generated programs against their tests, where they can harm nothing.

In bubblewrap a program has no network, sees no process, home or environment but its own, writes to a small private tmpfs alone, is one
process with one thread, and is bounded in CPU time, memory, file size, open files and wall time; when it ends, or the parent does, its
namespaces end with all that is in them. `subprocess` has the bounds, a clean environment and a folder of its own, and no isolation.

A program has passed if a random token comes back, which it is given only after it has run, together with the tests; see `driver.py`.
Not defended against: a program written against this very file. The tests call the program's functions and so share an interpreter
with them, as the benchmarks define it: an object that equals everything passes `==`, a replaced function of the standard library is the
one that a test calls, and code that walks the stack in search of the token, or reads the channel, can find it. The kernel is trusted.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import secrets
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from enum import Enum

from gemma_eval.errors import SandboxError
from gemma_eval.runtime.processes import this
from gemma_eval.sandbox import command, seccomp
from gemma_eval.settings import Sandbox

log = logging.getLogger(__name__)

WALL_FACTOR = 3  # wall seconds per CPU second allowed; twice as many when a program runs alone
STARTUP_SECONDS = 30.0  # for the interpreter to say that it is there, on a busy machine


class Outcome(Enum):
    passed = "passed"
    failed = "failed"  # an exception, an exit, anything but the token
    killed = "killed"  # by the kernel: no CPU time left, or a crash
    hung = "hung"  # out of wall time, with CPU time to spare, twice


@dataclass(frozen=True)
class Limits:
    """Of one program, in the order of the driver's arguments."""

    cpu_seconds: int = 10
    memory: int = 2**30
    file: int = 16 * 2**20
    files: int = 64


def run(program: str, tests: str, *, sandbox: Sandbox = Sandbox.bubblewrap, cpu_seconds: int = 10) -> Outcome:
    """Run `program`, then `tests` in its namespace. Thread-safe. Raises `SandboxError` if that cannot be done here.

    The kernel counts CPU time; a program that has used it up is done for. One that reaches the wall limit with CPU time to spare either
    waits for nothing or is on a busy machine: it has a second try, alone and with more time.
    """
    limits = Limits(cpu_seconds)
    with _slots.shared():
        outcome = _attempt(program, tests, sandbox, limits, cpu_seconds * WALL_FACTOR)
    if outcome in (Outcome.hung, None):
        with _slots.alone():
            outcome = _attempt(program, tests, sandbox, limits, 2 * cpu_seconds * WALL_FACTOR)
    if outcome is None:
        raise SandboxError(f"{sandbox.value}: no interpreter within {STARTUP_SECONDS:.0f} seconds")
    return outcome


@functools.cache
def check(sandbox: Sandbox) -> None:
    """Raise `SandboxError`, saying what to do, unless programs can be run in `sandbox` here."""
    if sandbox is Sandbox.bubblewrap and not seccomp.supported():
        raise SandboxError(f"no system-call filter for this processor: use an x86_64 or aarch64 machine, {command.OR_ELSE}")
    right, wrong = (run("def one(): return 1", f"assert one() == {value}", sandbox=sandbox) for value in (1, 2))
    if (right, wrong) != (Outcome.passed, Outcome.failed):
        raise SandboxError(f"{sandbox.value}: a right program {right.value}, a wrong one {wrong.value}; {command.OR_ELSE}")


class _Slots:
    """Many at once, or one alone."""

    def __init__(self, places: int) -> None:
        self._count = places
        self._places = threading.Semaphore(places)
        self._door = threading.Lock()

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        with self._door:
            self._places.acquire()
        try:
            yield
        finally:
            self._places.release()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        with self._door:
            for _ in range(self._count):
                self._places.acquire()
        try:
            yield
        finally:
            self._places.release(self._count)


_slots = _Slots(this().cores)


def _attempt(program: str, tests: str, sandbox: Sandbox, limits: Limits, wall: float) -> Outcome | None:
    """One try. None: the interpreter did not even start, which says nothing of the program."""
    ours, theirs = socket.socketpair()
    with ours, contextlib.ExitStack() as stack:
        with theirs:
            process = _start(sandbox, theirs, limits, stack)
        try:
            ours.settimeout(STARTUP_SECONDS)
            try:
                if ours.recv(1) != b"H":
                    _raise_start_error(process, sandbox)
            except TimeoutError:
                return None
            return _converse(ours, program, tests, wall, process)
        finally:
            _kill(process)


def _start(sandbox: Sandbox, channel: socket.socket, limits: Limits, stack: contextlib.ExitStack) -> subprocess.Popen[bytes]:
    arguments = [str(number) for number in (channel.fileno(), *astuple(limits))]
    inherited = [channel.fileno()]
    folder = "/"
    if sandbox is Sandbox.bubblewrap:
        reading, writing = os.pipe()
        stack.callback(os.close, reading)
        with os.fdopen(writing, "wb") as filter_pipe:
            filter_pipe.write(seccomp.refusals())
        inherited.append(reading)
        line = command.bubblewrap(arguments, reading)
    else:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="gemma_eval_", ignore_cleanup_errors=True))
        line = command.plain(arguments)
    environment = command.environment() | ({"HOME": folder, "TMPDIR": folder} if sandbox is Sandbox.subprocess else {})
    return subprocess.Popen(
        line,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=folder,
        pass_fds=inherited,
        start_new_session=True,
    )


def _converse(channel: socket.socket, program: str, tests: str, wall: float, process: subprocess.Popen[bytes]) -> Outcome:
    token = secrets.token_hex(16).encode()
    deadline = time.monotonic() + wall
    try:
        _send(channel, _message(program), deadline)
        if _receive(channel, 1, deadline) == b"R":
            _send(channel, token + _message(tests), deadline)
            if secrets.compare_digest(_receive(channel, len(token), deadline), token):
                return Outcome.passed
    except TimeoutError:
        return Outcome.hung
    except OSError:  # it closed its end
        pass
    try:
        code = process.wait(timeout=1.0)
    except subprocess.TimeoutExpired:
        return Outcome.failed  # silent, but still there: it closed or misused the channel
    return Outcome.killed if code < 0 or code > 128 else Outcome.failed  # bwrap gives a signal as 128 + its number


def _message(text: str) -> bytes:
    data = text.encode("utf-8", errors="replace")  # a lone surrogate is no program
    return len(data).to_bytes(8, "big") + data


def _send(channel: socket.socket, data: bytes, deadline: float) -> None:
    channel.settimeout(max(deadline - time.monotonic(), 1e-3))
    channel.sendall(data)


def _receive(channel: socket.socket, size: int, deadline: float) -> bytes:
    data = b""
    while len(data) < size:
        channel.settimeout(max(deadline - time.monotonic(), 1e-3))
        part = channel.recv(size - len(data))
        if not part:
            break
        data += part
    return data


def _raise_start_error(process: subprocess.Popen[bytes], sandbox: Sandbox) -> None:
    assert process.stderr is not None
    process.wait(timeout=STARTUP_SECONDS)
    said = process.stderr.read(2000).decode(errors="replace").strip().splitlines()
    hint = "; it needs version 0.7, and unprivileged user namespaces, which some containers and Ubuntu's AppArmor rules refuse"
    raise SandboxError(
        f"{sandbox.value} does not work here: {said[-1] if said else 'no word'}"
        f"{hint if sandbox is Sandbox.bubblewrap else ''}: mend that, {command.OR_ELSE}"
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    """bwrap's death ends its namespaces and all that is in them; without bwrap, the process group is all that can be reached."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stderr is not None
    process.stderr.close()
