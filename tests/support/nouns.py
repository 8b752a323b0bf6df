"""A district with one object of every noun for one's own department and one for another's: what the access matrix tries.

`Held` is an object as the matrix needs it: the names that a path has for it, and the thing (or things) that `may` looks at. Objects of
`mine` are fire-rescue's or shared with it; those of `other` are the water bureau's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from hub.clock import utc_text
from hub.domain.access import Action, Actor, Thing, ThingKind, Tier, may
from hub.domain.camera import CameraPlace, EnterpriseView, LinkedCamera, Why
from hub.domain.duty_rules import packaged_rules
from hub.domain.group import Group
from hub.domain.incident import IncidentOpened, IncidentState, IncidentView
from hub.domain.notice import Contact, in_both
from hub.domain.obligation import Owed
from hub.domain.report import Channel, report_view
from hub.domain.resource import Resource, ResourceKind
from hub.domain.roster import Shift
from hub.domain.sharing import Origin
from hub.errors import Rejected
from hub.ids import new_id
from hub.store import Store, Transaction, notices
from hub.store import obligations as ledger
from hub.store.access import incident_things
from hub.store.accounts import open_account, open_session
from hub.store.activations import get_response, put_in_force, tasks_of
from hub.store.agents import new_secret, put_agent
from hub.store.cameras import camera_things, get_camera, link, save_camera, save_enterprise
from hub.store.daily import duty_for
from hub.store.groups import save_group, write
from hub.store.organisation import add_person, list_departments, seed_departments
from hub.store.plans import facts_from, save_plan
from hub.store.quarantine import Refused, list_quarantine, put
from hub.store.recordings import want
from hub.store.reports import insert_incidents, insert_reports, report_row
from hub.store.resources import ask_for, save_resource
from hub.store.roster import load_reach, make_standard_posts, propose_swap, save_shift, write_handover
from hub.store.schema_people import share
from hub.store.sharing import draft_agreement, grant
from hub.web.attachments import note_sent
from hub.wire import Attachment, Hazmat, Place, Report, Reporter, ReportKind
from plans.model import Level, Text
from tests.support.district import HOUR, NOW, incident_view
from tests.support.plan_library import plan, task
from tests.support.plan_library import text as words

BY = "system:test"
MINE, OTHER = "fire-rescue", "water-bureau"
RULES = packaged_rules()
PLAN = "matrix"
DAY = "2026-11-23"


KINDS = {
    "/api/v1/incidents/{id}": "incident", "/api/v1/reports/{report}/attachments": "attachment", "/api/v1/reports/{id}": "report",
    "/api/v1/attachments/{id}": "upload", "/api/v1/agents/{id}": "agent", "/api/v1/quarantine/{id}": "quarantined",
    "/api/v1/departments/{id}": "department", "/api/v1/posts/{id}": "post", "/api/v1/people/{id}": "person", "/api/v1/appointments/{id}": "appointment",
    "/api/v1/accounts/{id}": "account", "/api/v1/sessions/{id}": "session", "/api/v1/agreements/{id}": "agreement", "/api/v1/policies/{name}": "policy",
    "/api/v1/obligations/{id}": "obligation", "/api/v1/duty/data/{name}": "duty_data", "/api/v1/daily/{duty}": "daily", "/api/v1/digests/{day}": "digest",
    "/api/v1/groups/{id}": "group", "/api/v1/roster/posts/{id}": "roster_post", "/api/v1/roster/swaps/{id}": "swap",
    "/api/v1/roster/handovers/{id}": "handover", "/api/v1/notices/{id}": "notice", "/api/v1/contacts/{id}": "contact",
    "/api/v1/cameras/{agent}/{camera}": "camera", "/api/v1/feeds/{agent}/{camera}": "camera", "/api/v1/recordings/{id}": "recording",
    "/api/v1/requests/{id}": "request", "/api/v1/activations/{id}": "activation", "/api/v1/tasks/{id}": "task", "/api/v1/plans/{plan}": "plan",
}
"""Which kind of object a path names, by its beginning."""


def kind_of(path: str) -> str | None:
    """The kind of object that a path names; None where it names none."""
    return next((kind for start, kind in KINDS.items() if path == start or path.startswith(start + "/")), None)


@dataclass(frozen=True)
class Held:
    """One object: `kind`, `name` (mine, other, told, …), the names of its path, the things access looks at (one permit is enough).

    `reads` is the act that reading it is; `marks` are words that stand in no answer to whoever may not read it.
    """

    kind: str
    name: str
    path: dict[str, str]
    things: tuple[Thing, ...]
    reads: Action | None = None
    marks: tuple[str, ...] = ()


@dataclass
class Nouns:
    """Every object by kind."""

    by_kind: dict[str, list[Held]] = field(default_factory=dict)
    incidents: dict[str, IncidentView] = field(default_factory=dict)

    def add(self, held: Held) -> None:
        self.by_kind.setdefault(held.kind, []).append(held)

    def of(self, kind: str) -> list[Held]:
        return self.by_kind[kind]

    def all(self) -> list[Held]:
        return [held for each in self.by_kind.values() for held in each]

    def one(self, kind: str, name: str) -> Held:
        return next(held for held in self.of(kind) if held.name == name)

    def hidden_marks(self, actor: Actor, now: datetime) -> list[str]:
        """The words of everything that this actor may not read."""
        hidden = [held for held in self.all() if held.reads is not None and not any(may(actor, held.reads, thing, now).allowed for thing in held.things)]
        return [mark for held in hidden for mark in held.marks]


async def furnish(store: Store, data: Path | None = None) -> Nouns:
    """Store everything and say what there is."""
    nouns = Nouns()
    async with store.transaction() as tx:
        await seed_departments(tx)
        await tx.numbers({"incident": 100})  # the numbers below are taken
        await make_standard_posts(tx, [(d.id, d.zh, d.en) for d in await list_departments(tx.conn)], centre="district-office", by=BY)
        # a plan with tasks for two departments that shares with nobody
        roles = [{"id": id, "department": id, "duty": words("d")} for id in (MINE, "ecology-bureau")]
        tasks = [task("look", role=MINE), task("measure", role="ecology-bureau")]
        nobody: dict[str, list[str]] = {"lead": [], "informed": [], "video": []}
        await save_plan(tx, plan(PLAN, roles=roles, tasks=tasks, grants=nobody), by=BY)
        await save_plan(tx, plan(f"{PLAN}-other", roles=roles[1:], tasks=tasks[1:], grants=nobody), by=BY)
        await _incidents(tx, nouns)
    async with store.read() as conn:
        things = await incident_things(conn, [view.id for view in nouns.incidents.values()])
    for name, view in nouns.incidents.items():
        nouns.add(Held("incident", name, {"id": view.id}, (things[view.id],), Action.INCIDENT_READ, (view.id,)))
    async with store.transaction() as tx:
        await _of_incidents(tx, nouns, things, data)
    async with store.transaction() as tx:
        await _cameras(tx, nouns)
        await _duties(tx, nouns)
        await _organisation(tx, nouns)
    return nouns


async def _incidents(tx: Transaction, nouns: Nouns) -> None:
    """Led by us; another's; one we are only told of; one we assist in; one whose share with us has ended; one of our enterprise."""
    shares = {"mine": [(MINE, Tier.LEAD)], "other": [(OTHER, Tier.LEAD)], "told": [(OTHER, Tier.LEAD), (MINE, Tier.INFORMED)],
              "assisted": [(OTHER, Tier.LEAD), (MINE, Tier.ASSIST)], "ended": [(OTHER, Tier.LEAD)], "beginning": [(OTHER, Tier.LEAD)]}
    for number, (name, shared) in enumerate(shares.items(), start=1):
        view = msgspec.structs.replace(incident_view(number, department=shared[0][0]), hazmat=(Hazmat(un="1005", name="液氨"),))
        nouns.incidents[name] = view
        await insert_incidents(tx, [(view, msgspec.json.encode(view))])
        tx.record(IncidentOpened(incident=view), actor="agent:a", subject=f"incident:{view.id}", incident_id=view.id, department_id=view.department_id)
        for department, tier in shared:
            await grant(tx, view, department, tier, origin=Origin.ACTIVATION, reason="r", by=BY)
    ended = nouns.incidents["ended"]
    row = await grant(tx, ended, MINE, Tier.LEAD, origin=Origin.MANUAL, reason="r", by=BY, until_at=NOW + HOUR)
    assert row is not None
    await tx.conn.execute(share.update().where(share.c.incident_id == ended.id, share.c.department_id == MINE).values(
        from_at=utc_text(NOW - 2 * HOUR), until_at=utc_text(NOW - HOUR)))
    beginning = nouns.incidents["beginning"]
    await grant(tx, beginning, MINE, Tier.LEAD, origin=Origin.MANUAL, reason="r", by=BY, until_at=NOW + 3 * HOUR)
    await tx.conn.execute(share.update().where(share.c.incident_id == beginning.id, share.c.department_id == MINE).values(
        from_at=utc_text(NOW + HOUR)))


async def _of_incidents(tx: Transaction, nouns: Nouns, things: dict[str, Thing], data: Path | None) -> None:
    """What belongs to incidents: report, attachment, recording, request, response with its tasks."""
    for name in ("mine", "other", "told", "assisted", "ended"):
        view, of = nouns.incidents[name], things[nouns.incidents[name].id]
        sha = f"{len(nouns.by_kind.get('attachment', ())) + 1:064x}"
        department = view.department_id
        report = report_view(
            Report(id=new_id(), kind=ReportKind.FOLLOW_UP, occurred_at=NOW, place=Place(text="G204"), incident_id=view.id,
                   reporter=Reporter(name="张三丰", phone="13812345678"), attachments=(Attachment(sha256=sha, name="a.jpg", media_type="image/jpeg", size_bytes=3),)),
            incident_id=view.id, department_id=department, agent_id=None, actor="person:x", channel=Channel.WEB, number=view.number, receipt_no=str(view.number),
            received_at=NOW)
        await insert_reports(tx, [(report, report_row(report, msgspec.json.encode(report), "hash"))])
        thing = Thing(kind=ThingKind.REPORT, id=report.id, department_id=department, incidents=(of,))
        nouns.add(Held("report", name, {"id": report.id}, (thing,), Action.REPORT_READ, (report.id,)))
        if data is not None:
            path = data / "attachments" / "sha256" / sha[:2] / sha
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"jpg")
            await note_sent(tx, sha, "person:x")
        file = Thing(kind=ThingKind.ATTACHMENT, id=sha, department_id=department, incidents=(of,))
        nouns.add(Held("attachment", name, {"report": report.id, "sha256": sha}, (file,), Action.ATTACHMENT_READ))
        recording = await want(tx, f"plant-{name}", "cam", incident_id=view.id, reason="r", by=BY)
        assert recording is not None
        kept = Thing(kind=ThingKind.RECORDING, id=recording.id, incidents=(of,))
        nouns.add(Held("recording", name, {"id": recording.id}, (kept,), Action.RECORDING_READ, (recording.id,)))
        request = await ask_for(tx, RULES, view, capability="foam", quantity=1, unit="吨", text=Text("泡沫", "foam"), due_at=NOW + HOUR, asked_by=department or "",
                                by=BY, activation_id=None, key=f"{view.id}:1")
        nouns.add(Held("request", name, {"id": request.id}, (of,), Action.INCIDENT_READ, (request.id,)))
    for name in ("mine", "other", "told"):
        view, of = nouns.incidents[name], things[nouns.incidents[name].id]
        head = await put_in_force(tx, RULES, view, facts_from(view, ZoneInfo(RULES.calendar.zone), {}), [PLAN if name != "other" else f"{PLAN}-other"], Level.III, by=BY)
        nouns.add(Held("activation", name, {"id": head.id}, (of,), Action.INCIDENT_READ, (head.id,)))
        whole = await get_response(tx.conn, head.id)
        assert whole is not None
        for given in await tasks_of(tx.conn, whole):
            department = given.owner.department
            key = f"{name}-{department}"
            if department in (MINE, "ecology-bureau") and all(held.name != key for held in nouns.by_kind.get("task", ())):
                thing = Thing(kind=ThingKind.TASK, id=given.id, department_id=department, incidents=(of,))
                nouns.add(Held("task", key, {"id": given.id}, (thing,)))


async def _cameras(tx: Transaction, nouns: Nouns) -> None:
    """Our own; those of plants that our, another's, an assisted, a told and an unverified incident link; one that nothing links."""
    await save_enterprise(tx, EnterpriseView(id="e1", zh="一号企业", department_id=OTHER), by=BY)
    unverified = msgspec.structs.replace(incident_view(20, department=OTHER), verified=False, state=IncidentState.UNVERIFIED)
    closed = msgspec.structs.replace(incident_view(21, department=OTHER), state=IncidentState.CLOSED)
    for view in (unverified, closed):
        await insert_incidents(tx, [(view, msgspec.json.encode(view))])
        await grant(tx, view, MINE, Tier.LEAD, origin=Origin.ACTIVATION, reason="r", by=BY)
    linked = {**nouns.incidents, "unverified": unverified, "closed": closed}
    for name in ("own", "mine", "other", "assisted", "told", "unverified", "closed", "unlinked"):
        await put_agent(tx, agent_id=f"plant-{name}", name=name, kind="camera", department_id=MINE if name == "own" else OTHER,
                        enterprise_id=None if name == "own" else "e1" if name == "other" else "e2", secret=new_secret())
        await save_camera(tx, f"plant-{name}/cam", CameraPlace(name=f"摄像头-{name}"), by=BY)
        if name in linked:
            row = LinkedCamera(agent_id=f"plant-{name}", camera_id="cam", name=name, score=1.0, reasons=(Why(code="near", zh="近", en="near"),))
            await link(tx, linked[name], [row], 4, by=BY)
        view = await get_camera(tx.conn, f"plant-{name}/cam")
        assert view is not None
        thing = (await camera_things(tx.conn, [view]))[view.id]
        nouns.add(Held("camera", name, {"agent": f"plant-{name}", "camera": "cam"}, (thing,), Action.CAMERA_LIST, (f"摄像头-{name}",)))
    for name, department, enterprise in (("mine", MINE, None), ("other", OTHER, None), ("plant", OTHER, "e1")):
        await put_agent(tx, agent_id=f"agent-{name}", name=f"终端-{name}", kind="field", department_id=department, enterprise_id=enterprise, secret=new_secret())
        agent = Thing(kind=ThingKind.AGENT, id=f"agent-{name}", department_id=department, enterprise_id=enterprise)
        nouns.add(Held("agent", name, {"id": f"agent-{name}"}, (agent,), Action.AGENT_READ, (f"终端-{name}",)))


async def _duties(tx: Transaction, nouns: Nouns) -> None:
    """Duties, daily reports, notices, contacts, groups, the roster."""
    for name, department in (("mine", MINE), ("other", OTHER)):
        await _roster(tx, nouns, name, department)
        (duty,) = await ledger.make(tx, RULES, [Owed(key=f"matrix:{name}", kind="plan_task", department_id=department, post_id=f"{department}.duty",
                                                     subject=f"thing:{name}", title_zh=f"事项-{name}", title_en=name, due_at=NOW + HOUR)], actor=BY)
        thing = Thing(kind=ThingKind.OBLIGATION, id=duty.id, department_id=department)
        nouns.add(Held("obligation", name, {"id": duty.id}, (thing,), Action.OBLIGATION_READ, (duty.id, f"事项-{name}")))
        report = await duty_for(tx, RULES, department, "daily", date.fromisoformat(DAY))
        daily = Thing(kind=ThingKind.DAILY, id=report.id, department_id=department)
        nouns.add(Held("daily", name, {"duty": report.id}, (daily,), Action.DAILY_READ))
        reach = await load_reach(tx.conn, departments={department}, posts={f"{department}.duty"}, now=tx.now)
        (made, *_) = await notices.queue(tx, notices.message_drafts(
            RULES, reach.target(reach.posts[f"{department}.duty"], urgent=True), in_both(title=f"通知-{name}", text="…"), id=new_id(), now=tx.now,
            max_age=24 * HOUR, urgent=True), actor=BY)
        notice = Thing(kind=ThingKind.NOTICE, id=made.id, department_id=department)
        nouns.add(Held("notice", name, {"id": made.id}, (notice,), Action.NOTICE_READ, (made.id, f"通知-{name}")))
        contact = await notices.save_contact(tx, Contact(id=new_id(), name=f"联系人-{name}", address="json://127.0.0.1:9/x", post_id=f"{department}.duty"), by=BY)
        nouns.add(Held("contact", name, {"id": contact.id}, (Thing(kind=ThingKind.ROSTER, id=contact.id, department_id=department),), Action.NOTICE_TEST,
                       (f"联系人-{name}",)))
        group = await save_group(tx, Group(id=f"group-{name}", zh=f"群-{name}", en=name, departments=(department, "gas-company")), by=BY)
        post = await write(tx, RULES, group.id, f"发言-{name}", by=BY, name="甲", department_id=department)
        things = tuple(Thing(kind=ThingKind.GROUP, id=group.id, department_id=d) for d in group.departments)
        nouns.add(Held("group", name, {"id": group.id}, things, Action.GROUP_READ, (f"群-{name}", f"发言-{name}", post.id)))


async def _roster(tx: Transaction, nouns: Nouns, name: str, department: str) -> None:
    post = f"{department}.duty"
    thing = Thing(kind=ThingKind.ROSTER, id=post, department_id=department)
    nouns.add(Held("roster_post", name, {"id": post}, (thing,)))
    shift = await save_shift(tx, Shift(id=new_id(), post_id=post, person_id=f"person-{name}", starts_at=NOW - HOUR, ends_at=NOW + 8 * HOUR), by=BY)
    nouns.add(Held("shift", name, {"id": shift.id}, (thing,)))
    swap = await propose_swap(tx, shift_id=shift.id, from_person=f"person-{name}", to_person="somebody", by=BY)
    nouns.add(Held("swap", name, {"id": swap.id}, (thing,)))
    handover = await write_handover(tx, RULES, post_id=post, from_person=f"person-{name}", to_person="somebody", note=f"交班-{name}", by=BY)
    nouns.add(Held("handover", name, {"id": handover.id}, (thing,), Action.HANDOVER_READ, (f"交班-{name}",)))


async def _organisation(tx: Transaction, nouns: Nouns) -> None:
    """Agreements, resources, an administrator's victim, a refused message, and what belongs to the whole district."""
    for name, giver in (("mine", MINE), ("other", OTHER)):
        row = await draft_agreement(tx, giver_id=giver, taker_id="gas-company", event_types=(), tier=Tier.ASSIST, text=f"协议-{name}",
                                    valid_from=NOW - HOUR, valid_until=NOW + 100 * HOUR, by=BY)
        things = tuple(Thing(kind=ThingKind.AGREEMENT, id=row.id, department_id=d) for d in (giver, "gas-company"))
        nouns.add(Held("agreement", name, {"id": row.id}, things, Action.AGREEMENT_READ, (row.id, f"协议-{name}")))
        await save_resource(tx, Resource(id=f"resource-{name}", kind=ResourceKind.STOCK, name_zh=f"资源-{name}", department_id=giver, capability="foam",
                                         quantity=1, unit="吨", contact="李四光", phone="13987654321"), by=BY)
        nouns.add(Held("resource", name, {"id": f"resource-{name}"}, (Thing(kind=ThingKind.RESOURCE, id=f"resource-{name}", department_id=giver),)))
    victim = await add_person(tx, "对象", by=BY, department_id=OTHER)
    account = await open_account(tx, victim.id, "victim", by=BY)
    session, _ = await open_session(tx, account, address="a", client="c", method="link", second_factor=False, life=timedelta(days=1))
    await put(tx, [Refused(channel="mqtt", what="report", agent_id=None, actor="agent:x", message_id=None, payload=b"{}",
                           error=Rejected("malformed", "坏", "bad"))])
    refused = (await list_quarantine(tx.conn))[0]
    for kind, names, thing in (
        ("person", {"id": victim.id}, Thing(kind=ThingKind.PERSON, id=victim.id, department_id=OTHER)),
        ("account", {"id": account.id}, Thing(kind=ThingKind.ACCOUNT, id=account.id)),
        ("session", {"id": session.id}, Thing(kind=ThingKind.SESSION, id=session.id, person_id=victim.id)),
        ("quarantined", {"id": refused.id}, Thing(kind=ThingKind.QUARANTINE, id=refused.id)),
        ("department", {"id": "gas-company"}, Thing(kind=ThingKind.DEPARTMENT, id="gas-company")),
        ("post", {"id": "some-post"}, Thing(kind=ThingKind.DEPARTMENT, id="some-post")),
        ("appointment", {"id": new_id()}, Thing(kind=ThingKind.PERSON)),
        ("policy", {"name": "roles"}, Thing(kind=ThingKind.HUB)),
        ("duty_data", {"name": "ladders"}, Thing(kind=ThingKind.HUB)),
        ("digest", {"day": DAY}, Thing(kind=ThingKind.DIGEST, id=DAY)),
        ("plan", {"plan": PLAN, "version": "1"}, Thing(kind=ThingKind.PLAN, id=PLAN)),
        ("upload", {"id": "0" * 32}, Thing(kind=ThingKind.ATTACHMENT)),
    ):
        nouns.add(Held(kind, "there", names, (thing,)))
