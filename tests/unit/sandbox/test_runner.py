"""Hostile programs: each is contained, counted as a failure, and leaves other programs alone.

A program that tries something forbidden notes how it went; that its tests pass means that it was refused.
"""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gemma_eval.sandbox import command
from gemma_eval.sandbox import runner as sandbox
from gemma_eval.sandbox.runner import Outcome
from gemma_eval.settings import Sandbox
from tests.sandboxes import needs_bubblewrap

pytestmark = needs_bubblewrap

TESTS = "assert answer() == 42, answer()"
RIGHT = "def answer(): return 42"
WRONG = "def answer(): return 41"

# Programs that would be counted as right if leaving early, or meddling with the tests, were enough.
CHEATS = {
    "sys.exit": "import sys\nsys.exit(0)",
    "os._exit": "import os\nos._exit(0)",
    "exit in the function": "import sys\ndef answer(): sys.exit(0)",
    "os._exit in the function": "import os\ndef answer(): os._exit(0)",
    "SystemExit": "raise SystemExit(0)",
    "KeyboardInterrupt": "def answer(): raise KeyboardInterrupt",
    "marker on stdout": WRONG + "\nprint('passed', 'HR', 'OK', flush=True)",
    "marker everywhere": "import os\nfor fd in range(64):\n  try: os.write(fd, b'HR' + b'0' * 32)\n  except OSError: pass\n" + WRONG,
    "forged token": "import os\ndef answer():\n  for fd in range(3, 64):\n    try: os.write(fd, b'a' * 32)\n    except OSError: pass\n"
    "  os._exit(0)",
    "own AssertionError": "class AssertionError(BaseException): pass\n" + WRONG,
    "builtin AssertionError": "import builtins\nbuiltins.AssertionError = None\n" + WRONG,
    "no exec": "import builtins\nbuiltins.exec = lambda *a: None\n" + WRONG,
    "no compile": "import builtins\nbuiltins.compile = lambda *a, **k: (lambda: None).__code__\n" + WRONG,
    "no read": "import os\nos.read = lambda *a: b''\nos.write = lambda *a: 0\n" + WRONG,
    "no builtins": "import builtins\nvars(builtins).clear()\n" + WRONG.replace("41", "0"),
    "main module": "import sys\nmain = sys.modules['__main__']\nfor name in list(vars(main)):\n  setattr(main, name, print)\n" + WRONG,
    "excepthook": "import sys\nsys.excepthook = lambda *a: None\n" + WRONG,
    "atexit": "import atexit, os\natexit.register(os._exit, 0)\n" + WRONG,
    "closed files": "import os\nos.closerange(0, 64)\n" + WRONG,
    "unfinished": "def answer():\n  return 42\n'''",
    "not a program": "answer = \x00",
    "lone surrogate": "answer = '\ud800'\n" + WRONG,
    "deep recursion": "def answer(): return answer()",
    "crash": "import ctypes\nctypes.string_at(0)",
    "abort": "import os\nos.abort()",
    "exec of a shell": "import os\nos.execv('/usr/bin/sh', ['sh', '-c', 'exit 0'])",
    "memory": "hog = []\nwhile True: hog.append(bytearray(2**26))",
    "huge": "hog = 10 ** 10 ** 9",
}


@pytest.mark.parametrize("name", CHEATS)
def test_cheats_fail(name: str) -> None:
    assert sandbox.run(CHEATS[name], TESTS, cpu_seconds=2) in (Outcome.failed, Outcome.killed)


def test_right_and_wrong() -> None:
    assert sandbox.run(RIGHT, TESTS) is Outcome.passed
    assert sandbox.run(WRONG, TESTS) is Outcome.failed
    assert sandbox.run("", "assert False") is Outcome.failed


def test_builtins_are_the_tests_own() -> None:
    """A program may define a function named as a builtin; it may not replace the builtin."""
    assert sandbox.run("def sum(a, b): return a + b", "assert sum(1, 2) == 3") is Outcome.passed
    close = "assert abs(answer() - 42) < 1e-6"
    assert sandbox.run("import builtins\nbuiltins.abs = lambda x: 0\n" + WRONG, close) is Outcome.failed
    tracing = "import sys\nsys.settrace(lambda *a: None)\nsys.setprofile(lambda *a: None)"
    assert sandbox.run(tracing, "assert sys.gettrace() is None and sys.getprofile() is None") is Outcome.passed


def test_what_is_not_defended_against() -> None:
    """Written down, so that nobody relies on it: tests and program share an interpreter."""
    assert sandbox.run("class Any:\n  def __eq__(self, other): return True\ndef answer(): return Any()", TESTS) is Outcome.passed
    assert sandbox.run("import math\nmath.isclose = lambda *a: True\n" + WRONG, "import math\nassert math.isclose(answer(), 42)") is (
        Outcome.passed
    )


# Each sets `refused`.
ATTEMPT = "refused = False\ntry:\n  {}\nexcept {}:\n  refused = True"
REFUSED = {
    "fork": ATTEMPT.format("import os; os.fork()", "PermissionError"),
    "posix_spawn": ATTEMPT.format("import os; os.posix_spawn('/usr/bin/true', ['true'], {})", "PermissionError"),
    "subprocess": ATTEMPT.format("import subprocess; subprocess.run(['/usr/bin/env'])", "PermissionError"),
    "system": "import os\nrefused = os.system('/usr/bin/true') != 0",
    "thread": ATTEMPT.format("import threading; threading.Thread(target=print).start()", "RuntimeError"),
    "network": ATTEMPT.format("import socket; socket.create_connection(('1.1.1.1', 53), timeout=1)", "OSError"),
    "listening": ATTEMPT.format("import socket; socket.create_server(('127.0.0.1', 0))", "OSError"),
    "name look-up": ATTEMPT.format("import socket; socket.getaddrinfo('example.org', 80)", "OSError"),
    "write to the root": ATTEMPT.format("open('/x', 'w')", "OSError"),
    "write to the system": ATTEMPT.format("open('/usr/x', 'w')", "OSError"),
    "write to Python": ATTEMPT.format("import os; open(os.__file__, 'a')", "OSError"),
    "write over the driver": ATTEMPT.format("open('/driver.py', 'w')", "OSError"),
    "remove the driver": ATTEMPT.format("import os; os.remove('/driver.py')", "OSError"),
    "processes": ATTEMPT.format("import os; os.listdir('/proc')", "FileNotFoundError"),
    "memory of the parent": ATTEMPT.format("open(f'/proc/{__import__(\"os\").getppid()}/mem', 'rb')", "FileNotFoundError"),
    "kill the parent": "import os\nos.kill(os.getppid(), 9)\nrefused = os.getppid() == 1",  # the namespace's own init, which survives
    "kill everyone": ATTEMPT.format("import os; os.kill(-1, 9)", "ProcessLookupError"),
    "unshare": "import ctypes\nrefused = ctypes.CDLL(None).unshare(0x10000000) == -1",
    "ptrace": "import ctypes\nrefused = ctypes.CDLL(None).ptrace(0, 0, 0, 0) == -1",
    "shared memory": "import ctypes\nrefused = ctypes.CDLL(None).shmget(0, 4096, 0o600) == -1",
    "memfd": ATTEMPT.format("import os; os.memfd_create('x')", "PermissionError"),
    "more CPU time": ATTEMPT.format("import resource; resource.setrlimit(resource.RLIMIT_CPU, (99, 99))", "ValueError"),
    "root": "import os\nrefused = os.getuid() == 65534",
    "devices": "import os\nrefused = sorted(os.listdir('/dev')) == ['null', 'urandom', 'zero']",
    "big file": ATTEMPT.format("open('x', 'wb').write(bytes(2**25))", "OSError"),
    "big array": ATTEMPT.format("bytearray(2**31)", "MemoryError"),
    "input": ATTEMPT.format("input()", "EOFError"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    assert sandbox.run(REFUSED[name], "assert refused") is Outcome.passed


def test_disk_is_small_and_private() -> None:
    fill = """
import os
written, refused = 0, False
try:
    for number in range(1000):
        with open(f"/tmp/{number}", "wb") as file:
            written += file.write(bytes(2**23))
except OSError:
    refused = True
"""
    assert sandbox.run(fill, f"assert refused and written <= {command.TMPFS_BYTES}") is Outcome.passed
    assert sandbox.run("import os", "assert os.listdir('/tmp') == []" if not _python_below_tmp() else "") is Outcome.passed
    assert not Path("/tmp/999").exists()


def _python_below_tmp() -> bool:
    return any(str(folder).startswith("/tmp/") for folder in command._python_folders())


def test_environment_and_home_are_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    (tmp_path / "secret").write_text("secret")
    program = "import os\nfrom pathlib import Path\nvalues = dict(os.environ)"
    seen = f"""
assert "HF_TOKEN" not in values and "secret" not in values.values(), values
assert set(values) <= {set(command.environment()) | {"PWD", "LC_CTYPE"}}, values
assert not Path({str(tmp_path / "secret")!r}).exists()
assert not Path({str(Path.home() / ".cache")!r}).exists() and not Path({str(Path(__file__))!r}).exists()
assert not Path("/etc/passwd").exists() and not Path("/home").exists()
"""
    assert sandbox.run(program, seen) is Outcome.passed


def test_loops_end_by_cpu_time() -> None:
    """Trapping signals does not help, and a flood of output goes nowhere."""
    traps = "import signal\nfor s in (2, 14, 15, 24):\n  signal.signal(s, lambda *a: None)\n"
    flood = "import sys\nwhile True:\n  sys.stdout.write('x' * 10000)\n  sys.stderr.write('x' * 10000)"
    loops = [traps + "while True: pass", "def answer():\n  while True: pass", flood, "answer = 9 ** 9 ** 9"]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda program: sandbox.run(program, TESTS, cpu_seconds=1), loops)) == [Outcome.killed] * 4


def test_a_sleeper_hangs_and_nothing_of_it_remains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "WALL_FACTOR", 0.5)
    start = time.monotonic()
    assert sandbox.run("import time\ntime.sleep(1000)", "", cpu_seconds=2) is Outcome.hung
    assert 3 <= time.monotonic() - start < 20  # one second, then two alone
    time.sleep(0.5)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        assert not (b"/driver.py" in line and (folder / "status").read_text().count(f"PPid:\t{os.getpid()}\n"))


def test_a_busy_machine_is_not_a_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of wall time with CPU time to spare, a program has a second try; here the first one has no chance."""
    real, walls = sandbox._attempt, []

    def starved(program: str, tests: str, kind: Sandbox, limits: sandbox.Limits, wall: float) -> Outcome | None:
        walls.append(wall)
        return Outcome.hung if len(walls) == 1 else real(program, tests, kind, limits, wall)

    monkeypatch.setattr(sandbox, "_attempt", starved)
    assert sandbox.run(RIGHT, TESTS, cpu_seconds=3) is Outcome.passed
    assert walls == [9, 18]


def test_hostile_programs_leave_others_alone() -> None:
    hostile = [CHEATS["memory"], REFUSED["fork"], CHEATS["marker everywhere"], "import os\nos.kill(-1, 9)", "while True: pass"]
    programs = [program for hostile_one in hostile for program in (hostile_one, RIGHT, WRONG)]
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda program: sandbox.run(program, TESTS, cpu_seconds=1), programs))
    assert outcomes[1::3] == [Outcome.passed] * len(hostile)
    assert outcomes[2::3] == [Outcome.failed] * len(hostile)
    assert Outcome.passed not in outcomes[0::3]


def test_one_alone_waits_for_the_others_and_they_for_it() -> None:
    room, inside, most = sandbox._Slots(3), [0], [0]
    lock = threading.Lock()

    def enter(alone: bool) -> None:
        with room.alone() if alone else room.shared():
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                assert inside[0] <= (1 if alone else 3)
            time.sleep(0.005)
            assert not alone or inside[0] == 1
            with lock:
                inside[0] -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(enter, [number % 5 == 0 for number in range(60)]))
    assert 1 < most[0] <= 3 and inside[0] == 0


def test_numpy_is_there() -> None:
    assert sandbox.run("import numpy as np", "assert np.arange(4).sum() == 6") is Outcome.passed
