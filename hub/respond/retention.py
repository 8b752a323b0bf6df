"""Destroys personal data when it is due (应对法 第85条): first the archive, then the destruction, in one transaction for each incident.

Periods come from `hub/data/retention.yaml`. Nothing here, nor anywhere, deletes a change: the chain verifies as before.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct

from hub.clock import utc_text
from hub.domain.access import Tier
from hub.domain.chain import Link
from hub.domain.data import packaged
from hub.domain.masking import HIDDEN, FieldRules, How, mask, scrub
from hub.errors import Unavailable, why_en, why_zh
from hub.store import Store, Transaction
from hub.store.retention import (
    Due,
    Mention,
    changes_of,
    destroy,
    due_incidents,
    empty_quarantine,
    mentions,
    people_of,
    registered_among,
    wipe,
)

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


def without_personal_data(view: Any, words: frozenset[str] = frozenset()) -> bytes:
    """A view as JSON of which every field that the sharing policy masks is hidden, and whose texts have lost telephone and identity numbers
    and the `words`: names and numbers that are known of the people of the incident.
    """
    masked = msgspec.json.encode(mask(view, Tier.INFORMED, _rules()))
    return msgspec.json.encode(_nameless(msgspec.json.decode(masked), words)) if words else masked


def _nameless(value: Any, words: frozenset[str]) -> Any:
    if isinstance(value, str):
        return _scrubbed(value, words)
    if isinstance(value, dict):
        return {key: _nameless(item, words) for key, item in value.items()}
    return [_nameless(item, words) for item in value] if isinstance(value, list) else value


def _json_without(text: str, words: frozenset[str]) -> str:
    """Stored JSON without personal data; a text that is no JSON as a text."""
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return _scrubbed(text, words)
    return without_personal_data(value, words).decode() if isinstance(value, dict | list) else _scrubbed(text, words)


class Known(NamedTuple):
    """What is known of the people of an event: their names and their telephone numbers, as they were written."""

    names: frozenset[str]
    phones: frozenset[str]

    @property
    def words(self) -> frozenset[str]:
        """All that is to be taken out of texts."""
        return self.names | self.phones


def known_people(links: list[Link], registered: Iterable[tuple[str, str]] = ()) -> Known:
    """The people that stand in a field for a name or a number in some change of an incident, and those `registered` (name, number) who acted
    in it. A single sign and a number of fewer than five digits are no names and no numbers."""
    masked = packaged("sharing_policy")["fields"]["masked"]["informed"]
    found: dict[How, set[str]] = {How.NAME: set(), How.PHONE: set()}
    for how, into in found.items():
        paths = {tuple(path.split(".")) for path, as_ in masked.items() if as_ == how}
        for link in links:
            if link.body is not None:
                _collect(msgspec.json.decode(link.body), (), paths, into)
    found[How.NAME].update(name for name, _ in registered)
    found[How.PHONE].update(phone for _, phone in registered)
    return Known(frozenset(name.strip() for name in found[How.NAME] if len(name.strip()) >= 2 and HIDDEN not in name and "*" not in name),
                 frozenset(phone.strip() for phone in found[How.PHONE] if sum(sign.isdigit() for sign in phone) >= 5 and "*" not in phone))


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


def _archive_bytes(due: Due, links: list[Link], at: str, words: frozenset[str]) -> bytes:
    head = {"format": "tocsin-archive-1", "incident_id": due.id, "no": due.no, "archived_at": at, "changes": len(links)}
    lines = [msgspec.json.encode(head)]
    for link in links:
        body = Raw(without_personal_data(msgspec.json.decode(link.body), words)) if link.body is not None else None
        lines.append(msgspec.json.encode(ArchiveLine(seq=link.seq, kind=link.kind, at=link.at, actor=link.actor, subject=link.subject, hash=link.hash,
                                                     body_sha256=link.body_sha256, body=body)))
    return b"\n".join(lines) + b"\n"


def _scrubbed(text: str, words: frozenset[str]) -> str:
    for word in sorted(words, key=len, reverse=True):
        text = text.replace(word, HIDDEN)
    return scrub(text)


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
                looked = await self._look(due)
                async with self.store.transaction() as tx:
                    done += await self._one(tx, due, *looked)
            if not batch:
                break
        async with self.store.transaction() as tx:
            emptied = await empty_quarantine(tx, before["quarantine"])
        if done or emptied:
            await wipe(self.store)
        return done

    async def _look(self, due: Due) -> tuple[Known, list[Link], list[Mention]]:
        """Who is known of an incident, and where they are named outside of it (registered people are named everywhere, as those on duty)."""
        async with self.store.read() as conn:
            links = await changes_of(conn, due.id)
            known = known_people(links)
            staff = await people_of(conn, links)
            registered = await registered_among(conn, known.names) | {phone for _, phone in staff}
            found, rows = await mentions(conn, known.words - registered, int(links[0].seq) if links else 0)
        return known_people(links, staff), found, rows

    async def _one(self, tx: Transaction, due: Due, known: Known, mentioned: list[Link], rows: list[Mention]) -> bool:
        links = await changes_of(tx.conn, due.id)
        content = _archive_bytes(due, sorted([*links, *mentioned], key=lambda link: int(link.seq)), tx.at, known.words)
        path = self.folder / f"{due.no}-{due.id}.jsonl"
        try:
            await asyncio.to_thread(_write, path, content)
        except OSError as error:
            raise Unavailable("archive_unwritable", f"档案无法写入，暂不销毁：{why_zh(error)}", f"the archive cannot be written: {why_en(error)}") from error
        return await destroy(
            tx, due, masked=lambda view: without_personal_data(view, known.words), scrubbed=lambda text: _scrubbed(text, known.words),
            nameless=lambda text: _json_without(text, known.words), mentioned=mentioned, rows=rows, archive=path.name,
            archive_sha256=hashlib.sha256(content).hexdigest(), rule="event-personal-data")
