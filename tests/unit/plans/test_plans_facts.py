"""What facts imply, and how a report becomes facts."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import msgspec
import pytest

from plans.facts import (
    FIELDS,
    READERS,
    Enterprise,
    IncidentFacts,
    Load,
    Place,
    Setting,
    code_prefix,
    derive,
    facts_of_draft,
    facts_of_report,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
REPORT = {
    "id": "0197",
    "kind": "initial",
    "occurred_at": "2026-11-23T23:05:00+08:00",
    "event_types": ["12H00", "12D00"],
    "title": "x",
    "place": {"text": "G204", "lon": 119.13, "lat": 34.86, "crs": "WGS84", "adcode": "320707108"},
    "casualties": {"dead": 0, "missing": None, "seriously_injured": 1},
    "hazmat": [{"un": "1005", "hin": "268", "name": "液氨", "quantity_kg": 25000, "container": "road_tanker", "leak": True, "fire": False}],
}


def test_every_field_can_be_read_and_is_unknown_in_empty_facts() -> None:
    assert all(READERS[path](IncidentFacts()) == () for path in FIELDS)


def test_every_fact_of_the_struct_is_named_in_the_field_table() -> None:
    def paths(kind: type[msgspec.Struct], prefix: str = "") -> set[str]:
        return {f"{prefix}{name}" for name in kind.__struct_encode_fields__}

    facts = IncidentFacts()
    named = set()
    for part in ("place", "casualties", "weather", "enterprise"):
        named |= paths(type(getattr(facts, part)), f"{part}.")
    named |= paths(Load, "hazmat.") | {"event_types", "family", "grade", "hazmat_present", "loss_yuan", "hour", "month", "place.position"}
    not_asked = {"place.text", "place.lon", "place.lat", "weather.wind_from_deg", "hazmat.un_unlisted"}
    assert named - not_asked == set(FIELDS)


@pytest.mark.parametrize(("code", "prefix"), [("12D00", "12D"), ("12D", "12D"), ("12D02", "12D02"), ("12000", "12"), ("11A51", "11A51")])
def test_a_code_stands_for_its_prefix(code: str, prefix: str) -> None:
    assert code_prefix(code) == prefix


def test_a_named_substance_means_dangerous_goods_are_present() -> None:
    assert derive(IncidentFacts(hazmat=(Load(un="1005"),))).hazmat_present is True


def test_a_chemical_accident_means_dangerous_goods_are_present() -> None:
    assert derive(IncidentFacts(event_types=("12D02",))).hazmat_present is True


def test_what_is_stated_is_never_overridden() -> None:
    facts = IncidentFacts(
        event_types=("12H00",), hazmat_present=False, place=Place(setting=Setting.FACILITY, road="G204"), hazmat=(Load(un="1005"),)
    )
    assert derive(facts) == facts


def test_a_traffic_accident_of_unknown_load_leaves_dangerous_goods_unknown() -> None:
    derived = derive(IncidentFacts(event_types=("12H00",)))
    assert derived.hazmat_present is None
    assert derived.place.setting is Setting.ROAD


def test_an_enterprise_on_no_road_means_a_facility() -> None:
    assert derive(IncidentFacts(event_types=("12G01",), enterprise=Enterprise(id="plant-1"))).place.setting is Setting.FACILITY


def test_a_report_becomes_facts_in_local_time() -> None:
    facts = facts_of_report(REPORT, zone=SHANGHAI)
    assert facts.event_types == ("12H00", "12D00")
    assert (facts.hour, facts.month) == (23, 11)
    assert facts.place == Place(text="G204", lon=119.13, lat=34.86, adcode="320707108")
    assert facts.hazmat == (Load(un="1005", name="液氨", quantity_kg=25000, container="road_tanker", leak=True, fire=False),)
    assert (facts.casualties.dead, facts.casualties.missing, facts.casualties.seriously_injured) == (0, None, 1)


def test_a_bare_report_leaves_everything_else_unknown() -> None:
    facts = facts_of_report({"occurred_at": "2026-01-02T03:04:05+08:00"}, zone=SHANGHAI)
    assert facts == IncidentFacts(hour=3, month=1)


def test_a_report_time_without_an_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="offset"):
        facts_of_report({"occurred_at": "2026-01-02T03:04:05"}, zone=SHANGHAI)


def test_a_report_with_a_wrong_type_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        facts_of_report({**REPORT, "casualties": {"dead": "three"}}, zone=SHANGHAI)


DRAFT = {
    "id": "7",
    "family": "hazmat_transport",
    "event_types": ["12H01", "12D02"],
    "grade": None,
    "casualties": {"dead": None, "injured": 1},
    "loss_yuan": None,
    "substances": [{"name": "液氨", "un": "1005", "role": "released"}, {"name": "一氧化碳", "un": "1016", "role": "product"}],
    "container": "road_tanker",
    "leak": True,
    "fire": None,
    "explosion": None,
    "place": "G204 赣马镇段",
    "occurred_at": None,
    "spans": [],
}


def test_a_triage_draft_becomes_facts_without_the_products_of_the_event() -> None:
    facts = facts_of_draft(DRAFT, zone=SHANGHAI)
    assert facts.family == "hazmat_transport"
    assert facts.hazmat == (Load(un="1005", name="液氨", container="road_tanker", leak=True),)
    assert facts.place.text == "G204 赣马镇段"
    assert (facts.grade, facts.hour, facts.casualties.injured, facts.casualties.dead) == (None, None, 1, None)


@pytest.mark.parametrize(
    ("said", "hour", "month"),
    [("2026-11-24", None, 11), ("2026-11-24T07:30", 7, 11), ("2026-11-30T23:30:00Z", 7, 12), ("2026-11-24T07:30:00+08:00", 7, 11)],
)
def test_a_draft_s_time_may_be_a_day_or_local_or_have_an_offset(said: str, hour: int | None, month: int) -> None:
    facts = facts_of_draft({**DRAFT, "occurred_at": said}, zone=SHANGHAI)
    assert (facts.hour, facts.month) == (hour, month)
