"""`tocsin bench access`: what the checks cost. The list of 50 incidents among a million as a department sees it, against the same list with
the policy off; and one decision of `may`.

Off: the rows of the page, decoded and encoded. On: what the actor may see with its tier, decoded, masked, encoded. For departments that see
all, a tenth, one in a hundred, one in ten thousand and nothing; `list_ratio` is the worst of those that have a full page.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import insert

from hub.clock import utc_text
from hub.domain.access import (
    Action,
    Actor,
    ActorKind,
    Policy,
    Post,
    Role,
    Scope,
    Share,
    Thing,
    ThingKind,
    Tier,
    may,
    packaged_policy,
)
from hub.domain.incident import IncidentState, IncidentView
from hub.domain.masking import mask
from hub.domain.report import PlaceView
from hub.domain.sharing import Assignment, SharingDocument, packaged_sharing
from hub.store import Store
from hub.store.bulk import Rows, insert_rows
from hub.store.reports import insert_incidents, list_incidents
from hub.store.schema_people import audience, audience_department, incident_audience
from hub.store.visible import list_visible_incidents
from hub.wire import Casualties, ReportKind

SIZE: Final = 1_000_000
ROUNDS: Final = 200
DENSITIES: Final = {"much": 1.0, "tenth": 0.1, "hundredth": 0.01, "rare": 0.0001, "nothing": 0.0}
NOW: Final = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


async def run(progress: Callable[[str], None], size: int = 0) -> dict[str, Any]:
    """Figures: `list_ratio may_us`, and beside them the milliseconds of each list and the ratio of each density."""
    size = size or SIZE
    policy, sharing = packaged_policy(), packaged_sharing()
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        async with Store(f"sqlite:///{Path(folder) / 'bench.db'}") as store:
            await _fill(store, size, progress)
            progress("列表 / lists")
            actors = {name: _responder(policy, f"dept-{name}") for name in DENSITIES}
            shown = {name: await _count(store, actor) for name, actor in actors.items()}
            off_ms, on_ms = await _lists(store, actors, sharing)
    progress("may")
    figures: dict[str, Any] = {"list_ratio": 0.0, "may_us": _may_us(policy), "incidents": size, "list_off_ms": off_ms}
    for name, ms in on_ms.items():
        figures |= {f"list_{name}_ms": ms, f"list_{name}_ratio": ms / off_ms, f"list_{name}_shown": shown[name]}
    figures["list_ratio"] = max(figures[f"list_{name}_ratio"] for name in ("much", "tenth", "hundredth", "rare") if shown[name] == 50)
    return figures


def _responder(policy: Policy, department: str) -> Actor:
    post = Post(id="p", role=Role.RESPONDER, scope=Scope.OWN, department_id=department, reach=frozenset({department}))
    return policy.actor(ActorKind.PERSON, "p", (post,))


async def _fill(store: Store, size: int, progress: Callable[[str], None]) -> None:
    """Incidents, each pointing at one of the audiences that its departments make."""
    rng = random.Random(20261123)
    chosen = [(name, share) for name, share in DENSITIES.items() if 0 < share < 1]
    audiences = [frozenset({"much", *(name for bit, (name, _) in enumerate(chosen) if pick >> bit & 1)}) for pick in range(2 ** len(chosen))]
    ids = {members: f"a{n}" for n, members in enumerate(audiences)}
    async with store.transaction() as tx:
        for members, id in ids.items():
            rows = tuple(Assignment(department_id=f"dept-{name}", tier=Tier.ASSIST, rule_id="bench") for name in sorted(members))
            await tx.conn.execute(insert(audience).values(id=id, assignments=msgspec.json.encode(rows).decode()))
            await tx.conn.execute(insert(audience_department), [
                {"audience_id": id, "department_id": row.department_id, "rank": row.tier.rank} for row in rows])
    at, step = utc_text(NOW), 20_000
    for start in range(0, size, step):
        progress(f"{start:,} / {size:,}")
        views = [_incident(number, at) for number in range(start + 1, min(start + step, size) + 1)]
        async with store.transaction() as tx:
            await insert_incidents(tx, [(view, msgspec.json.encode(view)) for view in views])
            await insert_rows(tx.conn, Rows(incident_audience, [
                (view.id, view.number, ids[frozenset({"much", *(name for name, share in chosen if rng.random() < share)})], None, at)
                for view in views]))


def _incident(number: int, at: str) -> IncidentView:
    return IncidentView(
        id=f"00000000-0000-7000-8000-{number:012x}", number=number, no=f"2026-{number:06d}", title=f"事件 {number}：G204 赣马镇段货车侧翻",
        state=IncidentState.VERIFIED, verified=True, event_types=("12H00", "12D00"), grade="general", grade_suggested=None,
        place=PlaceView(text="G204 赣马镇段", lon=119.13, lat=34.86, adcode="320707108"), occurred_at=at, opened_at=at, updated_at=at,
        acknowledged_at=None, acknowledged_by=None, casualties=Casualties(injured=2), loss_yuan=None, hazmat=(), drill=False, urgent=False,
        source_trusted=True, department_id="traffic-police", report_count=1, last_report_kind=ReportKind.INITIAL, merged_into=None, version=1,
    )


async def _count(store: Store, actor: Actor) -> int:
    async with store.read() as conn:
        return len(await list_visible_incidents(conn, actor, NOW, limit=50))


async def _lists(store: Store, actors: dict[str, Actor], sharing: SharingDocument) -> tuple[float, dict[str, float]]:
    """Milliseconds (lower quartile) of the list off and on, taken in turns so that a busy machine slows both."""

    async def off() -> None:
        async with store.read() as conn:
            msgspec.json.encode(await list_incidents(conn, limit=50))

    def on(actor: Actor) -> Callable[[], Awaitable[None]]:
        async def ask() -> None:
            async with store.read() as conn:
                found = await list_visible_incidents(conn, actor, NOW, limit=50)
            msgspec.json.encode([mask(view, tier, sharing.fields) for view, tier in found])

        return ask

    asks = {"off": off, **{name: on(actor) for name, actor in actors.items()}}
    times: dict[str, list[float]] = {name: [] for name in asks}
    for _ in range(ROUNDS):
        for name, ask in asks.items():
            started = time.perf_counter()
            await ask()
            times[name].append((time.perf_counter() - started) * 1000)
    quartiles = {name: statistics.quantiles(values, n=4)[0] for name, values in times.items()}
    return quartiles.pop("off"), quartiles


def _may_us(policy: Policy) -> float:
    """Microseconds of the costliest decision: a camera that three incidents link, each shared with twenty departments; two posts.

    The fastest of 20 runs of 1,000: what is above it is the machine's other work.
    """
    posts = [Post(id=d, role=Role.RESPONDER, scope=Scope.OWN, department_id=d, reach=frozenset({d})) for d in ("fire-rescue", "water-bureau")]
    actor = policy.actor(ActorKind.PERSON, "p", posts)
    shares = (*(Share(f"dept-{n}", Tier.INFORMED) for n in range(19)), Share("fire-rescue", Tier.ASSIST, NOW, None))
    incidents = tuple(Thing(kind=ThingKind.INCIDENT, id=str(n), verified=True, shares=shares) for n in range(3))
    camera = Thing(kind=ThingKind.CAMERA, id="c", enterprise_id="e", incidents=incidents)
    best = []
    for _ in range(20):
        started = time.perf_counter()
        for _ in range(1000):
            may(actor, Action.CAMERA_WATCH, camera, NOW)
        best.append((time.perf_counter() - started) * 1000)
    return min(best)
