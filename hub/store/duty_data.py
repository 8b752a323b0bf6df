"""The district's own documents of duty data (kinds, ladders, calendar, limits, templates, quiet hours) in place of the packaged ones.

A document is stored whole, checked together with the others before it counts, and every change of it is a change and a version that stays.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.domain.data import packaged
from hub.domain.duty_rules import FILES, DutyDataSaved, DutyRules, parse
from hub.errors import Rejected, changed_meanwhile
from hub.store.roster import names_of
from hub.store.rows import parse_utc
from hub.store.schema import setting
from hub.store.writer import Transaction

PREFIX: Final = "duty_data."
VERSIONS: Final = "duty_data_version."
"""A version stands under `duty_data_version.NAME.000003`, so that names sort as numbers do."""


class DataVersion(Struct, frozen=True, kw_only=True):
    """A document as somebody saved it (None: back to the product's own), and why. Versions count from 1."""

    version: int
    document: dict[str, Any] | None
    reason: str
    at: datetime
    by: str
    by_name: str


async def documents(conn: AsyncConnection) -> dict[str, Any]:
    """Every document by name: the district's own where there is one, else the packaged one."""
    rows = await conn.execute(select(setting.c.name, setting.c.value).where(setting.c.name.in_([PREFIX + name for name in FILES])))
    own = {row.name.removeprefix(PREFIX): json.loads(row.value) for row in rows}
    return {name: own.get(name, packaged(name)) for name in FILES}


async def load_rules(conn: AsyncConnection) -> DutyRules:
    """The rules that this hub runs by."""
    return parse(await documents(conn))


async def fingerprint(conn: AsyncConnection) -> str:
    """A text that differs once any document was changed."""
    rows = await conn.execute(select(setting.c.name, setting.c.updated_at).where(setting.c.name.in_([PREFIX + name for name in FILES]))
                              .order_by(setting.c.name))
    return ";".join(f"{row.name}={row.updated_at}" for row in rows)


async def list_versions(conn: AsyncConnection, name: str, *, limit: int = 20) -> list[DataVersion]:
    """The versions of a document, newest first; none where it was never saved."""
    named = setting.c.name.startswith(f"{VERSIONS}{name}.", autoescape=True)
    rows = (await conn.execute(select(setting).where(named).order_by(setting.c.name.desc()).limit(limit))).all()
    names = await names_of(conn, {row.updated_by.removeprefix("person:") for row in rows})
    return [DataVersion(version=int(row.name.rpartition(".")[2]), at=parse_utc(row.updated_at), by=row.updated_by,
                        by_name=names.get(row.updated_by.removeprefix("person:"), ""), **json.loads(row.value)) for row in rows]


async def save_document(
    tx: Transaction, name: str, document: Mapping[str, Any] | None, *, by: str, reason: str, based_on: int | None = None,
) -> DutyRules:
    """Put a document in place of the one before (None: the packaged one again) and keep it as a version.

    Raises Rejected `duty_data` naming every fault, `changed_meanwhile` where it was saved again since version `based_on` (0: never saved).
    """
    if name not in FILES:
        raise Rejected("unknown_document", f"没有此数据：{name}", f"there is no such document: {name}", field="name")
    if not reason.strip():
        raise Rejected("reason_needed", "请填写原因", "a reason is needed", field="reason")
    newest = next(iter(await list_versions(tx.conn, name, limit=1)), None)
    last = newest.version if newest else 0
    if based_on is not None and based_on != last:
        raise changed_meanwhile()
    now = await documents(tx.conn)
    rules = parse({**now, name: packaged(name) if document is None else document})
    if document is None:
        await tx.conn.execute(setting.delete().where(setting.c.name == PREFIX + name))
    else:
        await tx.conn.execute(
            text("INSERT INTO setting (name, value, updated_at, updated_by) VALUES (:n, :v, :at, :by) "
                 "ON CONFLICT (name) DO UPDATE SET value = :v, updated_at = :at, updated_by = :by"),
            {"n": PREFIX + name, "v": json.dumps(document, ensure_ascii=False, default=str), "at": tx.at, "by": by})
    kept = {"document": document, "reason": reason.strip()}
    await tx.conn.execute(insert(setting).values(name=f"{VERSIONS}{name}.{last + 1:06d}", updated_at=tx.at, updated_by=by,
                                                 value=json.dumps(kept, ensure_ascii=False, default=str)))
    tx.record(DutyDataSaved(name=name, packaged=document is None, reason=reason.strip()), actor=by, subject=f"duty_data:{name}")
    return rules
