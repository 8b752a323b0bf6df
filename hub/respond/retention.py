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
from msgspec import Raw, Struct

from hub.clock import utc_text
from hub.domain.access import Tier
from hub.domain.chain import Link
from hub.domain.data import packaged
from hub.domain.masking import HIDDEN, FieldRules, How, mask, scrub
from hub.errors import Unavailable
from hub.store import Store, Transaction
from hub.store.retention import Due, changes_of, destroy, due_incidents, empty_quarantine, wipe

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
    body: Raw | None


def without_personal_data(view: Any, names: frozenset[str] = frozenset()) -> bytes:
    """A view as JSON of which every field that the sharing policy masks is hidden, and whose texts have lost telephone and identity numbers
    and the `names` that stand in such a field anywhere in the incident.
    """
    masked = msgspec.json.encode(mask(view, Tier.INFORMED, _rules()))
    return msgspec.json.encode(_nameless(msgspec.json.decode(masked), names)) if names else masked


def _nameless(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, str):
        return _scrubbed(value, names)
    if isinstance(value, dict):
        return {key: _nameless(item, names) for key, item in value.items()}
    return [_nameless(item, names) for item in value] if isinstance(value, list) else value


def names_in(links: list[Link]) -> frozenset[str]:
    """The names of people that stand in a field for a name, of every change of an incident."""
    masked = packaged("sharing_policy")["fields"]["masked"]["informed"]
    paths = {tuple(path.split(".")) for path, how in masked.items() if how == How.NAME}
    found: set[str] = set()
    for link in links:
        if link.body is not None:
            _collect(msgspec.json.decode(link.body), (), paths, found)
    return frozenset(name for name in found if len(name) >= 2)


def _collect(value: Any, path: tuple[str, ...], paths: set[tuple[str, ...]], found: set[str]) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _collect(item, (*path, key), paths, found)
    elif isinstance(value, list):
        for item in value:
            _collect(item, path, paths, found)
    elif isinstance(value, str) and any(path[-len(end):] == end for end in paths):
        found.add(value)


def _rules() -> FieldRules:
    given = packaged("sharing_policy")["fields"]
    return FieldRules(source=given["source"], masked={Tier.INFORMED: dict.fromkeys(given["masked"]["informed"], How.HIDE)})


def _archive_bytes(due: Due, links: list[Link], at: str, names: frozenset[str]) -> bytes:
    head = {"format": "tocsin-archive-1", "incident_id": due.id, "no": due.no, "archived_at": at, "changes": len(links)}
    lines = [msgspec.json.encode(head)]
    for link in links:
        body = Raw(without_personal_data(msgspec.json.decode(link.body), names)) if link.body is not None else None
        lines.append(msgspec.json.encode(ArchiveLine(seq=link.seq, kind=link.kind, at=link.at, actor=link.actor, subject=link.subject, hash=link.hash,
                                                     body_sha256=link.body_sha256, body=body)))
    return b"\n".join(lines) + b"\n"


def _scrubbed(text: str, names: frozenset[str]) -> str:
    text = scrub(text)
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, HIDDEN)
    return text


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
            except Unavailable as error:
                log.warning("personal data that is due could not be destroyed: %s", error)
            await asyncio.sleep(EVERY_S)

    async def sweep(self) -> int:
        """Destroy everything that is due now; gives how many incidents.

        Raises Unavailable without the store, or where an archive cannot be written: nothing is destroyed before that.
        """
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
            emptied = await empty_quarantine(tx, before["quarantine"])
        if done or emptied:
            await wipe(self.store)
        return done

    async def _one(self, tx: Transaction, due: Due) -> bool:
        links = await changes_of(tx.conn, due.id)
        names = names_in(links)
        content = _archive_bytes(due, links, tx.at, names)
        path = self.folder / f"{due.no}-{due.id}.jsonl"
        try:
            await asyncio.to_thread(_write, path, content)
        except OSError as error:
            raise Unavailable("archive_unwritable", f"档案无法写入，暂不销毁：{error}", f"the archive cannot be written: {error}") from error
        return await destroy(tx, due, masked=lambda view: without_personal_data(view, names), scrubbed=lambda text: _scrubbed(text, names), archive=path.name,
                             archive_sha256=hashlib.sha256(content).hexdigest(), rule="event-personal-data")
