"""Destroys personal data when it is due (应对法 第85条): first the archive, then the destruction, in one transaction for each incident.

Periods come from `hub/data/retention.yaml`. Nothing here, nor anywhere, deletes a change: the chain verifies as before.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from hub.clock import utc_text
from hub.domain.access import Tier
from hub.domain.chain import Link
from hub.domain.data import packaged
from hub.domain.masking import FieldRules, How, mask, scrub
from hub.errors import Unavailable
from hub.store import Store, Transaction
from hub.store.retention import Due, changes_of, destroy, due_incidents, empty_quarantine

log = logging.getLogger("hub.retention")
EVERY_S = 3600.0


class ArchiveLine(Struct, frozen=True, kw_only=True):
    """One change in an archive: its row of the chain, and its body without personal data."""

    seq: int
    kind: str
    at: str
    actor: str
    subject: str
    hash: str
    body_sha256: str
    body: Any


def without_personal_data(view: Any) -> Any:
    """A view of which every field that the sharing policy masks is hidden, and whose texts have lost telephone and identity numbers."""
    return mask(view, Tier.INFORMED, _rules())


def _rules() -> FieldRules:
    given = packaged("sharing_policy")["fields"]
    return FieldRules(source=given["source"], masked={Tier.INFORMED: dict.fromkeys(given["masked"]["informed"], How.HIDE)})


def _archive_bytes(due: Due, links: list[Link], at: str) -> bytes:
    head = {"format": "tocsin-archive-1", "incident_id": due.id, "no": due.no, "archived_at": at, "changes": len(links)}
    lines = [msgspec.json.encode(head)]
    for link in links:
        body = without_personal_data(msgspec.json.decode(link.body)) if link.body is not None else None
        lines.append(msgspec.json.encode(ArchiveLine(seq=link.seq, kind=link.kind, at=link.at, actor=link.actor, subject=link.subject, hash=link.hash,
                                                     body_sha256=link.body_sha256, body=body)))
    return b"\n".join(lines) + b"\n"


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def cutoffs(now: datetime) -> dict[str, str]:
    """Rule id → the time before which its data is due, as text."""
    return {rule["id"]: utc_text(now - timedelta(days=rule["after_days"])) for rule in packaged("retention")["rules"]}


class Retention:
    """Runs in the `respond` stage; archives go to `archive/` in the data folder."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.folder = folder

    async def run(self) -> None:
        """Look once an hour, for ever."""
        while True:
            try:
                await self.sweep()
            except Unavailable:
                log.warning("personal data that is due could not be destroyed: the store is away")
            except OSError as error:
                log.error("nothing is destroyed before its archive is written: %s", error)
            await asyncio.sleep(EVERY_S)

    async def sweep(self) -> int:
        """Destroy everything that is due now; gives how many incidents. Raises OSError where an archive cannot be written."""
        before = cutoffs(self.store.clock.now())
        done = 0
        while True:
            async with self.store.read() as conn:
                batch = await due_incidents(conn, before["event-personal-data"])
            for due in batch:
                async with self.store.transaction() as tx:
                    done += await self._one(tx, due)
            if not batch:
                break
        async with self.store.transaction() as tx:
            await empty_quarantine(tx, before["quarantine"])
        return done

    async def _one(self, tx: Transaction, due: Due) -> bool:
        content = _archive_bytes(due, await changes_of(tx.conn, due.id), tx.at)
        path = self.folder / f"{due.no}-{due.id}.jsonl"
        await asyncio.to_thread(_write, path, content)
        return await destroy(tx, due, masked=without_personal_data, scrubbed=scrub, archive=path.name,
                             archive_sha256=hashlib.sha256(content).hexdigest(), rule="event-personal-data")
