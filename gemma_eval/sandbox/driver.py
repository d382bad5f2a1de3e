"""Runs inside the sandbox, as `python driver.py CHANNEL LIMITS...`: one program, then its tests. Nothing of gemma_eval is there.

Success is one straight line: program, tests, token. The token arrives with the tests, after the program has run, so whatever leaves the
line (an exception, an exit, a signal) leaves it without having had anything to say. All that the line uses is bound before the program
runs: what the program replaces later is not what is called here.
"""

import builtins
import os
import resource
import sys
from types import ModuleType


def main(channel: int, cpu_seconds: int, memory: int, file: int, files: int) -> None:
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

    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # until here, errors are the sandbox's own
    for name, limit in {"CPU": cpu_seconds, "AS": memory, "FSIZE": file, "NOFILE": files, "CORE": 0}.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        ceiling = limit + (name == "CPU")  # at the first, SIGXCPU, which can be trapped; at the second, SIGKILL
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
