"""Who a process runs as: PostgreSQL refuses root, so as root it runs as `nobody`, on files that one can reach."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Account:
    """An unprivileged user with a passwd entry (without one PostgreSQL cannot tell its own name)."""

    uid: int
    gid: int

    def can_enter(self, folder: Path) -> bool:
        """Whether each folder on the way, and the folder itself, lets this user through."""
        folder = folder.resolve()
        return all(self._may_traverse(step) for step in (folder, *folder.parents))

    def own(self, path: Path) -> None:
        os.chown(path, self.uid, self.gid)

    def _may_traverse(self, folder: Path) -> bool:
        status = folder.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & 0o100)
        if status.st_gid == self.gid:
            return bool(status.st_mode & 0o010)
        return bool(status.st_mode & 0o001)


def unprivileged() -> Account | None:
    """The account to drop to, or None where this process is not root and has nothing to drop."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)
