"""The sharing measures as data: who shares, in which tier; shares by hand, agreements, badges."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from hub.domain.access import Tier
from hub.domain.data import packaged
from hub.domain.organisation import packaged_departments
from hub.domain.sharing import (
    Agreement,
    AgreementState,
    Origin,
    ShareRow,
    SharingFacts,
    agreed_tier,
    agreement_state,
    badge,
    check_manual_share,
    packaged_sharing,
    parse_sharing,
    share_out,
)
from hub.errors import Rejected
from tests.support.district import HOUR, NOW

POLICY = packaged_sharing()
TOWNS = {d.adcode: d.id for d in packaged_departments() if d.adcode}
DEPARTMENTS = {d.id for d in packaged_departments()}


def tiers(**facts: Any) -> dict[str, Tier]:
    return {row.department_id: row.tier for row in share_out(POLICY, SharingFacts(**facts), TOWNS)}


def test_a_hazmat_rollover_joins_the_eight_parties_and_the_town() -> None:
    found = tiers(event_types=("12H00", "12D00"), adcode="320707108", reporting_department_id="traffic-police")
    assert found["emergency-bureau"] is Tier.LEAD
    for department in ("traffic-police", "transport-bureau", "ecology-bureau", "fire-rescue", "health-commission", "meteorological-bureau",
                       "town-ganma", "district-office"):
        assert found[department].rank >= Tier.ASSIST.rank, department
    assert "education-bureau" not in found


@pytest.mark.parametrize(("code", "lead"), [("11A01", "water-bureau"), ("12G00", "fire-rescue"), ("13B00", "market-regulation"),
                                            ("12Q00", "ecology-bureau"), ("11E05", "natural-resources"), ("14A00", "public-security")])
def test_each_family_has_its_lead(code: str, lead: str) -> None:
    assert tiers(event_types=(code,))[lead] is Tier.LEAD


def test_a_higher_grade_adds_departments_and_takes_none_away() -> None:
    before = tiers(event_types=("12G00",), grade="general")
    after = tiers(event_types=("12G00",), grade="major")
    assert set(before) < set(after) and all(after[d].rank >= t.rank for d, t in before.items())
    assert "publicity-department" in set(after) - set(before)


def test_an_incident_that_no_rule_names_still_reaches_the_desk_the_town_and_the_reporter() -> None:
    found = tiers(event_types=(), adcode="320707100999", reporting_department_id="education-bureau")
    assert found == {"district-office": Tier.ASSIST, "town-qingkou": Tier.ASSIST, "education-bureau": Tier.ASSIST, "emergency-bureau": Tier.INFORMED}


def test_a_place_without_a_town_shares_with_no_town() -> None:
    assert not any(d.startswith("town-") for d in tiers(event_types=("12G00",), adcode="320706001"))


def test_the_order_of_the_rules_does_not_matter() -> None:
    shuffler = random.Random(6)
    facts = SharingFacts(event_types=("12H00", "12D00", "12Q00"), grade="serious", adcode="320707108")
    expected = {row.department_id: row.tier for row in share_out(POLICY, facts, TOWNS)}
    for _ in range(20):
        rules = list(POLICY.rules)
        shuffler.shuffle(rules)
        mixed = msgspec.structs.replace(POLICY, rules=tuple(rules))
        assert {row.department_id: row.tier for row in share_out(mixed, facts, TOWNS)} == expected


def test_every_department_that_the_policy_names_exists_and_every_family_of_the_event_types_has_a_rule() -> None:
    families = {code[:3] for code in packaged("event_types")["types"] if not code.endswith("000") and code[2] not in "YZ0"}
    unnamed = {family for family in families if len(share_out(POLICY, SharingFacts(event_types=(family + "00",)), {})) <= 2}
    assert unnamed == set()


def broken(change: Any) -> dict[str, Any]:
    document = msgspec.json.decode(msgspec.json.encode(packaged("sharing_policy")), type=dict[str, Any])
    change(document)
    return document


@pytest.mark.parametrize(("change", "word"), [
    (lambda d: d["rules"][0]["lead"].append("nobody"), "nobody"),
    (lambda d: d["rules"][1].update(id=d["rules"][0]["id"]), "twice"),
    (lambda d: d["rules"][0].update(min_grade="huge"), "huge"),
    (lambda d: d["rules"][0].update(event_types=[]), "no condition"),
    (lambda d: d["rules"][0].update(colour="red"), "colour"),
    (lambda d: d["always"].update(lead=["@moon"]), "@moon"),
])
def test_a_policy_that_does_not_hold_together_is_refused_by_name(change: Any, word: str) -> None:
    with pytest.raises(Rejected, match=word):
        parse_sharing(broken(change), DEPARTMENTS)


# ── by hand ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("given", "code"), [
    ({"reason": "  "}, "reason_needed"), ({"until_at": None}, "expiry_needed"), ({"until_at": NOW}, "expiry_invalid"),
    ({"until_at": NOW + 9000 * HOUR}, "expiry_invalid"), ({"held": None}, "tier_too_high"), ({"held": Tier.INFORMED}, "tier_too_high"),
])
def test_a_share_by_hand_needs_a_reason_an_end_and_no_more_than_one_holds(given: dict[str, Any], code: str) -> None:
    values: dict[str, Any] = {"tier": Tier.ASSIST, "held": Tier.LEAD, "reason": "跨区支援", "until_at": NOW + HOUR, **given}
    with pytest.raises(Rejected) as caught:
        check_manual_share(**values, now=NOW)
    assert caught.value.code == code


def test_a_badge_says_by_whom_and_until_when_in_local_time() -> None:
    row = ShareRow(id="s", incident_id="i", department_id="d", tier=Tier.ASSIST, origin=Origin.MANUAL, from_at=NOW, until_at=NOW + HOUR)
    shown = badge(row, "区水利局", "water bureau", ZoneInfo("Asia/Shanghai"))
    assert shown.zh == "由区水利局共享至 2026-11-23 15:00" and shown.en == "shared by water bureau until 2026-11-23 15:00"


# ── agreements ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def agreement(**given: Any) -> Agreement:
    values: dict[str, Any] = {
        "id": "a", "giver_id": "water-bureau", "taker_id": "gas-company", "event_types": ("11A",), "tier": Tier.ASSIST, "text": "…",
        "valid_from": NOW - HOUR, "valid_until": NOW + 100 * HOUR, "giver_signed_at": NOW, "taker_signed_at": NOW, **given,
    }
    return Agreement(**values)


def active(until: datetime = NOW + HOUR) -> Agreement:
    return agreement(active_from=NOW, active_until=until)


def test_an_agreement_shares_nothing_until_both_have_signed_and_somebody_activates_it() -> None:
    assert agreement_state(agreement(taker_signed_at=None), NOW) is AgreementState.DRAFT
    assert agreement_state(agreement(), NOW) is AgreementState.SIGNED
    assert agreed_tier(agreement(), ("11A01",), Tier.LEAD, NOW) is None
    assert agreed_tier(active(), ("11A01",), Tier.LEAD, NOW) is Tier.ASSIST


def test_an_activation_ends_by_itself() -> None:
    assert agreed_tier(active(), ("11A01",), Tier.LEAD, NOW + HOUR) is None
    assert agreement_state(active(), NOW + HOUR) is AgreementState.SIGNED
    assert agreement_state(active(NOW + 200 * HOUR), NOW + 100 * HOUR) is AgreementState.ENDED


def test_the_taker_gets_only_the_agreed_types_and_never_more_than_the_giver_holds() -> None:
    assert agreed_tier(active(), ("12G00",), Tier.LEAD, NOW) is None
    assert agreed_tier(active(), ("11A01",), Tier.INFORMED, NOW) is Tier.INFORMED
    assert agreed_tier(active(), ("11A01",), None, NOW) is None
