"""Fixtures that every test may use: both databases, and a clock that moves only when told to; and how tests are spread over processes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.stores import clock, postgres_server, store, store_url

__all__ = ["clock", "postgres_server", "store", "store_url"]

LONG_FIRST = ("tests/console", "tests/faults", "tests/flow", "tests/fuzz", "tests/security", "tests/contract")
"""What takes long is begun first, so that the processes end at about the same time."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `-n`: a file stays in one process, and so do the files that share a hub and a browser."""
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "tests/console" if nodeid.startswith("tests/console/") else str(super()._split_scope(nodeid))

        def _assign_work_unit(self, node: Any) -> None:
            first = min(self.workqueue, key=lambda scope: next((n for n, part in enumerate(LONG_FIRST) if scope.startswith(part)), len(LONG_FIRST)))
            self.workqueue.move_to_end(first, last=False)
            super()._assign_work_unit(node)

    return ByFile(config, log)
