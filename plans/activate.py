"""Putting plans in force: pure functions from plans, facts, level and tonight's posts to what is owed, told, shown and asked for.

No I/O, no clock (`now` is an argument). The storing part writes obligations from these values and keeps the `Activation`
to hand it back here when the level or the plans change; a person may always revoke what a rule began.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from hub.errors import Rejected
from plans.facts import IncidentFacts
from plans.match import State, holds
from plans.model import (
    LEVEL_RANK,
    STAGE_ORDER,
    Condition,
    Level,
    Plan,
    PlanKind,
    Stage,
    TaskStart,
    Text,
    Zone,
)

COMMAND_CENTRE = "district-office"
LOCAL_TOWN = "local-town"


class Post(msgspec.Struct, frozen=True):
    """A duty post of a department and who sits there tonight (None: nobody is on the roster)."""

    department: str
    post: str
    officer: str | None = None
    phone: str | None = None


class Bindings(msgspec.Struct, frozen=True):
    """Tonight's posts by department, the departments of the towns by nine-digit adcode, and what departments are called."""

    posts: Mapping[str, Post] = {}
    towns: Mapping[str, str] = {}
    names: Mapping[str, Text] = {}


def called(names: Mapping[str, Text], department: str) -> Text:
    """What a department is called; its id where nobody said."""
    return names.get(department) or Text(zh=department, en=department)


class Owner(msgspec.Struct, frozen=True):
    """Who owes a task. Where nobody mans the department's post, the command centre holds it and `acting_for` says for whom."""

    department: str
    post: str | None
    officer: str | None
    phone: str | None
    acting_for: str | None = None


class PlanRef(msgspec.Struct, frozen=True):
    """Which version of which plan."""

    id: str
    version: int
    title: Text


class Wanted(msgspec.Struct, frozen=True):
    """One plan's wish for a task: since when it stands, and how many minutes after that it is due."""

    plan: str
    task: str
    since: datetime
    due_min: int
    text: Text
    evidence: Text | None


class ActiveTask(msgspec.Struct, frozen=True):
    """One task in force, wanted by one or several plans; `key` stays the same however often the activation is computed.

    `due_at` is the earliest that any plan wants; `after` holds keys of other active tasks.
    """

    key: str
    action: str
    object: str
    role: str
    owner: Owner
    text: Text
    stage: Stage
    due_at: datetime
    after: tuple[str, ...]
    evidence: tuple[Text, ...]
    wanted_by: tuple[Wanted, ...]

    @property
    def plans(self) -> tuple[str, ...]:
        """Every plan that wants it."""
        return tuple(dict.fromkeys(w.plan for w in self.wanted_by))


class BoundRole(msgspec.Struct, frozen=True):
    """A role bound to a department and its post."""

    role: str
    owner: Owner
    duty: Text
    plans: tuple[str, ...]


class ActiveNotice(msgspec.Struct, frozen=True):
    """A notice to send to departments (and the public where `public`), at the latest at `due_at`."""

    key: str
    to: tuple[str, ...]
    public: bool
    due_at: datetime
    text: Text
    plans: tuple[str, ...]


class ActiveRequest(msgspec.Struct, frozen=True):
    """A request for a resource: the largest quantity that any plan asks for."""

    key: str
    capability: str
    quantity: float
    unit: str
    asked_by: Owner
    due_at: datetime
    text: Text
    plans: tuple[str, ...]


class ActiveGroup(msgspec.Struct, frozen=True):
    """A working group of the command post, in departments."""

    id: str
    title: Text
    lead: str
    members: tuple[str, ...]
    plans: tuple[str, ...]


class ActiveExit(msgspec.Struct, frozen=True):
    """An exit condition with its plan; `tasks` are keys of active tasks whose completion shows it."""

    key: str
    plan: str
    text: Text
    tasks: tuple[str, ...]


class ActiveStage(msgspec.Struct, frozen=True):
    """An on-scene stage with the goals and exit conditions of every plan."""

    stage: Stage
    goals: tuple[Text, ...]
    exit: tuple[ActiveExit, ...]


class ActiveGrants(msgspec.Struct, frozen=True):
    """Departments that lead, assist or are informed (each once, at its strongest), and those that may open cameras."""

    lead: tuple[str, ...] = ()
    assist: tuple[str, ...] = ()
    informed: tuple[str, ...] = ()
    video: tuple[str, ...] = ()


class ActiveZone(msgspec.Struct, frozen=True):
    """An area that a plan wants drawn."""

    key: str
    plan: str
    zone: Zone


class ActiveForm(msgspec.Struct, frozen=True):
    """A form and the department that fills it in."""

    key: str
    title: Text
    department: str
    plans: tuple[str, ...]


class Caution(msgspec.Struct, frozen=True):
    """Something the operator should know about the activation itself."""

    code: str
    zh: str
    en: str


class Activation(msgspec.Struct, frozen=True):
    """Everything the plans put in force. The same plans, facts, level, bindings and history give the same value."""

    plans: tuple[PlanRef, ...]
    level: Level
    started_at: datetime
    roles: tuple[BoundRole, ...]
    tasks: tuple[ActiveTask, ...]
    notices: tuple[ActiveNotice, ...]
    grants: ActiveGrants
    requests: tuple[ActiveRequest, ...]
    groups: tuple[ActiveGroup, ...]
    stages: tuple[ActiveStage, ...]
    zones: tuple[ActiveZone, ...]
    forms: tuple[ActiveForm, ...]
    termination: tuple[ActiveExit, ...]
    cautions: tuple[Caution, ...]
    since: tuple[tuple[str, datetime], ...]  # "plan/kind/id" → when that wish began; how due times survive a change


class TaskChange(msgspec.Struct, frozen=True):
    """A task that stays but is not the same: `fields` names what changed."""

    before: ActiveTask
    after: ActiveTask
    fields: tuple[str, ...]


class Difference(msgspec.Struct, frozen=True):
    """What a change of level, plans or facts adds, withdraws and changes, in words too."""

    added: tuple[ActiveTask, ...]
    withdrawn: tuple[ActiveTask, ...]
    changed: tuple[TaskChange, ...]
    notices_added: tuple[ActiveNotice, ...]
    requests_added: tuple[ActiveRequest, ...]
    requests_withdrawn: tuple[ActiveRequest, ...]
    grants_added: tuple[tuple[str, str], ...]  # (tier, department)
    grants_ended: tuple[tuple[str, str], ...]
    zh: str
    en: str

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all changes for anybody."""
        return not (
            self.added
            or self.withdrawn
            or self.changed
            or self.notices_added
            or self.requests_added
            or self.requests_withdrawn
            or self.grants_added
            or self.grants_ended
        )


class Termination(msgspec.Struct, frozen=True):
    """The end of a response: when, why, what was still open, the grants that end and the evaluation that begins."""

    at: datetime
    reason: str | None
    met: tuple[str, ...]
    unmet: tuple[ActiveExit, ...]
    open_tasks: tuple[str, ...]
    grants_ended: ActiveGrants
    evaluation: tuple[ActiveTask, ...]
    zh: str
    en: str


class AutomaticActivation(msgspec.Struct, frozen=True):
    """A plan whose rule puts it in force by itself: announced with `text`, revocable until `revocable_until`."""

    plan_id: str
    level: Level
    text: Text
    revocable_until: datetime


# -- activation ----------------------------------------------------------------------------------


def activate(plans: Sequence[Plan], facts: IncidentFacts, level: Level, bindings: Bindings, now: datetime) -> Activation:
    """Put `plans` in force together at `level`.

    Tasks with the same action, role, department and object are one task naming every plan that wants it: earliest due time, all
    predecessors, all evidence. A part whose `when` is known not to hold is left out; where it is unknown, the part stays in.
    The order of `plans` does not matter. Raises Rejected where `plans` is empty or holds two versions of one plan.
    """
    return _compose(plans, facts, level, bindings, now, now, {})


def change_level(
    current: Activation, plans: Sequence[Plan], facts: IncidentFacts, level: Level, bindings: Bindings, now: datetime
) -> tuple[Activation, Difference]:
    """Raise or lower the level: what stays keeps its due times, what comes counts from `now`."""
    return _change(current, plans, facts, level, bindings, now)


def switch_plans(
    current: Activation, plans: Sequence[Plan], facts: IncidentFacts, bindings: Bindings, now: datetime, level: Level | None = None
) -> tuple[Activation, Difference]:
    """Put other plans in force instead (or the same ones for new facts), keeping the due times of what stays."""
    return _change(current, plans, facts, level or current.level, bindings, now)


def follow(
    current: Activation, plans: Sequence[Plan], facts: IncidentFacts, bindings: Bindings, now: datetime
) -> tuple[Activation, Difference]:
    """The same plans at the same level for what is known by now: what it calls for is added, and a task changes hands where its post is no more.

    Nothing that stands is taken back: that a leak is over is for people to decide on, a change of level or plans does it.
    """
    return _change(current, plans, facts, current.level, bindings, now, keeps=True)


def _change(
    current: Activation, plans: Sequence[Plan], facts: IncidentFacts, level: Level, bindings: Bindings, now: datetime, *, keeps: bool = False
) -> tuple[Activation, Difference]:
    changed = _compose(plans, facts, level, bindings, current.started_at, now, dict(current.since), keeps=keeps)
    return changed, difference(current, changed)


def automatic_activations(plans: Iterable[Plan], facts: IncidentFacts, now: datetime) -> tuple[AutomaticActivation, ...]:
    """The plans whose own rule puts them in force for these facts: only where rule and `applies` are satisfied, never on an unknown."""
    found = [
        AutomaticActivation(plan.id, rule.level, rule.text, now + timedelta(minutes=rule.revocable_min))
        for plan in plans
        if (rule := plan.automatic) is not None
        and holds(rule.when, facts) is State.SATISFIED
        and holds(plan.applies, facts) is State.SATISFIED
    ]
    return tuple(sorted(found, key=lambda a: a.plan_id))


_PLAN_ORDER = {PlanKind.SPECIAL: 0, PlanKind.ONSITE_CARD: 1, PlanKind.DEPARTMENT: 2, PlanKind.GENERAL: 3}


_P = TypeVar("_P")


class _Composer:
    """One computation of an activation: what is wanted, since when, and whom roles are bound to."""

    def __init__(
        self, plans: Sequence[Plan], facts: IncidentFacts, level: Level, bindings: Bindings, now: datetime, since: Mapping[str, datetime],
        *, keeps: bool = False,
    ) -> None:
        # the most particular plan speaks first: its wording is used where plans want the same thing
        self.plans = sorted(plans, key=lambda p: (_PLAN_ORDER[p.kind], p.id))
        self.facts, self.level, self.bindings, self.now = facts, level, bindings, now
        self.known, self.keeps = since, keeps
        self.since: dict[str, datetime] = {}
        self.cautions: dict[str, Caution] = {}

    def wanted(self, when: Condition | None, from_level: Level = Level.IV, wish: str | None = None) -> bool:
        """Is a part wanted? `wish` is its key, by which it is known whether it stood before."""
        if LEVEL_RANK[self.level] < LEVEL_RANK[from_level]:
            return False
        return when is None or (self.keeps and wish in self.known) or holds(when, self.facts) is not State.UNSATISFIED

    def begin(self, plan: Plan, kind: str, part_id: str) -> datetime:
        """When this wish began: kept from the activation before, or now."""
        key = _wish(plan, kind, part_id)
        self.since[key] = self.known.get(key, self.now)
        return self.since[key]

    def caution(self, code: str, zh: str, en: str) -> None:
        self.cautions[f"{code} {en}"] = Caution(code, zh, en)

    def department(self, plan: Plan, role: str) -> str:
        department = plan.role(role).department
        if department != LOCAL_TOWN:
            return department
        adcode = self.facts.place.adcode or ""
        return self.bindings.towns.get(adcode[:9], LOCAL_TOWN)

    def owner(self, department: str) -> Owner:
        """The department's post; where it has none, the command centre for it."""
        post = self.bindings.posts.get(department)
        if post is not None:
            return Owner(department, post.post, post.officer, post.phone)
        if department == LOCAL_TOWN:
            self.caution(
                "town_unknown", "事发镇不明，属地任务暂由区指挥中心承担", "the town is unknown; its tasks rest with the command centre"
            )
        else:
            name = called(self.bindings.names, department)
            self.caution(
                "post_unmanned", f"{name.zh}没有值班岗，任务暂由区指挥中心承担", f"{name.en} has no duty post; its tasks rest with the command centre"
            )
        centre = self.bindings.posts.get(COMMAND_CENTRE)
        if centre is None or department == COMMAND_CENTRE:
            return Owner(COMMAND_CENTRE, None, None, None, None if department == COMMAND_CENTRE else department)
        return Owner(COMMAND_CENTRE, centre.post, centre.officer, centre.phone, department)


def _wish(plan: Plan, kind: str, part_id: str) -> str:
    return f"{plan.id}/{kind}/{part_id}"


def _compose(
    plans: Sequence[Plan],
    facts: IncidentFacts,
    level: Level,
    bindings: Bindings,
    started_at: datetime,
    now: datetime,
    since: Mapping[str, datetime],
    *,
    keeps: bool = False,
) -> Activation:
    ids = [plan.id for plan in plans]
    if not ids:
        raise Rejected("no_plan", "没有选定预案", "no plan was chosen", field="plans")
    if len(set(ids)) != len(ids):
        raise Rejected("plan_twice", "同一预案只能启用一个版本", "one plan cannot be in force in two versions", field="plans")
    work = _Composer(plans, facts, level, bindings, now, since, keeps=keeps)
    tasks = _tasks(work, TaskStart.ACTIVATION)
    keys = {task.key for task in tasks}
    return Activation(
        plans=tuple(PlanRef(p.id, p.version, p.title) for p in work.plans),
        level=level,
        started_at=started_at,
        roles=_roles(work),
        tasks=tasks,
        notices=_notices(work),
        grants=_grants(work),
        requests=_requests(work),
        groups=_groups(work),
        stages=_stages(work, keys),
        zones=tuple(ActiveZone(f"{p.id}/{z.id}", p.id, z) for p in work.plans for z in p.zones if work.wanted(z.when)),
        forms=_forms(work),
        termination=tuple(_exit(work, p, "termination", e.id, e.text, e.tasks, keys) for p in work.plans for e in p.termination),
        cautions=tuple(work.cautions[k] for k in sorted(work.cautions)),
        since=tuple(sorted(work.since.items())),
    )


def _task_key(plan: Plan, action: str, role: str, obj: str) -> str:
    """The town counts as "the local town", so that learning which one moves the task to it and makes no second one."""
    return f"{action}/{role}@{plan.role(role).department}/{obj}"


def _tasks(work: _Composer, starts: TaskStart) -> tuple[ActiveTask, ...]:
    drafts: dict[str, list[ActiveTask]] = {}
    for plan in work.plans:
        keys = {t.id: _task_key(plan, t.action, t.role, t.object) for t in plan.tasks}
        chosen = {t.id for t in plan.tasks if t.starts is starts and work.wanted(t.when, t.from_level, _wish(plan, "task", t.id))}
        before = {t.id: t.after for t in plan.tasks}
        for task in plan.tasks:
            if task.id not in chosen:
                continue
            since = work.begin(plan, "task", task.id)
            after = {keys[other] for other in _active_predecessors(task.id, before, chosen)}
            drafts.setdefault(keys[task.id], []).append(
                ActiveTask(
                    key=keys[task.id],
                    action=task.action,
                    object=task.object,
                    role=task.role,
                    owner=work.owner(work.department(plan, task.role)),
                    text=task.text,
                    stage=task.stage,
                    due_at=since + timedelta(minutes=task.due_min),
                    after=tuple(sorted(after)),
                    evidence=(task.evidence,) if task.evidence else (),
                    wanted_by=(Wanted(plan.id, task.id, since, task.due_min, task.text, task.evidence),),
                )
            )
    merged = {key: _merge(parts) for key, parts in drafts.items()}
    order = _without_cycles(work, merged)
    tasks = [msgspec.structs.replace(task, after=order[key]) for key, task in merged.items()]
    return tuple(sorted(tasks, key=lambda t: (t.due_at, STAGE_ORDER[t.stage], t.key)))


def _active_predecessors(task: str, before: Mapping[str, Sequence[str]], chosen: Collection[str]) -> set[str]:
    """The nearest predecessors that are in force; one that was left out hands on its own."""
    found: set[str] = set()
    seen: set[str] = set()
    stack = list(before[task])
    while stack:
        other = stack.pop()
        if other in seen:
            continue
        seen.add(other)
        if other in chosen:
            found.add(other)
        else:
            stack.extend(before.get(other, ()))
    return found


def _merge(parts: Sequence[ActiveTask]) -> ActiveTask:
    first = parts[0]
    return msgspec.structs.replace(
        first,
        stage=min((p.stage for p in parts), key=STAGE_ORDER.__getitem__),
        due_at=min(p.due_at for p in parts),
        after=tuple(sorted({key for p in parts for key in p.after} - {first.key})),
        evidence=tuple(dict.fromkeys(e for p in parts for e in p.evidence)),
        wanted_by=tuple(w for p in parts for w in p.wanted_by),
    )


def _without_cycles(work: _Composer, tasks: Mapping[str, ActiveTask]) -> dict[str, tuple[str, ...]]:
    """Drop, aloud, the later edge (in the order of names) where two plans give opposite orders: both tasks would wait for ever."""
    kept: dict[str, list[str]] = {key: [] for key in tasks}
    for key in sorted(tasks):
        for other in tasks[key].after:
            if other in kept and _reaches(kept, other, key):
                one, two = tasks[key].text, tasks[other].text
                work.caution(
                    "order_conflict",
                    f"预案对“{one.zh}”与“{two.zh}”的先后要求相反，已不作先后要求",
                    f"the plans want “{one.en}” and “{two.en}” in opposite orders; none is enforced",
                )
            elif other in kept:
                kept[key].append(other)
    return {key: tuple(others) for key, others in kept.items()}


def _reaches(after: Mapping[str, Sequence[str]], start: str, goal: str) -> bool:
    stack, seen = [start], {start}
    while stack:
        key = stack.pop()
        if key == goal:
            return True
        stack.extend(other for other in after.get(key, ()) if other not in seen)
        seen.update(after.get(key, ()))
    return False


def _grouped(pairs: Iterable[tuple[str, _P]]) -> dict[str, list[_P]]:
    groups: dict[str, list[_P]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def _roles(work: _Composer) -> tuple[BoundRole, ...]:
    uses = _grouped((f"{r.id}@{work.department(p, r.id)}", (p, r)) for p in work.plans for r in p.roles)
    return tuple(
        BoundRole(parts[0][1].id, work.owner(key.split("@", 1)[1]), parts[0][1].duty, tuple(p.id for p, _ in parts))
        for key, parts in sorted(uses.items())
    )


def _departments(work: _Composer, plan: Plan, roles: Iterable[str]) -> list[str]:
    """The departments of roles; a town not known yet is left out, its tasks rest with the command centre."""
    return [d for role in roles if (d := work.department(plan, role)) != LOCAL_TOWN]


def _notices(work: _Composer) -> tuple[ActiveNotice, ...]:
    wishes = _grouped(
        (n.id, (p, n, work.begin(p, "notice", n.id))) for p in work.plans for n in p.notices if work.wanted(n.when, n.from_level, _wish(p, "notice", n.id))
    )
    notices = [
        ActiveNotice(
            key=key,
            to=tuple(sorted({d for p, n, _ in parts for d in _departments(work, p, n.to)})),
            public=any(n.public for _, n, _ in parts),
            due_at=min(since + timedelta(minutes=n.within_min) for _, n, since in parts),
            text=parts[0][1].text,
            plans=tuple(p.id for p, _, _ in parts),
        )
        for key, parts in wishes.items()
    ]
    return tuple(sorted(notices, key=lambda n: (n.due_at, n.key)))


def _requests(work: _Composer) -> tuple[ActiveRequest, ...]:
    wishes = _grouped(
        (f"{r.capability}/{r.unit}", (p, r, work.begin(p, "resource", r.id)))
        for p in work.plans
        for r in p.resources
        if work.wanted(r.when, r.from_level, _wish(p, "resource", r.id))
    )
    requests = [
        ActiveRequest(
            key=key,
            capability=parts[0][1].capability,
            quantity=max(r.quantity for _, r, _ in parts),
            unit=parts[0][1].unit,
            asked_by=work.owner(work.department(parts[0][0], parts[0][1].role)),
            due_at=min(since + timedelta(minutes=r.within_min) for _, r, since in parts),
            text=parts[0][1].text,
            plans=tuple(dict.fromkeys(p.id for p, _, _ in parts)),
        )
        for key, parts in wishes.items()
    ]
    return tuple(sorted(requests, key=lambda r: (r.due_at, r.key)))


def _groups(work: _Composer) -> tuple[ActiveGroup, ...]:
    wishes = _grouped((g.id, (p, g)) for p in work.plans for g in p.groups if work.wanted(None, g.from_level))
    groups = []
    for key, parts in wishes.items():
        plan, first = parts[0]
        lead = work.owner(work.department(plan, first.lead)).department
        members = {d for p, g in parts for d in _departments(work, p, (g.lead, *g.members))} - {lead}
        groups.append(ActiveGroup(key, first.title, lead, tuple(sorted(members)), tuple(p.id for p, _ in parts)))
    return tuple(sorted(groups, key=lambda g: g.id))


def _forms(work: _Composer) -> tuple[ActiveForm, ...]:
    wishes = _grouped((f.id, (p, f)) for p in work.plans for f in p.forms)
    return tuple(
        ActiveForm(
            key, parts[0][1].title, work.owner(work.department(parts[0][0], parts[0][1].role)).department, tuple(p.id for p, _ in parts)
        )
        for key, parts in sorted(wishes.items())
    )


def _grants(work: _Composer) -> ActiveGrants:
    tiers: dict[str, set[str]] = {name: set() for name in ("lead", "assist", "informed", "video")}
    for plan in work.plans:
        for name, departments in tiers.items():
            departments.update(_departments(work, plan, getattr(plan.grants, name)))
    assist = tiers["assist"] - tiers["lead"]
    informed = tiers["informed"] - tiers["lead"] - assist
    return ActiveGrants(*(tuple(sorted(s)) for s in (tiers["lead"], assist, informed, tiers["video"])))


def _exit(work: _Composer, plan: Plan, where: str, exit_id: str, text: Text, tasks: Sequence[str], active: Collection[str]) -> ActiveExit:
    keys = {t.id: _task_key(plan, t.action, t.role, t.object) for t in plan.tasks}
    return ActiveExit(f"{plan.id}/{where}/{exit_id}", plan.id, text, tuple(keys[t] for t in tasks if keys[t] in active))


def _stages(work: _Composer, active: Collection[str]) -> tuple[ActiveStage, ...]:
    wishes = _grouped((s.stage.value, (p, s)) for p in work.plans for s in p.on_scene)
    stages = [
        ActiveStage(
            stage=parts[0][1].stage,
            goals=tuple(dict.fromkeys(s.goal for _, s in parts)),
            exit=tuple(_exit(work, p, s.stage.value, e.id, e.text, e.tasks, active) for p, s in parts for e in s.exit),
        )
        for parts in wishes.values()
    ]
    return tuple(sorted(stages, key=lambda s: STAGE_ORDER[s.stage]))


# -- difference ----------------------------------------------------------------------------------


def difference(before: Activation, after: Activation) -> Difference:
    """What changes between two activations of one incident."""
    old, new = {t.key: t for t in before.tasks}, {t.key: t for t in after.tasks}
    added = tuple(t for t in after.tasks if t.key not in old)
    withdrawn = tuple(t for t in before.tasks if t.key not in new)
    changed = tuple(TaskChange(old[t.key], t, _changed_fields(old[t.key], t)) for t in after.tasks if t.key in old and t != old[t.key])
    old_notices = {n.key for n in before.notices}
    old_requests, new_requests = {(r.key, r.quantity) for r in before.requests}, {(r.key, r.quantity) for r in after.requests}
    old_grants, new_grants = _grant_pairs(before.grants), _grant_pairs(after.grants)
    zh, en = _difference_words(before, after, added, withdrawn, changed)
    return Difference(
        added=added,
        withdrawn=withdrawn,
        changed=changed,
        notices_added=tuple(n for n in after.notices if n.key not in old_notices),
        requests_added=tuple(r for r in after.requests if (r.key, r.quantity) not in old_requests),
        requests_withdrawn=tuple(r for r in before.requests if (r.key, r.quantity) not in new_requests),
        grants_added=tuple(sorted(new_grants - old_grants)),
        grants_ended=tuple(sorted(old_grants - new_grants)),
        zh=zh,
        en=en,
    )


def _changed_fields(before: ActiveTask, after: ActiveTask) -> tuple[str, ...]:
    return tuple(name for name in ActiveTask.__struct_fields__ if getattr(before, name) != getattr(after, name))


def _grant_pairs(grants: ActiveGrants) -> set[tuple[str, str]]:
    return {(tier, department) for tier in ActiveGrants.__struct_fields__ for department in getattr(grants, tier)}


def _difference_words(
    before: Activation, after: Activation, added: Sequence[ActiveTask], withdrawn: Sequence[ActiveTask], changed: Sequence[TaskChange]
) -> tuple[str, str]:
    zh: list[str] = []
    en: list[str] = []
    if before.level is not after.level:
        up = LEVEL_RANK[after.level] > LEVEL_RANK[before.level]
        zh.append(f"响应由 {before.level} 级{'提升' if up else '降低'}为 {after.level} 级")
        en.append(f"response {'raised' if up else 'lowered'} from level {before.level} to {after.level}")
    old, new = {p.id: p for p in before.plans}, {p.id: p for p in after.plans}
    for plans, word_zh, word_en in (
        ([p for i, p in new.items() if i not in old], "启用", "now in force"),
        ([p for i, p in old.items() if i not in new], "停用", "no longer in force"),
    ):
        if plans:
            zh.append(f"{word_zh}{'、'.join(p.title.zh for p in plans)}")
            en.append(f"{word_en}: {', '.join(p.title.en for p in plans)}")
    for tasks, word_zh, word_en in (
        (added, "新增", "added"),
        (withdrawn, "撤销", "withdrawn"),
        ([c.after for c in changed], "调整", "changed"),
    ):
        if tasks:
            zh.append(f"{word_zh} {len(tasks)} 项任务：{_some([t.text.zh for t in tasks], '、', '等')}")
            en.append(f"{len(tasks)} task{'s' if len(tasks) != 1 else ''} {word_en}: {_some([t.text.en for t in tasks], '; ', ' …')}")
    return "；".join(zh) + "。" if zh else "没有变化。", "; ".join(en) + "." if en else "Nothing changes."


def _some(texts: Sequence[str], joint: str, more: str) -> str:
    return joint.join(texts[:5]) + (more if len(texts) > 5 else "")


# -- termination ---------------------------------------------------------------------------------


def terminate(
    current: Activation,
    plans: Sequence[Plan],
    facts: IncidentFacts,
    bindings: Bindings,
    now: datetime,
    *,
    met: Collection[str],
    done: Collection[str] = (),
    reason: str | None = None,
) -> Termination:
    """End a response. `met` are keys of `current.termination` that somebody confirmed, `done` keys of finished tasks.

    A termination condition whose tasks are all done counts as met. Raises Rejected where conditions remain unmet and no reason is given,
    or where `met` names a condition that the plans do not have.
    """
    known = {e.key for e in current.termination}
    unknown = sorted(set(met) - known)
    if unknown:
        raise Rejected("unknown_condition", f"没有终止条件“{unknown[0]}”", f"there is no termination condition {unknown[0]!r}", field="met")
    held = {e.key for e in current.termination if e.key in met or (e.tasks and all(t in done for t in e.tasks))}
    unmet = tuple(e for e in current.termination if e.key not in held)
    given = (reason or "").strip() or None
    if (unmet or not current.termination) and given is None:
        what_zh = "；".join(e.text.zh for e in unmet) or "预案没有终止条件"
        what_en = "; ".join(e.text.en for e in unmet) or "the plans name no conditions"
        raise Rejected(
            "termination_needs_reason",
            f"终止条件未满足，须说明理由：{what_zh}",
            f"conditions are not met; give a reason: {what_en}",
            field="reason",
        )
    work = _Composer(plans, facts, current.level, bindings, now, {})
    open_tasks = tuple(t.key for t in current.tasks if t.key not in done)
    names_zh, names_en = "、".join(p.title.zh for p in current.plans), ", ".join(p.title.en for p in current.plans)
    return Termination(
        at=now,
        reason=given,
        met=tuple(sorted(held)),
        unmet=unmet,
        open_tasks=open_tasks,
        grants_ended=current.grants,
        evaluation=_tasks(work, TaskStart.TERMINATION),
        zh=f"终止响应：{names_zh}。" + (f"理由：{given}。" if given else "终止条件均已满足。") + f"未完成任务 {len(open_tasks)} 项。",
        en=f"Response ended: {names_en}. "
        + (f"Reason: {given}. " if given else "All conditions are met. ")
        + f"{len(open_tasks)} tasks were still open.",
    )
