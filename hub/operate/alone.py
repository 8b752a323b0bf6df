"""One hub for one data folder: a second one beside it would share its SQLite file, its secrets and its recordings, and each would undo the other's work."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hub.errors import Rejected


@contextlib.contextmanager
def alone(folder: Path, stages: Iterable[str]) -> Iterator[None]:
    """Hold these stages of a data folder until the end of the block, or of the process. Raises Rejected where another process holds one."""
    with contextlib.ExitStack() as stack:
        for stage in sorted(stages):
            _hold(stack.enter_context((folder / f"{stage}.lock").open("ab")), folder, stage)
        yield


def _hold(file: Any, folder: Path, stage: str) -> None:
    try:
        import fcntl
    except ImportError:  # Windows, where a hub is run to be looked at
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise Rejected("already_running", f"数据目录 {folder} 上已有一个中心在运行（{stage}），请先停止它，或用 --data-dir 换一个目录",
                       f"a hub is running on the data folder {folder} already ({stage}); stop it first, or choose another with --data-dir",
                       field="data_dir") from None
