"""A system-call filter for bubblewrap: one process, one thread, no sockets, and no memory outside the memory limit.

A limit on processes (RLIMIT_NPROC) would not do: it does not apply to root, and it counts all processes and threads of the user.
"""

from __future__ import annotations

import platform
import struct
from errno import ENOSYS, EPERM

# Numbers from the kernel's tables (arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h).
_X86_64 = {
    "clone": 56, "fork": 57, "vfork": 58,  # processes and threads
    "socket": 41,  # AF_VSOCK and others ignore network namespaces; asyncio needs socketpair, which is another call
    "memfd_create": 319, "shmget": 29, "msgget": 68, "semget": 64, "mq_open": 240,  # memory outside RLIMIT_AS
    "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "personality": 135,
    "unshare": 272, "setns": 308, "mount": 165, "umount2": 166, "pivot_root": 155,
    "bpf": 321, "perf_event_open": 298, "userfaultfd": 323, "name_to_handle_at": 303, "open_by_handle_at": 304,
    "add_key": 248, "request_key": 249, "keyctl": 250,
}  # fmt: skip
_AARCH64 = {
    "clone": 220,
    "socket": 198,
    "memfd_create": 279, "shmget": 194, "msgget": 186, "semget": 190, "mq_open": 180,
    "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "personality": 92,
    "unshare": 97, "setns": 268, "mount": 40, "umount2": 39, "pivot_root": 41,
    "bpf": 280, "perf_event_open": 241, "userfaultfd": 282, "name_to_handle_at": 264, "open_by_handle_at": 265,
    "add_key": 217, "request_key": 218, "keyctl": 219,
}  # fmt: skip
_EVERYWHERE = {
    "io_uring_setup": 425, "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsmount": 432,
    "pidfd_open": 434, "pidfd_getfd": 438, "mount_setattr": 442, "memfd_secret": 447,
}  # fmt: skip
_CLONE3 = 435  # a filter cannot read its flags; libraries fall back to clone if it is unknown

_MACHINES = {"x86_64": (0xC000003E, _X86_64), "aarch64": (0xC00000B7, _AARCH64)}
_X32 = 0x40000000  # this bit selects a second table of the same calls on x86_64

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000


def supported() -> bool:
    """Whether there is a filter for this processor."""
    return platform.machine() in _MACHINES


def refusals() -> bytes:
    """The filter in the form that `bwrap --seccomp` reads: an array of struct sock_filter."""
    audit, calls = _MACHINES[platform.machine()]
    program = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, audit), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    program += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _KILL)]
    program += [(_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _ERRNO | ENOSYS)]
    for number in {**calls, **_EVERYWHERE}.values():
        program += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | EPERM)]
    program.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
