"""The newest changes, kept in memory as they are committed, so that a dozen readers of the feed do not read the same rows a dozen times."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

from hub.domain.change import Change

if TYPE_CHECKING:
    from hub.store.writer import Store

KEPT = 4000


class Tail:
    """A gap-free stretch that ends at the newest change known. What lies before it, or was written elsewhere, is read from the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: deque[Change] = deque(maxlen=KEPT)
        self._reading = asyncio.Lock()
        self._looked_s = 0.0

    def push(self, changes: list[Change]) -> None:
        """Add what was committed here; a gap (another process wrote in between) empties the stretch, and reading fills it again."""
        if self._kept and changes[0].seq != self._kept[-1].seq + 1:
            if changes[0].seq <= self._kept[-1].seq:
                return
            self._kept.clear()
        self._kept.extend(changes)

    async def after(self, seq: int, limit: int) -> list[Change]:
        """Up to `limit` changes above `seq`, oldest first."""
        found = self._within(seq, limit)
        if found is not None and (found or not self._is_stale()):
            return found
        async with self._reading:
            found = self._within(seq, limit)
            if found:
                return found
            from hub.store.changes import changes_after

            self._looked_s = asyncio.get_running_loop().time()
            async with self._store.read() as conn:
                read = await changes_after(conn, seq, limit=limit)
            if read:
                if not self._kept or self._kept[-1].seq + 1 == read[0].seq:
                    self._kept.extend(read)
                self._store.wake(read[-1].seq)
            return read

    def _is_stale(self) -> bool:
        """Is it time to look whether another process has written?"""
        return asyncio.get_running_loop().time() - self._looked_s > 0.9 or (bool(self._kept) and self._store.seen > self._kept[-1].seq)

    def _within(self, seq: int, limit: int) -> list[Change] | None:
        """The answer from memory; None where the stretch does not reach back to `seq`."""
        kept = self._kept
        if not kept or kept[0].seq > seq + 1:
            return None
        new = kept[-1].seq - seq
        if new <= limit:  # who follows is near the end, and is not led past all that it has
            return list(islice(reversed(kept), max(0, new)))[::-1]
        skip = seq + 1 - kept[0].seq
        return list(islice(kept, skip, skip + limit))
