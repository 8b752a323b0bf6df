"""Reports and incidents in the store: what intake asks before it decides, and what it writes once it has decided."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.domain.coordinates import cell_of, cells_within
from hub.domain.incident import OPEN_STATES, IncidentView
from hub.domain.incident import decode_view as decode_incident
from hub.domain.report import ReportView
from hub.domain.report import decode_view as decode_report
from hub.store.bulk import Rows, fetch, insert_rows
from hub.store.schema import agent, attachment, incident, report
from hub.store.writer import Transaction


class Known(NamedTuple):
    """What the store already has under a report's id; with the change that stored it, its time and its hash in the chain (`link`)
    where that was asked for and found."""

    content_hash: str
    receipt_no: str
    stored_at: str
    incident_id: str
    seq: int | None
    link: str | None


_KNOWN = {
    False: "SELECT r.id, r.content_hash, r.receipt_no, r.received_at, r.incident_id, NULL, NULL FROM report r WHERE r.id",
    True: """SELECT r.id, r.content_hash, r.receipt_no, coalesce(c.at, r.received_at), r.incident_id, c.seq, c.hash
        FROM report r LEFT JOIN change c ON c.incident_id = r.incident_id AND c.kind = 'report.received' AND c.subject = 'report:' || r.id
        WHERE r.id""",
}
"""Without and with the change, which is looked for in the report's incident: a report stays with the incident it came to, merged or not."""
_AMONG_SQLITE, _AMONG_POSTGRES = "IN (SELECT value FROM json_each($1))", "= ANY(CAST($1 AS TEXT[]))"
_OPEN = ", ".join(f"'{state}'" for state in sorted(OPEN_STATES))
_NEAR = f"SELECT view, occurred_at FROM incident WHERE occurred_at >= $1 AND occurred_at < $2 AND state IN ({_OPEN})"  # noqa: S608 our own words
_WITHIN = " AND lon BETWEEN $4 AND $5 AND lat BETWEEN $6 AND $7"
_NEWEST = " ORDER BY occurred_at DESC LIMIT $3"
_incidents = select(incident.c.id, incident.c.view).where(incident.c.id.in_(bindparam("ids", expanding=True)))
_incidents_locked = _incidents.with_for_update()
_owners = select(report.c.id, report.c.incident_id).where(report.c.id.in_(bindparam("ids", expanding=True)))
_update_incident = (
    update(incident).where(incident.c.id == bindparam("_id"), incident.c.version == bindparam("_version"))
    .values({name: bindparam(name) for name in (
        "state", "event_type", "grade", "lon", "lat", "adcode", "updated_at", "acknowledged", "verified", "urgent", "merged_into",
        "version", "view", "cell")})
)


async def known_reports(tx: Transaction, ids: Iterable[str], *, linked: bool = False) -> dict[str, Known]:
    """Which of these report ids are stored, with what (`linked`: and by which change). The ids are one parameter, so that the statement is
    prepared once."""
    wanted = list(ids)
    if not wanted:
        return {}
    if tx.sqlite:
        rows = await fetch(tx.conn, f"{_KNOWN[linked]} {_AMONG_SQLITE}", msgspec.json.encode(wanted).decode())
    else:
        rows = await fetch(tx.conn, f"{_KNOWN[linked]} {_AMONG_POSTGRES}", wanted)
    return {row[0]: Known(*row[1:]) for row in rows}


async def incidents_by_id(tx: Transaction, ids: Iterable[str]) -> dict[str, IncidentView]:
    """The incidents named, by the name used: its own id, or the id of any report of it; locked for this transaction."""
    wanted = list(ids)
    if not wanted:
        return {}
    query = _incidents if tx.sqlite else _incidents_locked
    found = {row.id: decode_incident(row.view) for row in (await tx.conn.execute(query, {"ids": wanted})).all()}
    missing = [id for id in wanted if id not in found]
    if missing:
        owners = {row.id: row.incident_id for row in (await tx.conn.execute(_owners, {"ids": missing})).all()}
        if owners:
            rows = (await tx.conn.execute(query, {"ids": list(set(owners.values()))})).all()
            views = {row.id: decode_incident(row.view) for row in rows}
            found.update({name: views[owner] for name, owner in owners.items() if owner in views})
    return found


async def enterprises_of(conn: AsyncConnection, ids: Iterable[str]) -> dict[str, str | None]:
    """At which enterprise the agent stands (None: at none) that opened each of these incidents; those no agent opened are left out."""
    wanted = list(ids)
    if not wanted:
        return {}
    query = select(report.c.id, agent.c.enterprise_id).join(agent, agent.c.id == report.c.agent_id).where(report.c.id.in_(wanted))
    return {row.id: row.enterprise_id for row in (await conn.execute(query)).all()}


def incident_columns(view: IncidentView, encoded: str) -> dict[str, Any]:
    """The columns that lists filter and sort by, taken from the view; `encoded` is the view's JSON."""
    return {
        "id": view.id, "number": view.number, "no": view.no, "state": view.state, "department_id": view.department_id,
        "event_type": view.event_types[0] if view.event_types else None, "grade": view.grade, "lon": view.place.lon, "lat": view.place.lat,
        "adcode": view.place.adcode, "occurred_at": view.occurred_at, "opened_at": view.opened_at, "updated_at": view.updated_at,
        "acknowledged": view.acknowledged_at is not None, "verified": view.verified, "urgent": view.urgent, "drill": view.drill,
        "merged_into": view.merged_into, "version": view.version, "view": encoded, "cell": cell_of(view.place.lon, view.place.lat),
    }


async def update_incident(tx: Transaction, before: IncidentView, after: IncidentView) -> bool:
    """Replace an incident by compare-and-set on its version; False where somebody else changed it meanwhile."""
    columns = incident_columns(after, msgspec.json.encode(after).decode())
    values = {name: columns[name] for name in ("state", "event_type", "grade", "lon", "lat", "adcode", "updated_at", "acknowledged",
                                               "verified", "urgent", "merged_into", "version", "view", "cell")}
    done = await tx.conn.execute(_update_incident, {**values, "_id": before.id, "_version": before.version})
    return done.rowcount == 1


Row = tuple[Any, ...]


def report_row(v: ReportView, text: bytes, content_hash: str) -> Row:
    """A report as it is stored: its view, the view's JSON, the hash of what was sent."""
    return (v.id, v.kind.value, v.incident_id, v.department_id, v.agent_id, v.actor, v.channel.value, v.number, v.receipt_no, v.occurred_at,
            v.received_at, v.skew_s, v.urgent, v.drill, content_hash, None, text.decode())


def incident_row(v: IncidentView, text: bytes) -> Row:
    """An incident as it is stored: its view and the view's JSON."""
    return (v.id, v.number, v.no, v.state.value, v.department_id, v.event_types[0] if v.event_types else None, v.grade, v.place.lon,
            v.place.lat, v.place.adcode, v.occurred_at, v.opened_at, v.updated_at, v.acknowledged_at is not None, v.verified, v.urgent, v.drill,
            v.merged_into, v.version, text.decode(), cell_of(v.place.lon, v.place.lat))


async def insert_incidents(tx: Transaction, views: Sequence[tuple[IncidentView, bytes]]) -> None:
    """Store incidents that were just opened, each with its JSON."""
    await insert_rows(tx.conn, Rows(incident, [incident_row(view, text) for view, text in views]))


async def insert_reports(tx: Transaction, reports: Sequence[tuple[ReportView, Row]], opened: Sequence[Row] = ()) -> None:
    """Store reports and the incidents that they opened, as `Transaction.insert` does: on SQLite not before its end.

    Raises IntegrityError where another process stored one of them meanwhile.
    """
    files = [(a.sha256, v.id, a.name, a.media_type, a.size_bytes, None)
             for v, _ in reports if v.attachments for a in {a.sha256: a for a in v.attachments}.values()]
    await tx.insert(Rows(incident, opened), Rows(report, [row for _, row in reports]), Rows(attachment, files))


async def get_incident(conn: AsyncConnection, id: str) -> IncidentView | None:
    """One incident, or None."""
    view = (await conn.execute(select(incident.c.view).where(incident.c.id == id))).scalar()
    return decode_incident(view) if view is not None else None


async def get_report(conn: AsyncConnection, id: str) -> ReportView | None:
    """One report, or None."""
    view = (await conn.execute(select(report.c.view).where(report.c.id == id))).scalar()
    return decode_report(view) if view is not None else None


async def reports_of(conn: AsyncConnection, incident_id: str, *, limit: int = 200) -> list[ReportView]:
    """The reports of an incident, newest first."""
    rows = await conn.execute(select(report.c.view).where(report.c.incident_id == incident_id).order_by(report.c.number.desc()).limit(limit))
    return [decode_report(view) for view in rows.scalars()]


async def incident_numbered(conn: AsyncConnection, no: str) -> IncidentView | None:
    """The incident with this number as people say it (2026-000001), or None."""
    view = (await conn.execute(select(incident.c.view).where(incident.c.no == no))).scalar()
    return decode_incident(view) if view is not None else None


async def list_incidents(
    conn: AsyncConnection, *, where: Any = None, state: str | None = None, acknowledged: bool | None = None, drill: bool | None = None,
    before: int | None = None, text: str | None = None, open_only: bool = False, limit: int = 50,
) -> list[IncidentView]:
    """Incidents, newest first, by keyset (`before` is a running number). `where` is the access condition. `text` looks in no and title."""
    query = select(incident.c.view).order_by(incident.c.number.desc()).limit(limit)
    if where is not None:
        query = query.where(where)
    if state is not None:
        query = query.where(incident.c.state == state)
    if open_only:
        query = query.where(incident.c.state.in_(sorted(OPEN_STATES)))
    if acknowledged is not None:
        query = query.where(incident.c.acknowledged == acknowledged)
    if drill is not None:
        query = query.where(incident.c.drill == drill)
    if before is not None:
        query = query.where(incident.c.number < before)
    if text:
        query = query.where(incident.c.view.contains(text, autoescape=True))
    return [decode_incident(view) for view in (await conn.execute(query)).scalars()]


async def incidents_near(
    conn: AsyncConnection, start_at: str, end_at: str, *, lon: float | None, lat: float | None, degrees: float, limit: int = 20,
) -> list[IncidentView]:
    """Open incidents that occurred in [start_at, end_at) and lie within `degrees` of a point or have none themselves, newest first.

    Each cell of the grid is asked for its newest, by its index: of all that happened at that time elsewhere nothing is read.
    """
    if lon is None or lat is None:
        rows = await fetch(conn, f"{_NEAR}{_NEWEST}", start_at, end_at, limit)
    else:
        cells, bounds = cells_within(lon, lat, degrees), (lon - degrees, lon + degrees, lat - degrees, lat + degrees)
        rows = await fetch(conn, _near_cells(len(cells)), start_at, end_at, limit, *bounds, *cells)
    return [decode_incident(view) for view, _ in rows]


@lru_cache(maxsize=64)
def _near_cells(count: int) -> str:
    """The statement for so many cells (from the eighth parameter on) and for what has no point."""
    parts = [f"cell = ${n}{_WITHIN}" for n in range(8, 8 + count)] + ["cell IS NULL"]
    return " UNION ALL ".join(f"SELECT * FROM ({_NEAR} AND {part}{_NEWEST}) AS near{n}" for n, part in enumerate(parts)) + _NEWEST  # noqa: S608 as above


async def incidents_between(conn: AsyncConnection, start_at: str, end_at: str, *, where: Any = None, limit: int = 500) -> list[IncidentView]:
    """Incidents that occurred in [start_at, end_at), oldest first."""
    query = (select(incident.c.view).where(incident.c.occurred_at >= start_at, incident.c.occurred_at < end_at)
             .order_by(incident.c.occurred_at).limit(limit))
    if where is not None:
        query = query.where(where)
    return [decode_incident(view) for view in (await conn.execute(query)).scalars()]


async def list_reports(
    conn: AsyncConnection, *, where: Any = None, agent_id: str | None = None, before: str | None = None, limit: int = 50,
) -> list[ReportView]:
    """Reports, newest first, by keyset: `before` is `received_at|id` of the last one seen."""
    query = select(report.c.view).order_by(report.c.received_at.desc(), report.c.id.desc()).limit(limit)
    if where is not None:
        query = query.where(where)
    if agent_id is not None:
        query = query.where(report.c.agent_id == agent_id)
    if before is not None:
        at, _, id = before.partition("|")
        query = query.where((report.c.received_at < at) | ((report.c.received_at == at) & (report.c.id < id)))
    return [decode_report(view) for view in (await conn.execute(query)).scalars()]
