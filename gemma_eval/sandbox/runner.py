"""Runs generated programs against their tests, so that they can do no harm.

In bubblewrap, a program has no network, and sees only its own process, home and environment. It can write only to a small private
tmpfs. It is one process with one thread, with limits on CPU time, memory, file size, open files and wall time. When it ends, or its
parent does, everything in its namespaces ends too. `subprocess` has the limits, a clean environment and a private folder, but no
isolation.

A program has passed if it sends back a random token, which it gets together with the tests, after it has run (see `driver.py`). This
does not stop a program written to defeat this file. The benchmarks define tests that call the program's functions, so both share an
interpreter: an object that equals everything passes `==`, tests call a standard function that the program has replaced, and code can
find the token on the stack or in the channel. The kernel is trusted.
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

WALL_FACTOR = 3  # wall seconds allowed for each CPU second; twice as many if a program runs alone
STARTUP_SECONDS = 30.0  # for the interpreter to start, on a busy machine


class Outcome(Enum):
    """How a program ended."""

    passed = "passed"
    failed = "failed"  # an exception, an exit, or anything else that sends no token
    killed = "killed"  # by the kernel: it used up its CPU time, or crashed
    hung = "hung"  # twice reached the limit of wall time with CPU time left


@dataclass(frozen=True)
class Limits:
    """The limits of one program, in the order of the driver's arguments. `memory` and `file` are bytes, `files` counts open files."""

    cpu_seconds: int = 10
    memory: int = 2**30
    file: int = 16 * 2**20
    files: int = 64


def run(program: str, tests: str, *, sandbox: Sandbox = Sandbox.bubblewrap, cpu_seconds: int = 10) -> Outcome:
    """Run `program`, then `tests` in its namespace. Thread-safe. Raises `SandboxError` if that cannot be done here.

    A program that uses up its CPU time is killed. One that reaches the wall limit with CPU time left may be hanging, or the machine may
    be busy. It gets a second attempt, alone and with more time.
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
    """Raise `SandboxError`, which says what to do, if programs cannot be run in `sandbox` on this machine."""
    if sandbox is Sandbox.bubblewrap and not seccomp.supported():
        raise SandboxError(f"no system-call filter for this processor: use an x86_64 or aarch64 machine, {command.ALTERNATIVE}")
    right, wrong = (run("def one(): return 1", f"assert one() == {value}", sandbox=sandbox) for value in (1, 2))
    if (right, wrong) != (Outcome.passed, Outcome.failed):
        raise SandboxError(
            f"{sandbox.value} does not work here: right program {right.value}, wrong one {wrong.value}: mend that, {command.ALTERNATIVE}"
        )


class _Slots:
    """Lets up to `places` programs run at once, or one alone."""

    def __init__(self, places: int) -> None:
        self._count = places
        self._places = threading.Semaphore(places)
        self._door = threading.Lock()

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        """A block in which other programs may run."""
        with self._door:
            self._places.acquire()
        try:
            yield
        finally:
            self._places.release()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """A block in which no other program runs."""
        with self._door:
            for _ in range(self._count):
                self._places.acquire()
        try:
            yield
        finally:
            self._places.release(self._count)


_slots = _Slots(this().cores)


def _attempt(program: str, tests: str, sandbox: Sandbox, limits: Limits, wall: float) -> Outcome | None:
    """One attempt, with a limit of `wall` seconds. None if the interpreter did not start, which says nothing about the program."""
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
            return _exchange(ours, program, tests, wall, process)
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
        line = command.unisolated(arguments)
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


def _exchange(channel: socket.socket, program: str, tests: str, wall: float, process: subprocess.Popen[bytes]) -> Outcome:
    """Send the program, then the tests with a token. It has passed if the token comes back within `wall` seconds."""
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
    except OSError:  # the driver closed its end
        pass
    try:
        code = process.wait(timeout=1.0)
    except subprocess.TimeoutExpired:
        return Outcome.failed  # it still runs, but closed or misused the channel
    return Outcome.killed if code < 0 or code > 128 else Outcome.failed  # bwrap gives a signal as 128 + its number


def _message(text: str) -> bytes:
    """The text, after its length in bytes."""
    data = text.encode("utf-8", errors="replace")  # a lone surrogate cannot be sent, and no program needs one
    return len(data).to_bytes(8, "big") + data


def _send(channel: socket.socket, data: bytes, deadline: float) -> None:
    channel.settimeout(max(deadline - time.monotonic(), 1e-3))
    channel.sendall(data)


def _receive(channel: socket.socket, size: int, deadline: float) -> bytes:
    """The next `size` bytes, or fewer if the channel is closed. Raises `TimeoutError` after the deadline."""
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
    lines = process.stderr.read(2000).decode(errors="replace").strip().splitlines()
    hint = "; it needs version 0.7, and unprivileged user namespaces, which some containers and Ubuntu's AppArmor rules refuse"
    raise SandboxError(
        f"{sandbox.value} does not work here: {lines[-1] if lines else 'it gave no message'}"
        f"{hint if sandbox is Sandbox.bubblewrap else ''}: mend that, {command.ALTERNATIVE}"
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the program. The death of bwrap ends everything in its namespaces; without bwrap, the process group is killed."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stderr is not None
    process.stderr.close()
