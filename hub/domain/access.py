"""Who may do what to which thing, now: `may` is the only decision, for REST, WebSocket, MQTT, exports and SQL filters alike.

Pure: the policy (hub/data/roles.yaml) comes in as values, `now` is an argument, nothing is asked of a store. Deny by default: what no
row of the policy permits is refused, with a reason that a person can read. Nothing else in the product may decide on access.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, assert_never

import msgspec
from msgspec import Struct

from hub.domain.change import ChangeBody, change
from hub.domain.data import packaged
from hub.errors import Rejected


class Action(StrEnum):
    """Every act of the product. A member here needs its row in roles.yaml (and the other way round), or reading the policy fails."""

    # incidents and reports
    INCIDENT_LIST = "incident.list"
    INCIDENT_READ = "incident.read"
    INCIDENT_OPEN = "incident.open"
    INCIDENT_VERIFY = "incident.verify"
    INCIDENT_UPDATE = "incident.update"
    INCIDENT_MERGE = "incident.merge"
    INCIDENT_CLOSE = "incident.close"
    INCIDENT_REOPEN = "incident.reopen"
    INCIDENT_GRADE = "incident.grade"
    INCIDENT_TAKE = "incident.take"
    INCIDENT_SHARE = "incident.share"
    INCIDENT_EXPORT = "incident.export"
    INCIDENT_NOTE = "incident.note"
    REPORT_FILE = "report.file"
    REPORT_READ = "report.read"
    REPORT_UPWARD = "report.upward"
    ATTACHMENT_UPLOAD = "attachment.upload"
    ATTACHMENT_READ = "attachment.read"
    QUARANTINE_READ = "quarantine.read"
    QUARANTINE_REPLAY = "quarantine.replay"
    TRIAGE_RUN = "triage.run"
    RECEIPTS_READ = "receipts.read"
    # the feed
    CHANGES_READ = "changes.read"
    LIVE_FOLLOW = "live.follow"
    # video
    CAMERA_LIST = "camera.list"
    CAMERA_PREVIEW = "camera.preview"
    CAMERA_WATCH = "camera.watch"
    CAMERA_LINK = "camera.link"
    CAMERA_EDIT = "camera.edit"
    CAMERA_MARK = "camera.mark"
    CAMERA_PUBLISH = "camera.publish"
    RECORDING_READ = "recording.read"
    RECORDING_KEEP = "recording.keep"
    EVIDENCE_EXPORT = "evidence.export"
    ENTERPRISE_READ = "enterprise.read"
    ENTERPRISE_EDIT = "enterprise.edit"
    ROLLCALL_RUN = "rollcall.run"
    # duties
    OBLIGATION_LIST = "obligation.list"
    OBLIGATION_READ = "obligation.read"
    OBLIGATION_ACK = "obligation.ack"
    OBLIGATION_MEET = "obligation.meet"
    OBLIGATION_EXCUSE = "obligation.excuse"
    OBLIGATION_UNLOCK = "obligation.unlock"
    DAILY_READ = "daily.read"
    DAILY_FILE = "daily.file"
    DAILY_CORRECT = "daily.correct"
    DAILY_RETURN = "daily.return"
    DAILY_ACCEPT = "daily.accept"
    DAILY_BOARD = "daily.board"
    DAILY_TEMPLATE = "daily.template"
    DIGEST_READ = "digest.read"
    DIGEST_EDIT = "digest.edit"
    DIGEST_SIGN = "digest.sign"
    ROSTER_READ = "roster.read"
    ROSTER_EDIT = "roster.edit"
    ROSTER_SWAP = "roster.swap"
    HANDOVER_READ = "handover.read"
    HANDOVER_SIGN = "handover.sign"
    NOTICE_READ = "notice.read"
    NOTICE_SEND = "notice.send"
    NOTICE_TEST = "notice.test"
    GROUP_READ = "group.read"
    GROUP_WRITE = "group.write"
    GROUP_EDIT = "group.edit"
    STATISTICS_READ = "statistics.read"
    # plans, hazmat, resources
    PLAN_READ = "plan.read"
    PLAN_MATCH = "plan.match"
    PLAN_ACTIVATE = "plan.activate"
    PLAN_LEVEL = "plan.level"
    PLAN_TERMINATE = "plan.terminate"
    PLAN_EDIT = "plan.edit"
    PLAN_APPROVE = "plan.approve"
    TASK_READ = "task.read"
    TASK_ACK = "task.ack"
    TASK_DONE = "task.done"
    TASK_ASSIGN = "task.assign"
    STAGE_MOVE = "stage.move"
    HAZMAT_READ = "hazmat.read"
    ZONE_EDIT = "zone.edit"
    EVACUATION_TICK = "evacuation.tick"
    RESOURCE_READ = "resource.read"
    RESOURCE_EDIT = "resource.edit"
    RESOURCE_REQUEST = "resource.request"
    RESOURCE_OFFER = "resource.offer"
    RESOURCE_MOVE = "resource.move"
    DRILL_RUN = "drill.run"
    # organisation and sharing
    ORGANISATION_READ = "organisation.read"
    PEOPLE_READ = "people.read"
    SHARING_READ = "sharing.read"
    AGREEMENT_READ = "agreement.read"
    AGREEMENT_EDIT = "agreement.edit"
    AGREEMENT_SIGN = "agreement.sign"
    AGREEMENT_ACTIVATE = "agreement.activate"
    # one's own account
    SELF_READ = "self.read"
    SELF_EDIT = "self.edit"
    SESSION_READ = "session.read"
    SESSION_REVOKE = "session.revoke"
    # agents and brokers
    AGENT_READ = "agent.read"
    AGENT_ENROLL = "agent.enroll"
    AGENT_REVOKE = "agent.revoke"
    AGENT_EDIT = "agent.edit"
    MQTT_PUBLISH = "mqtt.publish"
    MQTT_SUBSCRIBE = "mqtt.subscribe"
    # audit
    AUDIT_READ = "audit.read"
    AUDIT_VERIFY = "audit.verify"
    AUDIT_EXPORT = "audit.export"
    # administration: three separate hands
    ADMIN_SETTINGS = "admin.settings"
    ADMIN_DATA = "admin.data"
    ADMIN_BACKUP = "admin.backup"
    ADMIN_HEALTH = "admin.health"
    ADMIN_ORGANISATION = "admin.organisation"
    ADMIN_ACCOUNTS = "admin.accounts"
    ADMIN_APPOINT = "admin.appoint"
    ADMIN_SESSIONS = "admin.sessions"
    ADMIN_POLICY = "admin.policy"
    ADMIN_RETENTION = "admin.retention"
    # without an account
    SIGN_IN = "sign_in"
    HEALTH_READ = "health.read"
    METRICS_READ = "metrics.read"
    OPENAPI_READ = "openapi.read"
    ENROLL_WITH_CODE = "enroll.with_code"
    LINK_FILE = "link.file"
    LINK_VIEW = "link.view"


class Rule(StrEnum):
    """How the object of an act is looked at."""

    ANY = "any"
    """The role is enough: the thing holds nothing of one department only."""
    WHOLE = "whole"
    """Only a post whose scope is the whole district."""
    DEPARTMENT = "department"
    """The thing belongs to a department (or enterprise, or person) within the post's reach."""
    OWN = "own"
    """The thing is the actor's own."""
    INCIDENT = "incident"
    """The incident, or one the thing belongs to, is shared with a department within reach at the needed tier."""
    CAMERA = "camera"
    """A linked incident opens it, or it is one's own, or the command centre states a reason."""
    TOPIC = "topic"
    """An MQTT topic or filter that one of the identity's patterns covers."""


class Tier(StrEnum):
    """How much of an incident one sees: 牵头 lead ⊃ 配合 assist ⊃ 知会 informed."""

    LEAD = "lead"
    ASSIST = "assist"
    INFORMED = "informed"

    @property
    def rank(self) -> int:
        """Higher sees more."""
        return _RANK[self]


_RANK: Final = {Tier.LEAD: 3, Tier.ASSIST: 2, Tier.INFORMED: 1}


class Scope(StrEnum):
    """How far a post reaches: its own department, those below it too, or the whole district."""

    OWN = "own"
    DOWNSTREAM = "downstream"
    ALL = "all"


class ActorKind(StrEnum):
    """Who acts."""

    PERSON = "person"
    AGENT = "agent"
    SYSTEM = "system"
    PUBLIC = "public"


class ThingKind(StrEnum):
    """What is acted on."""

    HUB = "hub"
    INCIDENT = "incident"
    REPORT = "report"
    ATTACHMENT = "attachment"
    CAMERA = "camera"
    RECORDING = "recording"
    ENTERPRISE = "enterprise"
    OBLIGATION = "obligation"
    DAILY = "daily"
    DIGEST = "digest"
    NOTICE = "notice"
    GROUP = "group"
    ROSTER = "roster"
    PLAN = "plan"
    ACTIVATION = "activation"
    TASK = "task"
    RESOURCE = "resource"
    REQUEST = "request"
    DEPARTMENT = "department"
    PERSON = "person"
    ACCOUNT = "account"
    SESSION = "session"
    AGREEMENT = "agreement"
    AGENT = "agent"
    CHANGE = "change"
    QUARANTINE = "quarantine"
    TOPIC = "topic"
    LINK = "link"


class Role(StrEnum):
    """The roles of the policy; the last four are held by machines and by nobody."""

    OPERATOR = "operator"
    DUTY_OFFICER = "duty_officer"
    DEPARTMENT_REPORTER = "department_reporter"
    RESPONDER = "responder"
    ENTERPRISE_CONTACT = "enterprise_contact"
    LEADER = "leader"
    AUDITOR = "auditor"
    SYSTEM_ADMIN = "system_admin"
    SECURITY_ADMIN = "security_admin"
    AUDIT_ADMIN = "audit_admin"
    AGENT = "agent"
    AGENT_MEDIA = "agent_media"
    HUB = "hub"
    PUBLIC = "public"


ADMINISTRATORS: Final = frozenset({Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN, Role.AUDIT_ADMIN})
MACHINES: Final = frozenset({Role.AGENT, Role.AGENT_MEDIA, Role.HUB, Role.PUBLIC})


class Reason(StrEnum):
    """Why it was decided so: a stable code; the sentences stand beside it."""

    ROLE = "role"
    WHOLE_DISTRICT = "whole_district"
    OWN = "own"
    DEPARTMENT = "department"
    SHARED = "shared"
    LINKED = "linked"
    STATED_REASON = "stated_reason"
    TOPIC = "topic"
    NO_ROLE = "no_role"
    POST_ENDED = "post_ended"
    NOT_WHOLE = "not_whole_district"
    NOT_YOURS = "not_yours"
    OTHER_DEPARTMENT = "other_department"
    NOT_SHARED = "not_shared"
    SHARE_ENDED = "share_ended"
    TIER_TOO_LOW = "tier_too_low"
    UNVERIFIED = "unverified"
    CLOSED = "closed"
    NOT_LINKED = "not_linked"
    REASON_NEEDED = "reason_needed"
    TOPIC_REFUSED = "topic_refused"
    SECOND_FACTOR = "second_factor"


_SENTENCES: Final[Mapping[Reason, tuple[str, str]]] = {
    Reason.ROLE: ("岗位职责允许", "the post's role permits it"),
    Reason.WHOLE_DISTRICT: ("指挥中心全区范围", "the command centre sees the whole district"),
    Reason.OWN: ("本人、本单位所有", "it is your own"),
    Reason.DEPARTMENT: ("属于本部门或下级", "it belongs to your department or one below it"),
    Reason.SHARED: ("事件已共享给本部门", "the incident is shared with your department"),
    Reason.LINKED: ("事件已联动该摄像头", "an incident links this camera"),
    Reason.STATED_REASON: ("已说明调看理由，记录在案", "for the reason stated, which is on record"),
    Reason.TOPIC: ("属于该身份的主题", "the topic belongs to this identity"),
    Reason.NO_ROLE: ("您的岗位没有这项权限", "none of your posts permits this"),
    Reason.SECOND_FACTOR: ("此岗位须先通过动态口令验证", "this post needs the second factor (one-time code) first"),
    Reason.POST_ENDED: ("任职尚未开始或已结束", "the appointment has not begun or has ended"),
    Reason.NOT_WHOLE: ("仅限指挥中心（全区范围）", "for the command centre (whole district) alone"),
    Reason.NOT_YOURS: ("不是您本人的", "this is not yours"),
    Reason.OTHER_DEPARTMENT: ("属于其他部门", "it belongs to another department"),
    Reason.NOT_SHARED: ("事件未共享给您的部门", "the incident is not shared with your department"),
    Reason.SHARE_ENDED: ("共享尚未开始或已到期", "the share has not begun or has expired"),
    Reason.TIER_TOO_LOW: ("本部门的共享层级不够", "your department's tier of sharing is too low"),
    Reason.UNVERIFIED: ("事件未核实，视频仅限指挥中心", "unverified: its cameras are open to the command centre alone"),
    Reason.CLOSED: ("事件已结束，视频授权已收回", "the incident is closed and its grants have ended"),
    Reason.NOT_LINKED: ("没有事件联动该摄像头", "no incident links this camera"),
    Reason.REASON_NEEDED: ("请先说明调看理由", "state a reason first"),
    Reason.TOPIC_REFUSED: ("不是该身份的主题", "the topic is not this identity's"),
}


class Decision(Struct, frozen=True):
    """The answer: whether, at which tier, and why in both languages."""

    allowed: bool
    tier: Tier | None
    reason_code: Reason
    zh: str
    en: str


_DECISIONS: Final[Mapping[tuple[bool, Tier | None, Reason], Decision]] = {
    (allowed, tier, reason): Decision(allowed, tier, reason, *_SENTENCES[reason])
    for allowed in (True, False) for tier in (None, *Tier) for reason in Reason
}


def _yes(reason: Reason, tier: Tier | None = None) -> Decision:
    return _DECISIONS[(True, tier, reason)]


def _no(reason: Reason) -> Decision:
    return _DECISIONS[(False, None, reason)]


REFUSED_BY_ROLE: Final = _no(Reason.NO_ROLE)
"""The refusal of whoever holds no permit for an act, whatever the thing."""
REACHED: Final = _yes(Reason.ROLE)
"""The permit by the role, for an act that has been decided on."""


class Post(Struct, frozen=True, kw_only=True):
    """A post held: role, scope, whose it is, from when until when.

    `reach` are the departments that `scope` comes to (own and, for downstream, every one below), resolved by the organisation.
    """

    id: str
    role: Role
    scope: Scope
    department_id: str | None = None
    enterprise_id: str | None = None
    reach: frozenset[str] = frozenset()
    from_at: datetime | None = None
    until_at: datetime | None = None


class Permit(Struct, frozen=True, kw_only=True):
    """One act that one post permits, ready to be checked: made by `Policy.permits`, not by hand."""

    rule: Rule
    tier: Tier
    whole: bool
    reach: frozenset[str]
    enterprise_id: str | None
    from_at: datetime | None
    until_at: datetime | None
    second_factor: bool
    reason_needed: bool
    topics: tuple[tuple[str, ...], ...] = ()
    wildcards: bool = False
    shared_subscription: bool = False


class Actor(Struct, frozen=True, kw_only=True):
    """Who acts. `permits` is what the posts come to; `second_factor` says that this session has shown a one-time code.

    `department_id` and `enterprise_id` are the first post's: where an act is filed under. `addressed` is how the chain names the actor.
    """

    kind: ActorKind
    id: str
    name: str = ""
    department_id: str | None = None
    enterprise_id: str | None = None
    posts: tuple[Post, ...] = ()
    permits: Mapping[Action, tuple[Permit, ...]] = msgspec.field(default_factory=dict)
    session_id: str | None = None
    account_id: str | None = None
    second_factor: bool = False
    address: str = ""

    @property
    def addressed(self) -> str:
        """`person:ID`, `agent:ID`, `system:NAME` or `public:`, as changes name it."""
        return f"{self.kind}:{self.id}"

    @property
    def roles(self) -> frozenset[Role]:
        """The roles of all posts held."""
        return frozenset(post.role for post in self.posts)

    @property
    def reach(self) -> frozenset[str]:
        """Every department that some post of this actor reaches."""
        return frozenset().union(*(post.reach for post in self.posts)) if self.posts else frozenset()

    @property
    def whole(self) -> bool:
        """Does some post reach the whole district?"""
        return any(post.scope is Scope.ALL for post in self.posts)


class Share(Struct, frozen=True):
    """An incident shared with a department at a tier, from when until when (None: open)."""

    department_id: str
    tier: Tier
    from_at: datetime | None = None
    until_at: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Has it begun and not ended?"""
        return (self.from_at is None or self.from_at <= now) and (self.until_at is None or now < self.until_at)


class Thing(Struct, frozen=True, kw_only=True):
    """What is acted on, as far as access asks.

    An incident carries `shares`, `verified`, `closed` and the `enterprise_id` where it happened; whatever belongs to incidents (a report,
    a camera that they link, a recording, a task) carries those as `incidents`. `department_id` is whose it is, `members` are the departments that
    hold it together (a sharing group). `person_id` marks one's own account, session or draft. `reason` is what the actor states for wanting it.
    """

    kind: ThingKind
    id: str = ""
    department_id: str | None = None
    enterprise_id: str | None = None
    person_id: str | None = None
    verified: bool = False
    closed: bool = False
    drill: bool = False
    shares: tuple[Share, ...] = ()
    incidents: tuple[Thing, ...] = ()
    members: tuple[str, ...] = ()
    reason: str = ""


def reported_on(incident: Thing, *, device_of: str | None, opened_from: str | None) -> Thing:
    """An incident as a further report on it is decided.

    A device that stands at an enterprise (`device_of`) speaks for that alone, though it is filed under the department that supervises it: for it
    an incident is the enterprise's that happened there, or that one of its devices opened (`opened_from`).
    """
    if device_of is None:
        return incident
    return Thing(kind=incident.kind, id=incident.id, enterprise_id=device_of if device_of == opened_from else incident.enterprise_id)


HUB: Final = Thing(kind=ThingKind.HUB)
"""The thing of an act that has no object of its own: a list (which SQL then filters), the organisation, the settings."""


def may(actor: Actor, action: Action, thing: Thing, now: datetime) -> Decision:
    """Decide whether `actor` may do `action` to `thing` at `now` (aware UTC); the best of what the actor's posts permit.

    Of several refusals the one of the post that came nearest is given. About 2 µs (`tocsin bench access`).
    """
    best = REFUSED_BY_ROLE
    for permit in actor.permits.get(action, ()):
        decision = _decide(actor, permit, thing, now)
        if decision.allowed:
            if not best.allowed or _tier_rank(decision) > _tier_rank(best):
                best = decision
        elif not best.allowed and _NEARNESS[decision.reason_code] > _NEARNESS[best.reason_code]:
            best = decision
    return best


def _tier_rank(decision: Decision) -> int:
    return _RANK[decision.tier] if decision.tier is not None else 0


_NEARNESS: Final = {reason: place for place, reason in enumerate(Reason)}


def _decide(actor: Actor, permit: Permit, thing: Thing, now: datetime) -> Decision:
    if (permit.from_at is not None and now < permit.from_at) or (permit.until_at is not None and now >= permit.until_at):
        return _no(Reason.POST_ENDED)
    if permit.second_factor and not actor.second_factor:
        return _no(Reason.SECOND_FACTOR)
    match permit.rule:
        case Rule.INCIDENT:
            return _incident(permit, thing, now)
        case Rule.CAMERA:
            return _camera(permit, thing, now)
        case Rule.DEPARTMENT:
            return _department(actor, permit, thing)
        case Rule.ANY:
            return _yes(Reason.ROLE, Tier.LEAD if permit.whole else None)
        case Rule.WHOLE:
            return _yes(Reason.WHOLE_DISTRICT, Tier.LEAD) if permit.whole else _no(Reason.NOT_WHOLE)
        case Rule.OWN:
            return _yes(Reason.OWN, Tier.ASSIST) if thing.person_id is not None and thing.person_id == actor.id else _no(Reason.NOT_YOURS)
        case Rule.TOPIC:
            return _topic(permit, thing)
        case _:
            assert_never(permit.rule)


def _department(actor: Actor, permit: Permit, thing: Thing) -> Decision:
    if permit.whole:
        return _yes(Reason.WHOLE_DISTRICT, Tier.LEAD)
    if (thing.department_id is not None and thing.department_id in permit.reach) or not permit.reach.isdisjoint(thing.members):
        return _yes(Reason.DEPARTMENT, Tier.ASSIST)
    if thing.enterprise_id is not None and thing.enterprise_id == permit.enterprise_id:
        return _yes(Reason.OWN, Tier.ASSIST)
    if thing.person_id is not None and thing.person_id == actor.id:
        return _yes(Reason.OWN, Tier.ASSIST)
    return _no(Reason.OTHER_DEPARTMENT)


def _incident(permit: Permit, thing: Thing, now: datetime) -> Decision:
    if permit.whole:
        return _yes(Reason.WHOLE_DISTRICT, Tier.LEAD)
    if thing.kind is ThingKind.INCIDENT:
        tier, refused = _tier(permit, thing, now)
    else:
        tier, refused = _owner_tier(permit, thing), Reason.NOT_SHARED
        for incident in thing.incidents:
            other, why = _tier(permit, incident, now)
            tier, refused = _higher(tier, other), max(refused, why, key=_NEARNESS.__getitem__)
    if tier is None:
        return _no(refused)
    if _RANK[tier] < _RANK[permit.tier]:
        return _no(Reason.TIER_TOO_LOW)
    return _yes(Reason.SHARED, tier)


def _owner_tier(permit: Permit, thing: Thing) -> Tier | None:
    """Whoever filed a thing goes on seeing it: the department as an assisting one, the enterprise as well."""
    if thing.department_id is not None and thing.department_id in permit.reach:
        return Tier.ASSIST
    if thing.enterprise_id is not None and thing.enterprise_id == permit.enterprise_id:
        return Tier.ASSIST
    return None


def _tier(permit: Permit, incident: Thing, now: datetime) -> tuple[Tier | None, Reason]:
    """The highest tier at which a department within reach holds the incident now, and why not where there is none."""
    tier: Tier | None = None
    refused = Reason.NOT_SHARED
    for share in incident.shares:
        if share.department_id not in permit.reach:
            continue
        if share.holds(now):
            tier = _higher(tier, share.tier)
        else:
            refused = Reason.SHARE_ENDED
    if incident.enterprise_id is not None and incident.enterprise_id == permit.enterprise_id:
        tier = _higher(tier, Tier.INFORMED)
    return tier, refused


def _higher(one: Tier | None, other: Tier | None) -> Tier | None:
    if one is None or other is None:
        return one or other
    return one if _RANK[one] >= _RANK[other] else other


def _camera(permit: Permit, camera: Thing, now: datetime) -> Decision:
    if camera.enterprise_id is not None:
        own = camera.enterprise_id == permit.enterprise_id
    else:
        own = camera.department_id is not None and camera.department_id in permit.reach
    if own:
        return _yes(Reason.OWN, Tier.LEAD)
    if permit.whole:
        return _camera_for_command(permit, camera)
    refused = Reason.NOT_LINKED
    best: Tier | None = None
    for incident in camera.incidents:
        tier, why = _tier(permit, incident, now)
        if tier is None:
            pass
        elif incident.closed:
            why = Reason.CLOSED
        elif not incident.verified:
            why = Reason.UNVERIFIED
        elif _RANK[tier] < _RANK[permit.tier]:
            why = Reason.TIER_TOO_LOW
        else:
            best = _higher(best, tier)
        refused = max(refused, why, key=_CAMERA_NEARNESS.__getitem__)
    return _yes(Reason.LINKED, best) if best is not None else _no(refused)


_CAMERA_NEARNESS: Final = {reason: place for place, reason in enumerate((
    Reason.NOT_LINKED, Reason.NOT_SHARED, Reason.SHARE_ENDED, Reason.CLOSED, Reason.TIER_TOO_LOW, Reason.UNVERIFIED))}


def _camera_for_command(permit: Permit, camera: Thing) -> Decision:
    if any(not incident.closed for incident in camera.incidents):
        return _yes(Reason.LINKED, Tier.LEAD)
    if not permit.reason_needed:
        return _yes(Reason.WHOLE_DISTRICT, Tier.LEAD)
    return _yes(Reason.STATED_REASON, Tier.LEAD) if camera.reason.strip() else _no(Reason.REASON_NEEDED)


# ── MQTT: identity × topic × direction ──────────────────────────────────────────────────────────────────────────────────────────────


class Direction(StrEnum):
    """Of a topic, seen from the client."""

    PUBLISH = "publish"
    SUBSCRIBE = "subscribe"


class TopicRule(Struct, frozen=True):
    """One row of the topic table: which identity, which direction, which filter below the hub's agents root (`{id}`: its own id)."""

    role: Role
    direction: Direction
    pattern: str


def may_topic(actor: Actor, direction: Direction, topic: str, root: str, now: datetime) -> Decision:
    """Decide on publishing to `topic` or subscribing to the filter `topic`; `root` is `Topics(hub).root`, without a slash at its end."""
    shared = topic.startswith("$share/")
    if shared:
        topic = topic.split("/", 2)[2] if topic.count("/") >= 2 else ""
    inside = topic.removeprefix(root + "/") if topic.startswith(root + "/") else ""
    action = Action.MQTT_PUBLISH if direction is Direction.PUBLISH else Action.MQTT_SUBSCRIBE
    return may(actor, action, Thing(kind=ThingKind.TOPIC, id=f"$share/{inside}" if shared else inside), now)


def _topic(permit: Permit, thing: Thing) -> Decision:
    asked = thing.id
    if asked.startswith("$share/"):
        if not permit.shared_subscription:
            return _no(Reason.TOPIC_REFUSED)
        asked = asked.removeprefix("$share/")
    levels = asked.split("/")
    wild = any("+" in level or "#" in level for level in levels)
    if "" in levels or "#" in levels[:-1] or (wild and not permit.wildcards):
        return _no(Reason.TOPIC_REFUSED)
    return _yes(Reason.TOPIC) if any(_covers(pattern, levels) for pattern in permit.topics) else _no(Reason.TOPIC_REFUSED)


def _covers(pattern: tuple[str, ...], levels: list[str]) -> bool:
    """Does the filter `pattern` take in everything that `levels` (a topic, or a filter) can name?"""
    for place, part in enumerate(pattern):
        if part == "#":
            return len(levels) > place
        if place >= len(levels) or levels[place] == "#":
            return False
        if part == "+":
            continue
        if part != levels[place]:
            return False
    return len(levels) == len(pattern)


# ── the policy, as it is written and as it is used ──────────────────────────────────────────────────────────────────────────────────


class ActionRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One act: its rule, the roles that hold it, the tier it needs, what it is called."""

    rule: Rule
    roles: tuple[Role, ...]
    zh: str
    en: str
    tier: Tier = Tier.INFORMED
    reason_needed: bool = False


class RoleRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One role: its names, the scopes a post of it may have (the first is the default), whether it needs the second factor."""

    zh: str
    en: str
    scopes: tuple[Scope, ...]
    second_factor: bool = False


class TopicRows(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The topics of one machine identity, below the hub's agents root; `{id}` is its own id."""

    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    shared_subscription: bool = False


class PolicyDocument(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """roles.yaml as it stands."""

    edition: str
    source: str
    valid_from: str
    roles: dict[Role, RoleRow]
    topics: dict[Role, TopicRows]
    feed: dict[str, Action]
    actions: dict[Action, ActionRow]


class Policy:
    """Roles and acts, checked, ready to turn posts into permits."""

    def __init__(self, document: PolicyDocument) -> None:
        check_policy(document)
        self.document = document
        self._by_role: dict[Role, tuple[tuple[Action, ActionRow], ...]] = {
            role: tuple((action, row) for action, row in document.actions.items() if role in row.roles or Role.PUBLIC in row.roles)
            for role in Role
        }

    def actor(
        self, kind: ActorKind, id: str, posts: Iterable[Post] = (), *, name: str = "", session_id: str | None = None,
        account_id: str | None = None, second_factor: bool = False, address: str = "",
    ) -> Actor:
        """The actor that these posts make. Whoever holds an administrator's and another role loses the administrator's."""
        held = _separated(tuple(posts))
        first = held[0] if held else None
        return Actor(
            kind=kind, id=id, name=name, posts=held, permits=self.permits(id, held), session_id=session_id, account_id=account_id,
            department_id=first.department_id if first else None, enterprise_id=first.enterprise_id if first else None,
            second_factor=second_factor, address=address,
        )

    def agent(self, agent_id: str, *, department_id: str | None, enterprise_id: str | None = None, media: bool = False) -> Actor:
        """An active agent; `media` is its sibling identity `ID.media`, which carries pictures only."""
        role = Role.AGENT_MEDIA if media else Role.AGENT
        post = Post(id=str(role), role=role, scope=Scope.OWN, department_id=department_id, enterprise_id=enterprise_id,
                    reach=frozenset({department_id} if department_id else ()))
        return self.actor(ActorKind.AGENT, agent_id, (post,))

    def hub(self, name: str = "hub") -> Actor:
        """The hub's own MQTT identity."""
        return self.actor(ActorKind.SYSTEM, name, (Post(id="hub", role=Role.HUB, scope=Scope.ALL),))

    def public(self, address: str = "") -> Actor:
        """Whoever has not signed in."""
        return self.actor(ActorKind.PUBLIC, "", (Post(id="public", role=Role.PUBLIC, scope=Scope.OWN),), address=address)

    def system(self, name: str) -> Actor:
        """A part of the hub that acts by itself (a reactor, the scheduler, a local command): every act, the whole district.

        It still writes what it does under its own name; never made from a request.
        """
        rows = self.document.actions.items()
        post = Post(id=name, role=Role.HUB, scope=Scope.ALL)
        permits = {action: (self._permit(name, post, action, row),) for action, row in rows if row.rule not in (Rule.OWN, Rule.TOPIC)}
        return Actor(kind=ActorKind.SYSTEM, id=name, name=name, posts=(post,), permits=permits)

    def permits(self, actor_id: str, posts: tuple[Post, ...]) -> Mapping[Action, tuple[Permit, ...]]:
        """What the posts come to, by act; without any post, what the public may."""
        found: dict[Action, list[Permit]] = {}
        for post in posts or (Post(id="public", role=Role.PUBLIC, scope=Scope.OWN),):
            for action, row in self._by_role[post.role]:
                found.setdefault(action, []).append(self._permit(actor_id, post, action, row))
        return {action: tuple(permits) for action, permits in found.items()}

    def _permit(self, actor_id: str, post: Post, action: Action, row: ActionRow) -> Permit:
        topics = self.document.topics.get(post.role, TopicRows())
        patterns = topics.publish if action is Action.MQTT_PUBLISH else topics.subscribe if action is Action.MQTT_SUBSCRIBE else ()
        return Permit(
            rule=row.rule, tier=row.tier, whole=post.scope is Scope.ALL, reach=post.reach, enterprise_id=post.enterprise_id,
            from_at=post.from_at, until_at=post.until_at, reason_needed=row.reason_needed,
            second_factor=self.document.roles[post.role].second_factor and row.rule is not Rule.OWN and Role.PUBLIC not in row.roles,
            topics=tuple(tuple(actor_id if level == "{id}" else level for level in pattern.split("/")) for pattern in patterns),
            wildcards=action is Action.MQTT_SUBSCRIBE, shared_subscription=topics.shared_subscription and action is Action.MQTT_SUBSCRIBE,
        )

    def reading(self, kind: str) -> Action:
        """Which act it is to read a change of this kind from the feed: the row with the longest matching beginning, else `changes.read`."""
        while kind:
            if kind in self.document.feed:
                return self.document.feed[kind]
            kind = kind.rpartition(".")[0]
        return Action.CHANGES_READ

    def topic_rules(self) -> tuple[TopicRule, ...]:
        """Identity × direction × pattern, as the broker's configuration and the tests of the matrix take it."""
        return tuple(
            TopicRule(role, direction, pattern)
            for role, rows in self.document.topics.items()
            for direction, patterns in ((Direction.PUBLISH, rows.publish), (Direction.SUBSCRIBE, rows.subscribe))
            for pattern in patterns
        )


def _separated(posts: tuple[Post, ...]) -> tuple[Post, ...]:
    roles = {post.role for post in posts}
    if len(roles) > 1 and roles & ADMINISTRATORS:
        return tuple(post for post in posts if post.role not in ADMINISTRATORS)
    return posts


def packaged_policy() -> Policy:
    """Roles, acts and topics as the product ships them."""
    return parse_policy(packaged("roles"))


def parse_policy(document: Mapping[str, Any]) -> Policy:
    """Make the policy of a decoded roles.yaml.

    Raises `Rejected` (`policy_invalid`) for an unknown word, an act without a row, or administrators that are not separate.
    """
    try:
        decoded = msgspec.convert(document, PolicyDocument)
    except msgspec.ValidationError as error:
        raise Rejected("policy_invalid", f"权限策略有误：{error}", f"the policy is not valid: {error}") from error
    return Policy(decoded)


def check_policy(document: PolicyDocument) -> None:
    """Refuse (`policy_invalid`) a policy that leaves an act without a rule or lets one administrator into another's room.

    等保 (GB/T 22239-2019, 8.1.5: separate system, audit and security management): none of the three administrators shares an act of
    administration with another, and none reads incidents, reports, video or duties.
    """
    missing = [str(action) for action in Action if action not in document.actions]
    missing += [str(role) for role in Role if role not in document.roles]
    if missing:
        raise Rejected("policy_invalid", f"权限策略缺少：{'、'.join(missing)}", f"the policy lacks rows for: {', '.join(missing)}")
    for action, row in document.actions.items():
        if row.rule is Rule.OWN or Role.PUBLIC in row.roles:
            continue
        administrators = ADMINISTRATORS.intersection(row.roles)
        if len(administrators) > 1 and action not in COMMON_TO_ADMINISTRATORS:
            raise Rejected("policy_invalid", f"{action} 不得由多个管理员共有", f"several administrators hold {action}", field=action)
        if administrators and action.partition(".")[0] in CLOSED_TO_ADMINISTRATORS:
            raise Rejected("policy_invalid", f"管理员不得拥有 {action}", f"an administrator may not hold {action}", field=action)


COMMON_TO_ADMINISTRATORS: Final = frozenset({
    Action.ORGANISATION_READ, Action.PEOPLE_READ, Action.SHARING_READ, Action.LIVE_FOLLOW, Action.ADMIN_HEALTH,
})
"""What every administrator needs in order to see who is who; none of it changes anything or shows an incident."""
CLOSED_TO_ADMINISTRATORS: Final = frozenset({
    "incident", "report", "attachment", "camera", "recording", "evidence", "obligation", "daily", "digest", "notice", "group", "task",
    "stage", "zone", "evacuation", "triage", "receipts", "plan", "rollcall", "handover", "changes",
})
"""First words of acts that show or move the work of emergencies."""


@change("access.viewed", zh="查阅个人信息或视频", en="personal data or video was read")
class AccessViewed(ChangeBody, frozen=True, kw_only=True):
    """One request's reading: which act, of which things (`kind:id`), at which tier, why."""

    action: str
    things: tuple[str, ...]
    tier: Tier | None
    reason_code: str
    reason: str = ""
    address: str = ""


@change("access.refused", zh="拒绝访问", en="an act was refused")
class AccessRefused(ChangeBody, frozen=True, kw_only=True):
    """Which act on which thing was refused, and why."""

    action: str
    thing: str
    reason_code: str
    address: str = ""
    times: int = 1
