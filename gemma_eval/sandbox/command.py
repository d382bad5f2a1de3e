"""The command line that starts the driver: in bubblewrap, or without isolation."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from gemma_eval.errors import SandboxError

DRIVER = Path(__file__).with_name("driver.py")
INSTALL = "install it (apt, dnf, pacman, zypper: `bubblewrap`)"
ALTERNATIVE = "or set sandbox=subprocess, which limits time and memory but isolates nothing"

TMPFS_BYTES = 64 * 2**20
SYSTEM = ["/usr", "/lib", "/lib32", "/lib64", "/nix/store", "/etc/ld.so.cache"]


def unisolated(arguments: list[str]) -> list[str]:
    """The driver as a subprocess, with these arguments."""
    return [*_python(), str(DRIVER), *arguments]


def bubblewrap(arguments: list[str], filter_fd: int) -> list[str]:
    """The driver in bubblewrap. `filter_fd` is the file descriptor from which bubblewrap reads the system-call filter.

    The program has its own namespaces (users, processes, network, mounts, ...), no capabilities, no /proc, and of /dev only null, zero
    and urandom. It can read the system's libraries and this Python with its packages, and write to a small tmpfs, /tmp. The root is
    read-only, because it is a tmpfs without a limit.

    Raises `SandboxError` if bubblewrap is not installed.
    """
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise SandboxError(f"generated code runs in bubblewrap, which is not here: {INSTALL}, {ALTERNATIVE}")
    command = [bwrap, "--unshare-all", "--unshare-user", "--uid", "65534", "--gid", "65534", "--hostname", "sandbox", "--cap-drop", "ALL"]
    command += ["--die-with-parent", "--new-session", "--seccomp", str(filter_fd)]
    command += ["--size", str(TMPFS_BYTES), "--tmpfs", "/tmp", "--chdir", "/tmp"]
    for device in ("null", "zero", "urandom"):
        command += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
    for path in [*SYSTEM, *map(str, dict.fromkeys(_python_folders()))]:
        command += ["--ro-bind-try", path, path]
    command += ["--ro-bind", str(DRIVER), "/driver.py", "--remount-ro", "/"]
    return [*command, *_python(), "/driver.py", *arguments]


def environment() -> dict[str, str]:
    """The environment variables of the program. The hash seed is fixed, so that programs that depend on it score the same again."""
    packages = dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    one_thread = dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1")
    return {
        "PATH": "/usr/bin",
        "HOME": "/tmp",
        "LANG": "C.UTF-8",
        "PYTHONPATH": ":".join(packages),
        "PYTHONHASHSEED": "0",
        **one_thread,
    }


def _python() -> list[str]:
    """This interpreter, without `site`: packages are found through PYTHONPATH, and no .pth file is run."""
    return [str(Path(sys.executable).resolve()), "-S", "-P", "-B"]


def _python_folders() -> Iterator[Path]:
    """The folders of this interpreter and its packages."""
    yield Path(sys.executable).resolve().parent.parent
    yield from (Path(sys.base_prefix), Path(sys.base_exec_prefix))
    yield from (Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("platlib")))
