"""Who shares in an incident: the district's sharing measures as data, applied. Pure: the policy and the facts in, the shares out.

What a share then permits is decided by hub.domain.access alone; which fields a tier sees stands in hub.domain.masking.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from hub.domain.access import Tier
from hub.domain.change import ChangeBody, change
from hub.domain.data import packaged
from hub.domain.incident import IncidentView
from hub.domain.masking import FieldRules
from hub.errors import Rejected

TOWN: Final = "@town"
REPORTER: Final = "@reporter"
SUPERVISOR: Final = "@supervisor"
_TOKENS: Final = frozenset({TOWN, REPORTER, SUPERVISOR})


class Tiers(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Departments (or tokens) by tier."""

    lead: tuple[str, ...] = ()
    assist: tuple[str, ...] = ()
    informed: tuple[str, ...] = ()

    def named(self) -> tuple[tuple[str, Tier], ...]:
        """Each department or token with its tier."""
        return (*((name, Tier.LEAD) for name in self.lead), *((name, Tier.ASSIST) for name in self.assist),
                *((name, Tier.INFORMED) for name in self.informed))


class SharingRule(Tiers, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of the policy: when it applies and who then shares."""

    id: str
    zh: str
    en: str
    event_types: tuple[str, ...] = ()
    all_types: tuple[str, ...] = ()
    min_grade: str | None = None
    adcodes: tuple[str, ...] = ()
    drills: bool = True


class SharingDocument(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """sharing_policy.yaml as it stands."""

    edition: str
    source: str
    valid_from: str
    unread_after_min: int
    unread_exempt: tuple[str, ...] = ()
    grades: dict[str, int]
    always: Tiers
    rules: tuple[SharingRule, ...]
    fields: FieldRules


class SharingFacts(Struct, frozen=True, kw_only=True):
    """What the policy asks about an incident. `adcode`: 6, 9 or 12 digits; `grade`: a name of the policy's grades or None (not graded)."""

    event_types: tuple[str, ...] = ()
    grade: str | None = None
    adcode: str | None = None
    reporting_department_id: str | None = None
    supervising_department_id: str | None = None
    drill: bool = False


class Assignment(Struct, frozen=True, kw_only=True):
    """A department shares in an incident at a tier, by the named rule of the policy."""

    department_id: str
    tier: Tier
    rule_id: str


def packaged_sharing() -> SharingDocument:
    """The policy as the product ships it, for the departments that it ships."""
    return parse_sharing(packaged("sharing_policy"), [row["id"] for row in packaged("departments")["departments"]])


def parse_sharing(document: Mapping[str, Any], departments: Iterable[str]) -> SharingDocument:
    """Read the policy. Raises `Rejected` (`policy_invalid`) naming the rule for an unknown department, grade or word."""
    try:
        policy = msgspec.convert(document, SharingDocument)
    except msgspec.ValidationError as error:
        raise Rejected("policy_invalid", f"共享策略有误：{error}", f"the sharing policy is not valid: {error}") from error
    known = {*departments, *_TOKENS}
    seen: set[str] = set()
    for rule in policy.rules:
        if rule.id in seen:
            raise _invalid(rule.id, "编号重复", "the id is used twice")
        seen.add(rule.id)
        if rule.min_grade is not None and rule.min_grade not in policy.grades:
            raise _invalid(rule.id, f"等级未定义：{rule.min_grade}", f"unknown grade {rule.min_grade}")
        if not (rule.event_types or rule.all_types or rule.min_grade or rule.adcodes):
            raise _invalid(rule.id, "没有任何条件，请写入 always", "it has no condition; put it under `always`")
        _check_names(rule.id, rule, known)
    _check_names("always", policy.always, known)
    for name in policy.unread_exempt:
        if name not in known:
            raise _invalid("unread_exempt", f"部门不存在：{name}", f"unknown department {name}")
    return policy


def _check_names(rule_id: str, tiers: Tiers, known: set[str]) -> None:
    for name, _tier in tiers.named():
        if name not in known:
            raise _invalid(rule_id, f"部门不存在：{name}", f"unknown department {name}")


def _invalid(rule_id: str, zh: str, en: str) -> Rejected:
    return Rejected("policy_invalid", f"共享策略 {rule_id}：{zh}", f"sharing rule {rule_id}: {en}", field=f"rules.{rule_id}")


def share_out(policy: SharingDocument, facts: SharingFacts, towns: Mapping[str, str]) -> tuple[Assignment, ...]:
    """Who shares in an incident with these facts, one row a department at its highest tier, sorted by tier and name.

    `towns` maps nine-digit codes to department ids. Where no rule makes a lead, the emergency bureau's desk keeps it: the command centre
    sees every incident anyway. Independent of the order of the rules (a tie goes to the rule named first in the policy).
    """
    tokens = {
        TOWN: towns.get((facts.adcode or "")[:9]), REPORTER: facts.reporting_department_id, SUPERVISOR: facts.supervising_department_id,
    }
    best: dict[str, Assignment] = {}
    for rule in policy.rules:
        if _applies(policy, rule, facts):
            _assign(best, rule, tokens, rule.id)
    _assign(best, policy.always, tokens, "always")
    return tuple(sorted(best.values(), key=lambda row: (-row.tier.rank, row.department_id)))


def owes_reading(policy: SharingDocument, department_id: str, tier: Tier, reporting_department_id: str | None) -> bool:
    """Must this department open the incident in time? Those that lead or assist, but for the exempt."""
    exempt = {reporting_department_id if name == REPORTER else name for name in policy.unread_exempt}
    return tier is not Tier.INFORMED and department_id not in exempt


def _applies(policy: SharingDocument, rule: SharingRule, facts: SharingFacts) -> bool:
    if facts.drill and not rule.drills:
        return False
    if rule.event_types and not any(code.startswith(rule.event_types) for code in facts.event_types):
        return False
    if not all(any(code.startswith(wanted) for code in facts.event_types) for wanted in rule.all_types):
        return False
    if rule.min_grade is not None and policy.grades.get(facts.grade or "", 0) < policy.grades[rule.min_grade]:
        return False
    return not rule.adcodes or (facts.adcode or "").startswith(rule.adcodes)


def _assign(best: dict[str, Assignment], tiers: Tiers, tokens: Mapping[str, str | None], rule_id: str) -> None:
    for name, tier in tiers.named():
        department_id = tokens.get(name, name)
        if department_id is None:
            continue
        held = best.get(department_id)
        if held is None or held.tier.rank < tier.rank:
            best[department_id] = Assignment(department_id=department_id, tier=tier, rule_id=rule_id)


# ── shares as they stand: from the policy, by hand, by agreement, by an activated plan ──────────────────────────────────────────────


class Origin(StrEnum):
    """Where a share comes from; each origin's shares are replaced and ended by themselves."""

    POLICY = "policy"
    MANUAL = "manual"
    AGREEMENT = "agreement"
    ACTIVATION = "activation"


class ShareRow(Struct, frozen=True, kw_only=True):
    """One share as people see it: with whom, how much, since when, until when, by whom and why."""

    id: str
    incident_id: str
    department_id: str
    tier: Tier
    origin: Origin
    from_at: datetime
    until_at: datetime | None = None
    reason: str = ""
    rule_id: str | None = None
    by: str = ""
    by_department_id: str | None = None
    ended_at: datetime | None = None
    ended_reason: str = ""


class Badge(Struct, frozen=True):
    """The line on a shared incident."""

    zh: str
    en: str


def badge(row: ShareRow, by_zh: str, by_en: str, zone: ZoneInfo) -> Badge:
    """由…共享至…: who shared it and until when (in `zone`)."""
    if row.until_at is None:
        return Badge(f"由{by_zh}共享", f"shared by {by_en}")
    until = row.until_at.astimezone(zone).strftime("%Y-%m-%d %H:%M")
    return Badge(f"由{by_zh}共享至 {until}", f"shared by {by_en} until {until}")


MAX_MANUAL: Final = timedelta(days=365)
"""Longest manual share (our own choice: whoever needs it longer needs an agreement)."""


def check_manual_share(*, tier: Tier, held: Tier | None, reason: str, until_at: datetime | None, now: datetime) -> None:
    """Refuse a manual share without a reason or an expiry, of more than one holds oneself, or ending in the past."""
    if not reason.strip():
        raise Rejected("reason_needed", "请填写共享理由", "state why you share it", field="reason")
    if until_at is None:
        raise Rejected("expiry_needed", "请填写共享期限", "say until when it is shared", field="until_at")
    if not now < until_at <= now + MAX_MANUAL:
        raise Rejected("expiry_invalid", "共享期限须在此刻之后、一年之内", "the end must lie between now and a year from now", field="until_at")
    if held is None or held.rank < tier.rank:
        raise Rejected("tier_too_high", "不能给出高于本部门的共享层级", "you cannot give more than your own department holds", field="tier")


class AgreementState(StrEnum):
    """A two-party agreement: drafted, signed by both, active for a time, over."""

    DRAFT = "draft"
    SIGNED = "signed"
    ACTIVE = "active"
    ENDED = "ended"


class Agreement(Struct, frozen=True, kw_only=True):
    """A standing agreement: `giver` lets `taker` share in incidents of these types that the giver holds, while it is activated."""

    id: str
    giver_id: str
    taker_id: str
    event_types: tuple[str, ...]
    tier: Tier
    text: str
    valid_from: datetime
    valid_until: datetime
    giver_signed_at: datetime | None = None
    taker_signed_at: datetime | None = None
    active_from: datetime | None = None
    active_until: datetime | None = None
    active_reason: str = ""
    ended_at: datetime | None = None


def agreement_state(agreement: Agreement, now: datetime) -> AgreementState:
    """Where an agreement stands at `now`."""
    if agreement.ended_at is not None or now >= agreement.valid_until:
        return AgreementState.ENDED
    if agreement.giver_signed_at is None or agreement.taker_signed_at is None:
        return AgreementState.DRAFT
    if agreement.active_from is not None and agreement.active_until is not None and agreement.active_from <= now < agreement.active_until:
        return AgreementState.ACTIVE
    return AgreementState.SIGNED


def agreed_tier(agreement: Agreement, event_types: tuple[str, ...], giver_holds: Tier | None, now: datetime) -> Tier | None:
    """The tier the taker gets of an incident, or None: only while active, only of the types agreed, never more than the giver holds."""
    if agreement_state(agreement, now) is not AgreementState.ACTIVE or giver_holds is None:
        return None
    if agreement.event_types and not any(code.startswith(agreement.event_types) for code in event_types):
        return None
    return agreement.tier if agreement.tier.rank <= giver_holds.rank else giver_holds


# ── what happened, as the feed tells it ─────────────────────────────────────────────────────────────────────────────────────────────


class Receipt(Struct, frozen=True, kw_only=True):
    """Who was told of an incident and who has read it: one row a department and person (None: the department as such)."""

    incident_id: str
    department_id: str
    person_id: str | None
    told_at: str | None = None
    told_by: str | None = None
    seen_at: str | None = None


@change("share.assigned", zh="按策略共享", en="the policy shared an incident")
class ShareAssigned(ChangeBody, frozen=True, kw_only=True):
    """Every department that shares in the incident by the policy from now on, and the incident, which some of them see for the first time."""

    incident: IncidentView
    assignments: tuple[Assignment, ...]
    unread_after_min: int


@change("share.granted", zh="事件共享", en="an incident was shared with a department")
class ShareGranted(ChangeBody, frozen=True, kw_only=True):
    """The share, and the incident, which the department may see for the first time."""

    share: ShareRow
    incident: IncidentView


@change("share.ended", zh="共享结束", en="a share of an incident ended")
class ShareEnded(ChangeBody, frozen=True, kw_only=True):
    """Which incident, with which department (the change is addressed to it), and why. The department may still share in it otherwise."""

    incident_id: str
    department_id: str
    origin: Origin
    reason: str
    share_id: str | None = None


@change("receipt.told", zh="已告知", en="departments were told of an incident")
class ReceiptTold(ChangeBody, frozen=True, kw_only=True):
    """Who was told, by which notice."""

    receipts: tuple[Receipt, ...]


@change("receipt.seen", zh="已读", en="somebody opened an incident for the first time")
class ReceiptSeen(ChangeBody, frozen=True, kw_only=True):
    """Who has read it, and when."""

    receipt: Receipt


@change("agreement.saved", zh="共享协议变更", en="a sharing agreement was drafted, signed, activated or ended")
class AgreementSaved(ChangeBody, frozen=True, kw_only=True):
    """The agreement, whole, and what was done to it."""

    agreement: Agreement
    act: str
    reason: str = ""


@change("policy.changed", zh="策略变更", en="a policy was replaced by a new version")
class PolicyChanged(ChangeBody, frozen=True, kw_only=True):
    """Which policy (`roles`, `sharing`), its new version, and why."""

    name: str
    version: int
    sha256: str
    reason: str
