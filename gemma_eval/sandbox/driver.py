"""Runs inside the sandbox, as `python driver.py CHANNEL LIMITS...`: one program, then its tests. It cannot import gemma_eval.

To pass, a program must reach the end of `main`, which sends back a token. The token arrives with the tests, after the program has run.
So a program that ends early, by an exception, an exit or a signal, cannot send it. Everything that `main` uses is bound to local names
before the program runs, so the program cannot replace it.
"""

import builtins
import os
import resource
import sys
from types import ModuleType


def main(channel: int, cpu_seconds: int, memory: int, file: int, files: int) -> None:
    """Read program and tests from the socket `channel`, and run them under the limits of `runner.Limits`."""
    run, compiled, read, write, leave, length = exec, compile, os.read, os.write, os._exit, len
    trace, profile = sys.settrace, sys.setprofile
    names = vars(builtins)
    pristine = dict(names)

    def receive(size: int) -> bytes:
        data = b""
        while length(data) < size:
            part = read(channel, size - length(data))
            if not part:
                leave(1)
            data += part
        return data

    def message() -> str:
        return receive(int.from_bytes(receive(8), "big")).decode()

    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # errors before this line are the sandbox's own, and are reported
    for name, limit in {"CPU": cpu_seconds, "AS": memory, "FSIZE": file, "NOFILE": files, "CORE": 0}.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        ceiling = limit + (name == "CPU")  # the first limit sends SIGXCPU, which can be trapped, the second SIGKILL
        resource.setrlimit(kind, (limit, ceiling))
    module = sys.modules["program"] = ModuleType("program")
    space = vars(module)

    write(channel, b"H")
    run(compiled(message(), "<program>", "exec"), space)
    names.clear()
    names.update(pristine)
    trace(None)
    profile(None)
    write(channel, b"R")
    token = receive(32)
    run(compiled(message(), "<tests>", "exec"), space)
    write(channel, token)
    leave(0)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
