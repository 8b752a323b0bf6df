"""Files that only their owner may read, whatever the folder they stand in. Knows nothing of what they hold."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

PRIVATE = 0o600
"""What SQLite's own files beside a database (`-wal`, `-shm`) take over from it."""
_BESIDE = ("", "-wal", "-shm", "-journal")


def keep_private(database: Path) -> None:
    """Make the SQLite file that is about to be opened, or the one that is there and what belongs to it, readable by its owner alone.

    A file of another owner, or on a system without such rights, stays as it is.
    """
    with suppress(OSError):
        database.touch(mode=PRIVATE)
    for ending in _BESIDE:
        part = database.with_name(database.name + ending)
        with suppress(OSError):
            if part.stat().st_mode & 0o077:
                part.chmod(PRIVATE)
