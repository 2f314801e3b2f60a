"""The parent of the supervisor: however that one ends, also by SIGKILL, everything below it is ended too.

It is a subreaper, so whatever loses its parent becomes its child. If the guard itself is killed, the supervisor stops
everything in order.
"""

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

import psutil

from infra.local import leash

PR_SET_CHILD_SUBREAPER = 36


def guarded(work: Callable[[], int]) -> int:
    """Run `work` in a child, pass SIGTERM and SIGINT on to it, then end all descendants; the child's exit code."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    guard = os.getpid()
    child = os.fork()
    if child == 0:
        leash.attach(guard, signal.SIGTERM)
        os._exit(_exit_code_of(work))

    def pass_on(number: int, _: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGINT, pass_on)
    status = _wait_for(child)
    _end_descendants()
    return os.waitstatus_to_exitcode(status)


def _exit_code_of(work: Callable[[], int]) -> int:
    try:
        return work()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1


def _wait_for(child: int) -> int:
    """Also takes in the orphans that end meanwhile."""
    while True:
        pid, status = os.wait()
        if pid == child:
            return status


def _end_descendants() -> None:
    """Until there are none: killing a parent brings its children here."""
    while children := psutil.Process().children(recursive=True):
        for descendant in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                descendant.kill()
        with contextlib.suppress(ChildProcessError):
            os.wait()
