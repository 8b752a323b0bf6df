"""The rules of the daily report: what is expected, what it covers, what a filing may hold, and when a zero report is contradicted."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.calendar import DeadlineRule, DutyDays
from hub.domain.contradiction import Asked, Fact, Measure, Source, contradictions, split, suggested
from hub.domain.daily import (
    Book,
    Content,
    KeyParts,
    Reporter,
    Standing,
    Tally,
    check_template,
    expected,
    need_late_reason,
    parse_book,
    period_of,
    ranking,
    read_content,
    read_count,
)
from hub.domain.data import packaged
from hub.domain.digest import Line, first_lines, sections
from hub.domain.duty_rules import packaged_rules
from hub.domain.group import mentions_in
from hub.domain.obligation import Owed, State, owe
from hub.errors import Rejected
from hub.wire import decode_daily

BOOK = parse_book(packaged("daily_templates"), packaged("daily_schedules"))
TEMPLATE = BOOK.templates[0]
CALENDAR = packaged_rules().calendar
WATER = Reporter("water-bureau", "区水利局", "water bureau")


def book(**rule: Any) -> Book:
    """The packaged book with another deadline rule."""
    schedule = msgspec.structs.replace(BOOK.schedules[0], rule=DeadlineRule(**{"times": ("17:00",), **rule}))
    return msgspec.structs.replace(BOOK, schedules=(schedule,))


def faults(zero: bool = False, **values: Any) -> list[str]:
    return [fault.field for fault in read_content(TEMPLATE, Content(zero=zero, values=values))[1]]


def test_each_department_owes_one_report_for_each_deadline_and_the_key_is_unique() -> None:
    made = expected(BOOK, CALENDAR, [WATER, Reporter("fire-rescue", "f", "f"), WATER], date(2026, 11, 24))
    assert sorted(o.key for o in made) == ["daily:fire-rescue:daily:2026-11-24:1", "daily:water-bureau:daily:2026-11-24:1"]


def test_the_desk_that_collects_the_reports_owes_none() -> None:
    assert expected(BOOK, CALENDAR, [Reporter("district-office", "d", "d")], date(2026, 11, 24)) == []


def test_a_sensitive_period_asks_twice_a_day_with_its_own_grace() -> None:
    made = expected(BOOK, CALENDAR, [WATER], date(2026, 10, 2))
    assert [o.key[-1] for o in made] == ["1", "2"] and {o.grace_min for o in made} == {15}


def test_on_a_leap_day_a_report_is_owed_like_on_any_other() -> None:
    assert [o.day for o in expected(BOOK, CALENDAR, [WATER], date(2028, 2, 29))] == ["2028-02-29"]


def test_a_mondays_report_covers_the_weekend_where_only_working_days_are_reported() -> None:
    working = book(days=DutyDays.WORKING)
    assert expected(working, CALENDAR, [WATER], date(2026, 11, 22)) == []
    period = period_of(working, CALENDAR, KeyParts("water-bureau", "daily", "2026-11-23", 1), datetime(2026, 11, 23, 9, tzinfo=UTC))
    assert (period.first, period.last) == (datetime(2026, 11, 20, 9, tzinfo=UTC), datetime(2026, 11, 23, 9, tzinfo=UTC))


def test_the_second_report_of_a_day_covers_what_came_after_the_first() -> None:
    twice = book(times=("09:00", "17:00"))
    period = period_of(twice, CALENDAR, KeyParts("water-bureau", "daily", "2026-11-23", 2), datetime(2026, 11, 23, 9, tzinfo=UTC))
    assert period.first == datetime(2026, 11, 23, 1, tzinfo=UTC)


def test_a_newer_version_counts_from_its_first_day_and_an_expired_one_not_at_all() -> None:
    second = msgspec.structs.replace(TEMPLATE, version=2, valid_from=date(2026, 12, 1), valid_to=date(2026, 12, 31))
    both = msgspec.structs.replace(BOOK, templates=(TEMPLATE, second))
    found = [both.template("daily", day) for day in (date(2026, 11, 30), date(2026, 12, 1), date(2027, 1, 1), date(2025, 1, 1))]
    assert [t.version if t else None for t in found] == [1, 2, None, None]


@pytest.mark.parametrize(("given_value", "read"), [
    (3, 3), ("３", 3), (" 1,234 ", 1234), ("１，２３４", 1234), (2.0, 2), (2.5, None), (True, None), ("三", None), (-1, None), ("²", None),
    ("1,2", None), ("1，5", None), ("12,34,567", None), (",5", None), ("1,234,567", 1234567), (float("nan"), None), (float("inf"), None), ("1e3", None), (10**9, None), ("9" * 400, None)])
def test_a_count_is_a_whole_number_however_it_is_written(given_value: Any, read: int | None) -> None:
    assert read_count(given_value) == read


def test_wrong_types_are_named_by_field_and_row() -> None:
    assert faults(incidents="x", on_duty="maybe", summary={"a": 1}, unknown=1, hazards=[{"place": "p", "hazard": "h", "people": "y"}, "z"],
                  files=[{"sha256": "no"}]) == ["unknown", "incidents", "summary", "hazards.people", "hazards", "on_duty", "files"]


def test_what_is_wrong_with_a_file_is_said_in_the_reader_s_language() -> None:
    (fault,) = read_content(TEMPLATE, Content(zero=False, values={"incidents": 0, "files": [{"sha256": "no", "name": "x"}]}))[1]
    assert fault.zh == "“附件”附件有误：0.sha256 的值不在允许范围内" and fault.en == "“attachments”: 0.sha256: the value is not one of those allowed"


def test_a_report_without_anything_or_without_what_is_required_is_refused_and_a_zero_report_holds_nothing() -> None:
    assert faults() == ["incidents"] and faults(zero=True) == []
    assert faults(zero=True, incidents=0, on_duty=False) == [] and faults(zero=True, incidents=1) == ["incidents"]
    assert [f.field for f in read_content(msgspec.structs.replace(TEMPLATE, zero=False), Content(zero=True))[1]] == ["zero"]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
                    max_leaves=8), st.sampled_from([field.id for field in TEMPLATE.fields]))
def test_whatever_stands_in_a_field_is_read_or_named_and_reading_the_result_again_changes_nothing(value: Any, field: str) -> None:
    values, wrong = read_content(TEMPLATE, Content(zero=False, values={"incidents": 1, field: value}))
    if not wrong:
        assert read_content(TEMPLATE, Content(zero=False, values=values)) == (values, [])
        msgspec.json.encode(values)


def test_a_template_whose_parts_do_not_hold_together_is_refused() -> None:
    first = TEMPLATE.fields[0]
    with pytest.raises(Rejected, match=r"template_field_twice|fields named twice"):
        check_template(msgspec.structs.replace(TEMPLATE, fields=(first, first)))
    with pytest.raises(Rejected):
        check_template(msgspec.structs.replace(TEMPLATE, fields=(msgspec.structs.replace(TEMPLATE.fields[5], measure=Measure.DEAD),)))


def test_a_message_made_in_time_that_arrives_late_needs_no_reason_of_its_own() -> None:
    due = datetime(2026, 11, 23, 9, tzinfo=UTC)
    o = owe(Owed(key="daily:a:daily:2026-11-23:1", kind="daily_report", department_id="a", post_id="a.duty", subject="s", title_zh="t", title_en="t",
                 due_at=due), packaged_rules().kind("daily_report"), id="i", now=due - timedelta(hours=1))
    late = due + timedelta(hours=1)
    assert need_late_reason(o, Content(zero=True), due) is None
    assert "delivered late" in (need_late_reason(o, Content(zero=True), late, made_at=due) or "")
    assert need_late_reason(o, Content(zero=True, note="停电"), late) == "停电"
    with pytest.raises(Rejected, match=r"late_reason_needed|why it is late"):
        need_late_reason(o, Content(zero=True), late, made_at=late)


def fact(n: int, source: Source = Source.INCIDENT, *, visible: bool = True, drill: bool = False, dead: int | None = None) -> Fact:
    return Fact(source=source, id=f"f{n}", zh="z", en="e", at="2026-11-23T05:00:00.000Z", visible=visible, drill=drill, dead=dead)


ASKED = (Asked("incidents", Measure.INCIDENTS), Asked("dead", Measure.DEAD))


@pytest.mark.parametrize("source", list(Source))
def test_a_zero_report_is_contradicted_by_any_fact_but_a_drill(source: Source) -> None:
    assert len(contradictions(ASKED, zero=True, values={}, facts=[fact(1, source)])) == 1
    assert contradictions(ASKED, zero=True, values={}, facts=[fact(1, source, drill=True)]) == []


def test_a_count_lower_than_known_contradicts_and_a_higher_one_does_not() -> None:
    facts = [fact(1, dead=2), fact(2)]
    found = contradictions(ASKED, zero=False, values={"incidents": 1, "dead": 5}, facts=facts)
    assert [(c.measure, c.said, c.known) for c in found] == [(Measure.INCIDENTS, 1, 2)]
    assert suggested(ASKED, {"incidents": 1, "dead": 5}, facts) == {"incidents": 2, "dead": 5}


@given(st.lists(st.tuples(st.sampled_from(list(Source)), st.booleans(), st.booleans(), st.none() | st.integers(0, 5)), max_size=6), st.booleans(),
       st.integers(0, 3), st.integers(0, 3))
def test_what_a_department_is_told_never_names_what_it_may_not_see(rows: list[Any], zero: bool, incidents: int, dead: int) -> None:
    facts = [fact(n, source, visible=visible, drill=drill, dead=dead) for n, (source, visible, drill, dead) in enumerate(rows)]
    values = {} if zero else {"incidents": incidents, "dead": dead}
    own, hidden = split(ASKED, zero=zero, values=values, facts=facts)
    assert all(f.visible and not f.drill for c in own for f in c.facts)
    assert own == contradictions(ASKED, zero=zero, values=values, facts=[f for f in facts if f.visible])
    every = contradictions(ASKED, zero=zero, values=values, facts=facts)
    assert {(c.measure, c.field) for c in every} == {(c.measure, c.field) for c in (*own, *hidden)}


def test_the_first_line_says_who_is_missing() -> None:
    lines = [Line(department_id="a", zh="甲", en="A", standing=Standing.MISSING), Line(department_id="b", zh="乙", en="B", standing=Standing.ZERO),
             Line(department_id="c", zh="丙", en="C", standing=Standing.EXCUSED), Line(department_id="d", zh="丁", en="D", standing=Standing.WAITING)]
    zh, en, missing = first_lines(lines, "18:00")
    assert zh == "未报送：甲（截至18:00，应报2份，已报1份，未报1份）。另有1份未到时限。" and en.startswith("Missing: A ") and missing == ("a",)


@pytest.mark.parametrize(("standings", "first", "departments"), [
    ((Standing.WAITING, Standing.EXCUSED), "尚无到期的日报", "尚无单位报送。"), ((Standing.MISSING, Standing.WAITING), "未报送：甲", "尚无单位报送。"),
    ((Standing.ZERO, Standing.ZERO), "应报2份，已全部报送", "已报单位均为零报告。"), ((Standing.FILED, Standing.ZERO), "应报2份，已全部报送", "已报单位未填写文字情况。")])
def test_the_digest_says_no_more_than_is_known(standings: tuple[Standing, Standing], first: str, departments: str) -> None:
    lines = [Line(department_id=id, zh=zh, en=id, standing=standing) for id, zh, standing in zip("ab", "甲乙", standings, strict=True)]
    assert first in first_lines(lines, "10:48")[0]
    assert next(s.text for s in sections(lines, [], summaries=[]) if s.id == "departments") == departments


def test_a_ranking_goes_by_completeness_then_timeliness_and_what_is_not_due_counts_nowhere() -> None:
    good, late, bad = Tally(in_time=3), Tally(in_time=2, late=1), Tally(in_time=2, missed=1)
    assert ranking({"x": bad, "y": late, "z": good}) == ["z", "y", "x"]
    assert ranking({"a": Tally(excused=30), "x": bad, "z": good}) == ["z", "x", "a"], "whoever was excused throughout is not above those who file"
    assert Tally().with_state(State.OPEN, 5, overdue=False).expected == 0 and Tally().with_state(State.OPEN, 5, overdue=True).missed == 5
    assert Tally().with_state(State.EXCUSED, 5, overdue=True).expected == 0 and Tally().completeness == 1.0


def test_a_mention_takes_the_longest_name_that_fits_and_members_alone() -> None:
    members = {"water-bureau": ("区水利局", "water bureau"), "water": ("区水利", "water")}
    assert mentions_in("请@区水利局答复，抄@区水利 和 ＠water-bureau、@公安", members) == ("water-bureau", "water")


def test_a_day_that_is_none_is_named_as_a_day_and_not_as_a_time() -> None:
    with pytest.raises(Rejected) as wrong:
        decode_daily(b'{"id": "01a22a3a-0064-7409-8921-3d9caaa1b716", "department": "w", "template": "daily", "day": "2027-02-29", "zero": true}')
    assert (wrong.value.code, wrong.value.field) == ("wrong_time", "day") and "2026-01-31" in wrong.value.zh and "date" in wrong.value.en
