"""Walls around a worker: limits, another user, namespaces of Linux. The worker builds them before it reads the student's file.

The worker reports their strength. "namespaces": it sees only an empty folder, Python and its libraries; no network, no other
process. "user": root gives it a user id that no other process has; "user, no network" if the kernel also
refuses sockets. "limits": it runs as the user who grades, and can read files and kill processes like that
user. A keeper process stays outside, waits, and ends all processes inside.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import struct
import sys
from pathlib import Path
from typing import Any

NEW_USER, NEW_PID, NEW_NET, NEW_IPC, NEW_MOUNTS = 0x10000000, 0x20000000, 0x40000000, 0x08000000, 0x00020000
READ_ONLY, NO_SUID, NO_DEVICES, NO_EXEC, REMOUNT, BIND, RECURSIVE, PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
NO_NEW_PRIVILEGES, DIE_WITH_PARENT, DETACH = 38, 1, 2
ROOM = "/room"  # the worker's folder


def confine(plan: dict[str, Any]) -> str:
    """Build the walls; return their strength, inside them. plan: "walls" (the strongest to try), "folder" (an empty folder for
    the worker), "uid", "see" (folders that it may read), "memory", "files" (bytes), "processes" and "seconds"."""
    if plan["walls"] == "none" or not hasattr(os, "fork"):
        limit(plan, 0)
        return "limits"
    libc, root = ctypes.CDLL(None, use_errno=True), os.geteuid() == 0
    strength = "namespaces" if plan["walls"] == "namespaces" and _namespaces(libc, plan, root) else "user" if root else "limits"
    if strength == "user":
        os.chown(plan["folder"], plan["uid"], plan["uid"])
    inside = _with_keeper(libc, plan["uid"] if strength == "user" else None)
    assert inside
    os.umask(0o077)
    os.chdir(ROOM if strength == "namespaces" else plan["folder"])
    if root:
        os.setgroups([])
        os.setgid(plan["uid"])
        os.setuid(plan["uid"])
    elif strength == "namespaces":
        libc.capset(ctypes.byref((ctypes.c_uint32 * 2)(0x20080522, 0)), ctypes.byref((ctypes.c_uint32 * 6)()))
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    libc.prctl(DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)  # set last: a change of user would clear it
    if _no_sockets(libc) and strength == "user":
        strength = "user, no network"
    limit(plan, 0 if strength == "limits" else plan["processes"])
    return strength


def limit(plan: dict[str, Any], processes: int | None = None) -> None:
    """Limit this process's memory, time and so on to the plan's values."""
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    wanted = [("RLIMIT_AS", plan.get("memory")), ("RLIMIT_FSIZE", plan.get("files")), ("RLIMIT_CPU", plan.get("seconds")),
              ("RLIMIT_NOFILE", 64), ("RLIMIT_CORE", 0), ("RLIMIT_NPROC", processes)]
    for name, most in wanted:
        if most is not None and hasattr(resource, name):
            hard = resource.getrlimit(getattr(resource, name))[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            try:
                resource.setrlimit(getattr(resource, name), (most, most))
            except (OSError, ValueError):
                pass  # macOS refuses some limits


def _with_keeper(libc: Any, uid: int | None) -> bool:
    """True in a new process. The old one stays as its keeper, and ends when it has ended all that is left of it: all processes
    of the user uid, if it has one of its own; in a pid namespace the first process takes the others with it."""
    signals = {signal.SIGTERM, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    child = os.fork()
    if not child:
        os.setsid()  # a signal to its own group must not reach the keeper
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        return True
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    libc.prctl(DIE_WITH_PARENT, signal.SIGTERM, 0, 0, 0)
    for descriptor in (0, 1, 2):
        os.close(descriptor)
    status = int(signal.SIGKILL)
    try:
        signal.sigwait(signals)
        os.kill(child, signal.SIGKILL)  # in a pid namespace this ends all of them, and makes fork() fail
        with contextlib.suppress(OSError):  # the child may not have made its group yet
            os.killpg(child, signal.SIGKILL)
        if uid is not None and not os.fork():
            os.setgid(uid)
            os.setuid(uid)
            os.kill(-1, signal.SIGKILL)  # all processes of that user, whatever groups they made
            os._exit(0)
        while True:
            pid, state = os.wait()
            status = state if pid == child else status
    finally:  # whatever happened: it must not go on as a worker. When no process is left, wait() raises an error
        os._exit(os.waitstatus_to_exitcode(status) & 0xff)


def _namespaces(libc: Any, plan: dict[str, Any], root: bool) -> bool:
    """Own processes, network and files: a small file system in memory, with what Python needs in it, read-only."""
    uid, gid = os.getuid(), os.getgid()
    wanted = NEW_MOUNTS | NEW_PID | NEW_NET | NEW_IPC | (0 if root else NEW_USER)
    if not sys.platform.startswith("linux") or libc.unshare(wanted):
        return False
    if not root:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")

    def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
        encoded = [None if word is None else word.encode() for word in (source, target, kind, data)]
        if libc.mount(*encoded[:3], ctypes.c_ulong(flags), encoded[3]):
            raise OSError(ctypes.get_errno(), f"mount {target}")

    new = plan["folder"]
    os.umask(0o022)  # the submission's user must be able to enter the folders made here
    mount("none", "/", None, RECURSIVE | PRIVATE)
    mount("tmpfs", new, "tmpfs", NO_SUID | NO_DEVICES, "size=64m,mode=755")
    for path in _without_inner(["/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/dev/null", "/dev/urandom",
                                sys.prefix, sys.base_prefix, *plan["see"]]):
        if path.is_symlink() and len(path.parts) == 2:
            os.symlink(os.readlink(path), new + str(path))
        elif path.exists():
            inside = Path(new + str(path))
            inside.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
            inside.mkdir(mode=0o755) if path.is_dir() else inside.touch()
            mount(str(path), str(inside), None, BIND)
            kept = os.statvfs(inside).f_flag & (NO_SUID | NO_DEVICES | NO_EXEC)
            devices = 0 if str(path).startswith("/dev/") else NO_DEVICES
            mount("none", str(inside), None, REMOUNT | BIND | READ_ONLY | NO_SUID | devices | kept)
    for folder in (ROOM, "/tmp", "/old"):
        os.makedirs(new + folder, exist_ok=True)
    os.chown(new + ROOM, plan["uid"] if root else uid, plan["uid"] if root else gid)
    os.chdir(new)
    if libc.syscall(_pivot_root(), b".", b"old"):
        raise OSError(ctypes.get_errno(), "pivot_root")
    os.chdir("/")
    if libc.umount2(b"/old", DETACH):
        raise OSError(ctypes.get_errno(), "umount")
    mount("none", "/", None, REMOUNT | NO_SUID | NO_DEVICES, "size=64m,mode=755")
    return True


def _no_sockets(libc: Any) -> bool:
    """Let the kernel refuse sockets but those within this computer: a program of BPF, one line an instruction."""
    machine = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}.get(os.uname().machine)
    if not sys.platform.startswith("linux") or machine is None:
        return False
    load, equal, at_least, done = 0x20, 0x15, 0x35, 0x06
    allow, refuse = 0x7FFF0000, 0x00050001  # with "operation not permitted"
    lines = [(load, 0, 0, 4), (equal, 0, 7, machine[0]),  # another architecture: refused
             (load, 0, 0, 0), (at_least, 5, 0, 0x40000000),  # calls by other numbers: refused
             (equal, 4, 0, 425),  # io_uring, which makes sockets too: refused
             (equal, 0, 2, machine[1]), (load, 0, 0, 16), (equal, 0, 1, 1),  # socket(): AF_UNIX alone
             (done, 0, 0, allow), (done, 0, 0, refuse)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))
    whole = ctypes.create_string_buffer(struct.pack("HP", len(lines), ctypes.addressof(program)))
    return libc.prctl(22, 2, ctypes.byref(whole), 0, 0) == 0


def _without_inner(paths: list[str]) -> list[Path]:
    """Each folder once, without those that lie in another one of them."""
    real = [Path(path) for path in dict.fromkeys(paths)]
    return [path for path in real if not any(other != path and other in path.parents for other in real)]


def _pivot_root() -> int:
    return {"x86_64": 155, "aarch64": 41}.get(os.uname().machine, 41)
