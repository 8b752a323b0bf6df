"""Do the tables that give rights say what the chain says? Posts, appointments, shares, agreements, policies, sessions, the shared audiences.

The chain counts; a row that differs from its last change, or of which no change tells, was written past the product. Reads only.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Table, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.clock import utc_text
from hub.domain.chain import Flaw, Link
from hub.domain.change import ChangeBody
from hub.domain.organisation import AppointmentSaved, PersonLeft, PostSaved, SessionOpened
from hub.domain.sharing import Agreement, AgreementSaved, Assignment, PolicyChanged, ShareAssigned, ShareEnded, ShareGranted
from hub.store.schema_people import (
    agreement,
    appointment,
    audience,
    audience_department,
    incident_audience,
    policy_version,
    post,
    session,
    share,
)

Row = dict[str, Any]
_BATCH: Final = 2_000
_POST: Final = ("role", "scope", "department_id", "enterprise_id", "substitute_id", "active")
_APPOINTMENT: Final = ("person_id", "post_id", "from_at", "until_at", "ended_at")
_SHARE: Final = ("incident_id", "department_id", "tier", "origin", "from_at", "until_at", "ended_at")


def _plain(value: Any) -> Any:
    return utc_text(value) if isinstance(value, datetime) else value


def _of(thing: Any, names: tuple[str, ...]) -> Row:
    return {name: _plain(getattr(thing, name)) for name in names}


class Rights:
    """What the chain says that the tables hold. Give it every link of the chain in its order, then ask `flaw`."""

    def __init__(self) -> None:
        self._told: dict[str, dict[str, Row]] = {table.name: {} for table in (post, appointment, share, agreement, policy_version, session)}
        self._audiences: dict[str, str] = {}
        self._forgotten: set[str | None] = set()
        self._seq: dict[tuple[str, str], int] = {}
        self._read: Mapping[str, tuple[type[ChangeBody], Callable[[Any, Link], None]]] = {
            "post.saved": (PostSaved, lambda body, link: self._tell("post", body.post.id, _of(body.post, _POST), link)),
            "appointment.saved": (AppointmentSaved, lambda body, link: self._tell(
                "appointment", body.appointment.id, _of(body.appointment, _APPOINTMENT), link)),
            "person.left": (PersonLeft, self._left),
            "share.granted": (ShareGranted, lambda body, link: self._tell("share", body.share.id, _of(body.share, _SHARE), link)),
            "share.ended": (ShareEnded, self._ended),
            "share.assigned": (ShareAssigned, lambda body, link: self._audiences.__setitem__(body.incident.id, _audience_id(body.assignments))),
            "agreement.saved": (AgreementSaved, lambda body, link: self._tell(
                "agreement", body.agreement.id, {"view": body.agreement}, link)),
            "policy.changed": (PolicyChanged, lambda body, link: self._tell(
                "policy_version", f"{body.name}:{body.version}", {"sha256": body.sha256}, link)),
            "session.opened": (SessionOpened, lambda body, link: self._tell(
                "session", body.session.id, _of(body.session, ("person_id", "account_id")), link)),
        }

    def look(self, link: Link) -> None:
        """Take in one change; where the law destroyed its body, nothing is known of what its incident was shared with."""
        wanted = self._read.get(link.kind)
        if wanted is not None and link.body is None:
            self._forgotten.add(link.incident_id)
        elif wanted is not None:
            kind, take = wanted
            take(msgspec.json.decode(link.body, type=kind), link)

    def _tell(self, table: str, id: str, row: Row, link: Link) -> None:
        self._told[table][id] = row
        self._seq[table, id] = int(link.seq)

    def _left(self, body: PersonLeft, link: Link) -> None:
        for id, row in self._told["appointment"].items():
            if row["person_id"] == body.person.id and row["ended_at"] is None:
                self._tell("appointment", id, row | {"ended_at": link.at}, link)

    def _ended(self, body: ShareEnded, link: Link) -> None:
        if body.share_id is not None and body.share_id in self._told["share"]:
            self._tell("share", body.share_id, self._told["share"][body.share_id] | {"ended_at": link.at}, link)

    async def flaw(self, conn: AsyncConnection) -> Flaw | None:
        """The first row that differs, by table; None where all agree."""
        readers: dict[Table, Callable[[Any], tuple[str, Row]]] = {
            post: lambda row: (row.id, {name: getattr(row, name) for name in _POST}),
            appointment: lambda row: (row.id, {name: getattr(row, name) for name in _APPOINTMENT}),
            share: lambda row: (row.id, {name: getattr(row, name) for name in _SHARE}),
            agreement: lambda row: (row.id, {"view": msgspec.json.decode(row.view, type=Agreement)}),
            policy_version: lambda row: (f"{row.name}:{row.version}", {"sha256": hashlib.sha256(row.document.encode()).hexdigest()}),
            session: lambda row: (row.id, {"person_id": row.person_id, "account_id": row.account_id}),
        }
        for table, read in readers.items():
            there: set[str] = set()
            async for row in _rows(conn, table):
                id, found = read(row)
                there.add(id)
                if self._told[table.name].get(id) != found and not self._is_forgotten(found):
                    return self._named(table.name, id)
            gone = next((id for id, row in self._told[table.name].items() if id not in there and not self._is_forgotten(row)), None)
            if gone is not None:
                return self._named(table.name, gone)
        return await self._audience_flaw(conn)

    def _is_forgotten(self, row: Row) -> bool:
        return "incident_id" in row and row["incident_id"] in self._forgotten

    async def _audience_flaw(self, conn: AsyncConnection) -> Flaw | None:
        ranks: dict[str, set[tuple[str, int]]] = {}
        async for row in _rows(conn, audience_department):
            ranks.setdefault(row.audience_id, set()).add((row.department_id, row.rank))
        async for row in _rows(conn, audience):
            assignments = msgspec.json.decode(row.assignments, type=tuple[Assignment, ...])
            given = {(each.department_id, each.tier.rank) for each in assignments}
            if _audience_id(assignments) != row.id or ranks.pop(row.id, set()) != given:
                return self._named("audience", row.id)
        if ranks:
            return self._named("audience_department", next(iter(ranks)))
        async for row in _rows(conn, incident_audience):
            if self._audiences.get(row.incident_id) != row.audience_id and row.incident_id not in self._forgotten:
                return self._named("incident_audience", row.incident_id)
        return None

    def _named(self, table: str, id: str) -> Flaw:
        return Flaw(seq=self._seq.get((table, id), 0), code="rights_differ", zh=f"表 {table} 的 {id} 与审计链所记不符",
                    en=f"table {table}: {id} is not what the chain says of it")


def _audience_id(assignments: tuple[Assignment, ...]) -> str:
    return sys.intern(hashlib.sha256(msgspec.json.encode(assignments)).hexdigest()[:32])  # a million incidents share few


async def _rows(conn: AsyncConnection, table: Table) -> AsyncIterator[Any]:
    """Every row, by batches in the order of the key, each from where the one before ended."""
    key = list(table.primary_key.columns)
    query = batch = select(table).order_by(*key).limit(_BATCH)
    while rows := (await conn.execute(batch)).all():
        for row in rows:
            yield row
        batch = query.where(tuple_(*key) > tuple_(*(getattr(rows[-1], column.name) for column in key)))
