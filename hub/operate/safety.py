"""The tasks of proof and safety in a running hub: signed heads, the audit spool, certificates that end, personal data that is due."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select

from hub.clock import Clock
from hub.domain.proof import CertificateExpiring
from hub.errors import Unavailable
from hub.operate import doctor, finding
from hub.operate.ca import Authority
from hub.operate.heads import HeadKeeper
from hub.operate.health import Probe, State
from hub.operate.keys import signer
from hub.respond.retention import Retention
from hub.settings import Settings
from hub.store import Store
from hub.store.schema_proof import certificate_warned
from hub.store.spool import Spool
from hub.web.services import Services

log = logging.getLogger("hub.safety")
CERTIFICATES_EVERY_S = 3600.0
CERTIFICATES_LOOK = timedelta(minutes=1)
MOST_NAMED = 3
"""How many certificates that end one sentence names."""
CRL_AGE = timedelta(days=30)
"""How old the list of revocations may become before it is written anew (it is good for 400 days)."""


def safety_tasks(services: Services, *, respond: bool) -> dict[str, Any]:
    """Put signer, spool and CA into the services; gives the tasks by name. Raises Rejected for a key that others can read."""
    settings, store = services.settings, services.store
    key = signer(settings.data_path)
    spool = Spool(store, settings.data_path / "spool")
    services.extra["signer"] = services.intake.signer = key
    services.extra["spool"] = spool
    services.ca_pem = lambda: authority.pem() if (authority := Authority.open(settings.data_path)) is not None else None
    services.gauges["audit_spooled"] = lambda: float(spool.waiting)
    services.extra["self_check"] = lambda now: self_check(settings, now)
    services.health.probes["certificates"] = certificates_probe(settings, services.clock)
    tasks: dict[str, Any] = {"spool": spool.run}
    if respond:
        tasks["heads"] = HeadKeeper(store, settings, key).run
        tasks["retention"] = Retention(store, settings.data_path / "archive").run
        tasks["certificates"] = lambda: watch_certificates(services)
    return tasks


async def self_check(settings: Settings, now: datetime) -> list[finding.Finding]:
    """What the doctor finds, by a thread and a connection of its own: the hub waits for none of it."""

    async def look() -> list[finding.Finding]:
        return [found async for found in doctor.examine(settings, now)]

    return await asyncio.to_thread(asyncio.run, look())


def certificates_probe(settings: Settings, clock: Clock) -> Probe:
    """Every certificate in use goes on for 30 days; looked at once a minute. What the doctor would say stands on every screen."""
    found: list[finding.Finding] = []
    looked_at: datetime | None = None

    async def probe() -> tuple[State, str, str]:
        nonlocal found, looked_at
        now = clock.now()
        if looked_at is None or now - looked_at >= CERTIFICATES_LOOK:
            found, looked_at = await asyncio.to_thread(doctor.check_certificates, settings, now), now
        ending = [one for one in found if one.state is not finding.State.OK]
        if not ending:
            return State.OK, found[0].zh, found[0].en
        more = len(ending) - MOST_NAMED
        return (State.DEGRADED, "；".join(one.zh for one in ending[:MOST_NAMED]) + (f"；另有 {more} 张" if more > 0 else ""),
                "; ".join(one.en for one in ending[:MOST_NAMED]) + (f"; and {more} more" if more > 0 else ""))

    return probe


async def watch_certificates(services: Services) -> None:
    """Record once for each certificate that it ends within 30 days, for ever."""
    while True:
        authority = Authority.open(services.settings.data_path)
        if authority is not None:
            await asyncio.to_thread(authority.refresh_crl, services.clock.now(), older_than=CRL_AGE)
        try:
            await warn_of_certificates(services.store, authority)
        except Unavailable:
            log.warning("certificates could not be looked at: the store is away")
        await asyncio.sleep(CERTIFICATES_EVERY_S)


async def warn_of_certificates(store: Store, authority: Authority | None) -> int:
    """Record a change for each certificate that ends within 30 days and was not warned of; gives how many."""
    ending = authority.expiring(store.clock.now()) if authority is not None else []
    if not ending:
        return 0
    async with store.transaction() as tx:
        known = set((await tx.conn.execute(select(certificate_warned.c.serial))).scalars())
        fresh = [row for row in ending if row.serial not in known]
        for row in fresh:
            await tx.conn.execute(insert(certificate_warned).values(serial=row.serial, warned_at=tx.at))
            tx.record(CertificateExpiring(name=row.name, purpose=row.purpose, serial=row.serial, not_after=row.not_after), actor="system:ca",
                      subject=f"certificate:{row.serial}")
    return len(fresh)
