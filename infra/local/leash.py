"""Becomes a command that is killed when the process that started it dies, also by SIGKILL.

Usage: leash.py PARENT_PID UID:GID|- COMMAND...   Run by path with -I -S: it must start fast and know nothing of ours.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def attach(parent: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Have this process signalled when `parent`, its parent, dies. Survives exec, but not a change of user."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, number) != 0:
        raise OSError(ctypes.get_errno(), "cannot ask for a signal when the parent dies")
    if os.getppid() != parent:
        sys.exit("the process that started this is gone already")


def drop_to(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def main(parent: str, account: str, *command: str) -> None:
    if account != "-":
        uid, gid = account.split(":")
        drop_to(int(uid), int(gid))
    attach(int(parent))
    os.execvp(command[0], command)  # noqa: S606  that is what it is for


if __name__ == "__main__":
    main(*sys.argv[1:])
