"""What is known of a stack from outside, in its state folder: stack.lock (who runs it, if anyone) and stack.json."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

HELD = 3
"""Exit code of a supervisor that found another one on its state folder."""


class AlreadyRunning(Exception):
    """Another supervisor holds this state folder."""


def _lock(file: TextIO) -> None:
    # holder() takes the lock for a moment to see whether it can, so one refusal proves nothing.
    for _ in range(20):
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
    raise AlreadyRunning


@dataclass(frozen=True)
class Record:
    """The stack of one state folder, as files."""

    state: Path

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def _lock(self) -> Path:
        return self.state / "stack.lock"

    @property
    def _file(self) -> Path:
        return self.state / "stack.json"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the stack, in this process and those forked from it, until the last of them is gone."""
        self.state.mkdir(parents=True, exist_ok=True)
        with self._lock.open("a+") as file:
            _lock(file)
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def holder(self) -> int | None:
        """Pid of the guard that holds the stack now; None where nobody does, whatever stack.json says."""
        try:
            file = self._lock.open()
        except FileNotFoundError:
            return None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0) or None
            return None

    def write(self, content: dict[str, Any]) -> None:
        """Whole or not at all, for readers that come at any time."""
        unfinished = self._file.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(content, indent=2) + "\n")
        unfinished.replace(self._file)

    def read(self) -> dict[str, Any]:
        """What was written last, maybe by a stack that is gone; empty where none ever was."""
        try:
            content: dict[str, Any] = json.loads(self._file.read_text())
        except FileNotFoundError:
            return {}
        return content
