"""The access rule: deny by default, three separate administrators, tiers, cameras, topics."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hub.domain.access import (
    ADMINISTRATORS,
    CLOSED_TO_ADMINISTRATORS,
    COMMON_TO_ADMINISTRATORS,
    HUB,
    MACHINES,
    Action,
    Direction,
    Reason,
    Role,
    Rule,
    Scope,
    Share,
    Thing,
    ThingKind,
    Tier,
    may,
    may_topic,
    parse_policy,
    reported_on,
)
from hub.domain.data import packaged
from hub.errors import Rejected
from hub.wire import MediaKind, Topics
from tests.support.district import HOUR, NOW, POLICY, camera, incident, one, person, post

PEOPLE = [role for role in Role if role not in MACHINES]


def everything() -> Thing:
    """A thing that every rule but a topic's could let somebody have."""
    of = incident(("fire-rescue", Tier.LEAD), enterprise_id="e1")
    return Thing(kind=ThingKind.REPORT, id="x", department_id="fire-rescue", person_id="p1", incidents=(of,), reason="because")


def test_nobody_may_do_what_no_row_gives_to_their_role() -> None:
    for role in PEOPLE:
        actor = one(role, enterprise="e1" if role is Role.ENTERPRISE_CONTACT else None)
        for action, row in POLICY.document.actions.items():
            if role not in row.roles and Role.PUBLIC not in row.roles:
                decision = may(actor, action, everything(), NOW)
                assert not decision.allowed and decision.reason_code is Reason.NO_ROLE, (role, action)


def test_whoever_a_row_gives_an_act_may_do_it_to_a_thing_that_is_wholly_theirs() -> None:
    for action, row in POLICY.document.actions.items():
        for role in row.roles:
            if role in MACHINES or row.rule is Rule.TOPIC:
                continue
            scope = POLICY.document.roles[role].scopes[-1]
            actor = one(role, scope=scope, enterprise="e1" if role is Role.ENTERPRISE_CONTACT else None)
            assert may(actor, action, everything(), NOW).allowed, (role, action)


def test_an_actor_without_posts_may_do_what_the_public_may_and_nothing_else() -> None:
    rows = POLICY.document.actions.items()
    for_all = {action for action, row in rows if Role.PUBLIC in row.roles and row.rule is not Rule.OWN}
    ones_own = {action for action, row in rows if Role.PUBLIC in row.roles and row.rule is Rule.OWN}
    assert {action for action in Action if may(POLICY.public(), action, everything(), NOW).allowed} == for_all
    assert {action for action in Action if may(person(), action, everything(), NOW).allowed} == for_all | ones_own
    assert not for_all & {Action.INCIDENT_READ, Action.CHANGES_READ, Action.LIVE_FOLLOW, Action.ORGANISATION_READ}


@pytest.mark.parametrize("role", sorted(ADMINISTRATORS))
def test_an_administrator_reads_no_incident_report_video_or_duty(role: Role) -> None:
    admin = one(role)
    for action in Action:
        if action.partition(".")[0] in CLOSED_TO_ADMINISTRATORS:
            assert not may(admin, action, everything(), NOW).allowed, action


def test_no_act_of_administration_is_held_by_two_administrators() -> None:
    for action in Action:
        allowed = [role for role in ADMINISTRATORS if may(one(role), action, HUB, NOW).allowed]
        row = POLICY.document.actions[action]
        if len(allowed) > 1 and row.rule is not Rule.OWN and Role.PUBLIC not in row.roles:
            assert action in COMMON_TO_ADMINISTRATORS, action


def test_an_administrator_with_a_second_role_loses_the_administrators() -> None:
    both = person(post(Role.SECURITY_ADMIN), post(Role.OPERATOR))
    assert not may(both, Action.ADMIN_POLICY, HUB, NOW).allowed
    assert may(both, Action.INCIDENT_VERIFY, HUB, NOW).allowed
    two = person(post(Role.SECURITY_ADMIN), post(Role.SYSTEM_ADMIN))
    assert not may(two, Action.ADMIN_POLICY, HUB, NOW).allowed and not may(two, Action.ADMIN_BACKUP, HUB, NOW).allowed


def test_a_leader_without_the_second_factor_is_refused_and_told_why() -> None:
    leader = person(post(Role.LEADER, scope=Scope.ALL), second_factor=False)
    decision = may(leader, Action.INCIDENT_READ, incident(), NOW)
    assert not decision.allowed and decision.reason_code is Reason.SECOND_FACTOR
    own = Thing(kind=ThingKind.ACCOUNT, id="a", person_id="p1")
    assert may(leader, Action.SELF_EDIT, own, NOW).allowed, "one's own account must be reachable, or the factor could never be set up"


def test_a_department_sees_an_incident_at_the_tier_it_shares_in() -> None:
    actor = one(Role.RESPONDER)
    for tier in Tier:
        decision = may(actor, Action.INCIDENT_READ, incident(("fire-rescue", tier), ("water-bureau", Tier.LEAD)), NOW)
        assert decision.allowed and decision.tier is tier
    assert may(actor, Action.INCIDENT_READ, incident(("water-bureau", Tier.LEAD)), NOW).reason_code is Reason.NOT_SHARED


def test_of_several_shares_the_highest_counts() -> None:
    decision = may(one(Role.RESPONDER), Action.INCIDENT_READ, incident(("fire-rescue", Tier.INFORMED), ("fire-rescue", Tier.ASSIST)), NOW)
    assert decision.tier is Tier.ASSIST


def test_a_share_holds_from_its_beginning_to_before_its_end() -> None:
    actor = one(Role.RESPONDER)
    of = incident(Share("fire-rescue", Tier.ASSIST, NOW, NOW + HOUR))
    assert may(actor, Action.INCIDENT_READ, of, NOW).allowed
    assert may(actor, Action.INCIDENT_READ, of, NOW + HOUR).reason_code is Reason.SHARE_ENDED
    assert may(actor, Action.INCIDENT_READ, of, NOW - HOUR).reason_code is Reason.SHARE_ENDED


def test_an_act_that_needs_a_higher_tier_is_refused_below_it() -> None:
    leader = one(Role.LEADER)
    assert may(leader, Action.PLAN_ACTIVATE, incident(("fire-rescue", Tier.ASSIST)), NOW).reason_code is Reason.TIER_TOO_LOW
    assert may(leader, Action.PLAN_ACTIVATE, incident(("fire-rescue", Tier.LEAD)), NOW).allowed


def test_downstream_reaches_those_below_and_own_does_not() -> None:
    of = incident(("traffic-police", Tier.ASSIST))
    above = one(Role.DUTY_OFFICER, "public-security", scope=Scope.DOWNSTREAM, below=("traffic-police",))
    assert may(above, Action.INCIDENT_READ, of, NOW).allowed
    assert not may(one(Role.DUTY_OFFICER, "public-security"), Action.INCIDENT_READ, of, NOW).allowed


def test_a_post_counts_from_when_until_when_it_is_held() -> None:
    actor = one(Role.OPERATOR, from_at=NOW, until_at=NOW + HOUR)
    assert may(actor, Action.INCIDENT_VERIFY, incident(), NOW).allowed
    assert may(actor, Action.INCIDENT_VERIFY, incident(), NOW + HOUR).reason_code is Reason.POST_ENDED
    assert may(actor, Action.INCIDENT_VERIFY, incident(), NOW - HOUR).reason_code is Reason.POST_ENDED


def test_whoever_filed_a_report_goes_on_seeing_it_without_a_share() -> None:
    report = Thing(kind=ThingKind.REPORT, id="r", department_id="fire-rescue", incidents=(incident(("water-bureau", Tier.LEAD)),))
    assert may(one(Role.DEPARTMENT_REPORTER), Action.REPORT_READ, report, NOW).tier is Tier.ASSIST
    assert not may(one(Role.DEPARTMENT_REPORTER, "gas-company"), Action.REPORT_READ, report, NOW).allowed


def test_an_enterprise_sees_what_happens_at_it_and_nothing_elsewhere() -> None:
    contact = one(Role.ENTERPRISE_CONTACT, None, enterprise="e1")
    assert may(contact, Action.INCIDENT_READ, incident(enterprise_id="e1"), NOW).tier is Tier.INFORMED
    assert not may(contact, Action.INCIDENT_READ, incident(enterprise_id="e2"), NOW).allowed
    assert not may(contact, Action.INCIDENT_READ, incident(), NOW).allowed


# ── cameras ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_joined_department_watches_the_enterprises_camera_until_the_incident_closes() -> None:
    actor = one(Role.RESPONDER)
    assert may(actor, Action.CAMERA_WATCH, camera(incident(("fire-rescue", Tier.ASSIST))), NOW).allowed
    closed = may(actor, Action.CAMERA_WATCH, camera(incident(("fire-rescue", Tier.ASSIST), closed=True)), NOW)
    assert closed.reason_code is Reason.CLOSED


def test_an_unverified_incidents_cameras_open_for_the_command_centre_alone() -> None:
    of = incident(("fire-rescue", Tier.LEAD), verified=False)
    for role in (Role.RESPONDER, Role.DUTY_OFFICER, Role.LEADER):
        assert may(one(role), Action.CAMERA_WATCH, camera(of), NOW).reason_code is Reason.UNVERIFIED
    assert may(one(Role.OPERATOR), Action.CAMERA_WATCH, camera(of), NOW).allowed
    assert may(one(Role.DUTY_OFFICER, scope=Scope.ALL), Action.CAMERA_WATCH, camera(of), NOW).allowed


def test_a_department_that_is_only_informed_watches_nothing() -> None:
    assert may(one(Role.RESPONDER), Action.CAMERA_WATCH, camera(incident(("fire-rescue", Tier.INFORMED))), NOW).reason_code is Reason.TIER_TOO_LOW


def test_a_camera_that_no_incident_links_needs_a_stated_reason_of_the_command_centre() -> None:
    assert may(one(Role.OPERATOR), Action.CAMERA_WATCH, camera(), NOW).reason_code is Reason.REASON_NEEDED
    assert may(one(Role.OPERATOR), Action.CAMERA_WATCH, camera(reason="   "), NOW).reason_code is Reason.REASON_NEEDED
    assert may(one(Role.OPERATOR), Action.CAMERA_WATCH, camera(reason="巡查"), NOW).reason_code is Reason.STATED_REASON
    assert may(one(Role.RESPONDER), Action.CAMERA_WATCH, camera(reason="巡查"), NOW).reason_code is Reason.NOT_LINKED
    assert may(one(Role.OPERATOR), Action.CAMERA_PREVIEW, camera(), NOW).allowed, "the wall of previews needs no reason"


def test_one_of_several_incidents_is_enough_to_watch() -> None:
    old = incident(("fire-rescue", Tier.LEAD), closed=True)
    other = incident(("water-bureau", Tier.LEAD))
    assert may(one(Role.RESPONDER), Action.CAMERA_WATCH, camera(old, other, incident(("fire-rescue", Tier.ASSIST))), NOW).allowed
    assert not may(one(Role.RESPONDER), Action.CAMERA_WATCH, camera(old, other), NOW).allowed


def test_an_enterprise_watches_its_own_cameras_and_a_department_does_not_own_an_enterprises() -> None:
    assert may(one(Role.ENTERPRISE_CONTACT, None, enterprise="e1"), Action.CAMERA_WATCH, camera(), NOW).allowed
    assert not may(one(Role.ENTERPRISE_CONTACT, None, enterprise="e2"), Action.CAMERA_WATCH, camera(), NOW).allowed
    assert not may(one(Role.RESPONDER), Action.CAMERA_WATCH, camera(department="fire-rescue"), NOW).allowed
    assert may(one(Role.RESPONDER), Action.CAMERA_WATCH, camera(enterprise=None, department="fire-rescue"), NOW).allowed


# ── topics ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

TOPICS = Topics()
AGENT = POLICY.agent("x", department_id="fire-rescue")
MEDIA = POLICY.agent("x.media", department_id="fire-rescue", media=True)


def topic(actor: Any, direction: Direction, name: str) -> bool:
    return may_topic(actor, direction, name, TOPICS.root, NOW).allowed


@pytest.mark.parametrize("what", ["report", "daily", "presence", "telemetry", "advisory"])
def test_an_agent_publishes_below_its_own_up_topics_only(what: str) -> None:
    assert topic(AGENT, Direction.PUBLISH, TOPICS.up("x", what))
    for other in ("y", "x2", "X", "+", "x.media", "hub"):
        assert not topic(AGENT, Direction.PUBLISH, TOPICS.up(other, what))
    assert not topic(AGENT, Direction.PUBLISH, TOPICS.up("x", what) + "/more")
    assert not topic(MEDIA, Direction.PUBLISH, TOPICS.up("x", what))


def test_an_agent_hears_its_own_down_topics_only() -> None:
    assert topic(AGENT, Direction.SUBSCRIBE, TOPICS.root + "/x/down/#")
    assert topic(AGENT, Direction.SUBSCRIBE, TOPICS.down("x", "receipt"))
    assert topic(AGENT, Direction.SUBSCRIBE, TOPICS.root + "/x/down/+")
    for asked in ("#", "+/#", TOPICS.root + "/#", TOPICS.root + "/+/down/#", TOPICS.root + "/y/down/#", TOPICS.root + "/x/#",
                  TOPICS.root + "/x/up/#", "$SYS/#", "$share/g/" + TOPICS.root + "/x/down/#", TOPICS.root + "/x/down/#/a", "", "/",
                  "tocsin/v1/other/agents/x/down/#"):
        assert not topic(AGENT, Direction.SUBSCRIBE, asked), asked


def test_an_agent_neither_publishes_downwards_nor_listens_upwards() -> None:
    assert not topic(AGENT, Direction.PUBLISH, TOPICS.down("x", "receipt"))
    assert not topic(AGENT, Direction.SUBSCRIBE, TOPICS.up("x", "report"))


def test_a_media_identity_publishes_its_cameras_and_never_a_wildcard() -> None:
    for kind in MediaKind:
        assert topic(MEDIA, Direction.PUBLISH, TOPICS.media("x", "cam1", kind))
        assert not topic(MEDIA, Direction.PUBLISH, TOPICS.media("y", "cam1", kind))
        assert not topic(AGENT, Direction.PUBLISH, TOPICS.media("x", "cam1", kind))
        assert not topic(MEDIA, Direction.PUBLISH, TOPICS.media("x", "+", kind))
    assert topic(MEDIA, Direction.SUBSCRIBE, TOPICS.down("x.media", "command"))
    assert not topic(MEDIA, Direction.SUBSCRIBE, TOPICS.down("x", "command"))


def test_the_hub_hears_every_up_topic_shared_too_and_commands_every_agent() -> None:
    hub = POLICY.hub()
    assert topic(hub, Direction.SUBSCRIBE, TOPICS.all_up("report"))
    assert topic(hub, Direction.SUBSCRIBE, "$share/ingest/" + TOPICS.all_up("report"))
    assert topic(hub, Direction.PUBLISH, TOPICS.down("y", "receipt"))
    assert not topic(hub, Direction.PUBLISH, TOPICS.up("y", "report")), "the hub never files a report as an agent"


def test_a_person_has_no_topic_at_all() -> None:
    assert not topic(one(Role.OPERATOR), Direction.SUBSCRIBE, TOPICS.root + "/#")
    assert not topic(POLICY.public(), Direction.PUBLISH, TOPICS.up("", "report"))


# ── the policy as data ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def document() -> dict[str, Any]:
    return msgspec.json.decode(msgspec.json.encode(packaged("roles")), type=dict[str, Any])


def test_a_policy_that_forgets_an_act_is_refused() -> None:
    broken = document()
    del broken["actions"]["incident.verify"]
    with pytest.raises(Rejected, match=r"incident\.verify"):
        parse_policy(broken)


def test_a_policy_with_an_unknown_word_is_refused() -> None:
    broken = document()
    broken["actions"]["incident.verify"]["roles"].append("king")
    with pytest.raises(Rejected) as caught:
        parse_policy(broken)
    assert caught.value.code == "policy_invalid"


@pytest.mark.parametrize(("action", "role"), [("incident.read", "system_admin"), ("camera.watch", "audit_admin"), ("admin.policy", "system_admin"),
                                              ("audit.read", "security_admin"), ("changes.read", "security_admin")])
def test_a_policy_that_joins_what_must_be_separate_is_refused(action: str, role: str) -> None:
    broken = document()
    broken["actions"][action]["roles"] = [*broken["actions"][action]["roles"], role]
    with pytest.raises(Rejected, match=action.replace(".", r"\.")):
        parse_policy(broken)


@pytest.mark.parametrize(("device_of", "opened_from", "seen_as"), [
    (None, None, ("fire-rescue", "plant-2")), (None, "plant-1", ("fire-rescue", "plant-2")), ("plant-1", "plant-1", (None, "plant-1")),
    ("plant-1", None, (None, "plant-2")), ("plant-1", "plant-3", (None, "plant-2")),
])
def test_a_device_of_an_enterprise_speaks_for_that_alone(device_of: str | None, opened_from: str | None, seen_as: tuple[str | None, str]) -> None:
    of = Thing(kind=ThingKind.INCIDENT, id="i", department_id="fire-rescue", enterprise_id="plant-2", members=("fire-rescue",))
    found = reported_on(of, device_of=device_of, opened_from=opened_from)
    assert (found.department_id, found.enterprise_id) == seen_as
    assert bool(found.members) == (device_of is None)


def test_every_refusal_says_why_in_both_languages() -> None:
    for reason in Reason:
        decision = may(person(), Action.INCIDENT_READ, incident(), NOW)
        assert decision.zh and decision.en and reason
