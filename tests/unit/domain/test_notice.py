"""Wording, masking and quiet hours of notices."""

from datetime import UTC, datetime, timedelta

import pytest

from hub.domain import obligation
from hub.domain.data import packaged
from hub.domain.duty_rules import FILES, packaged_rules, parse
from hub.domain.notice import LINK, QuietRule, Template, Wording, fields_of, masked, quiet_until, render, still_wanted, with_link
from hub.domain.obligation import Kind, Obligation, Owed
from hub.errors import Rejected

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
ZONE = "Asia/Shanghai"
NIGHT = (QuietRule(channels=("push",), starts="22:00", ends="07:00"),)
KIND = Kind(id="k", zh="事", en="duty", ladder="l", lock_min=600)


def duty(**other: object) -> Obligation:
    owed = Owed(key="k", kind="k", department_id="d", post_id="d.duty", subject="s", title_zh="日报{link}", title_en="daily", due_at=NOW, **other)  # type: ignore[arg-type]
    return obligation.owe(owed, KIND, id="o", now=NOW - timedelta(hours=1))


def at(hour: int, minute: int = 0) -> datetime:
    """A time of day in the district, as UTC."""
    return datetime(2026, 11, 23, 0, 0, tzinfo=UTC) + timedelta(hours=hour - 8, minutes=minute)


@pytest.mark.parametrize(("when", "until"), [
    (at(21, 59), None), (at(22), at(31)), (at(23, 30), at(31)), (at(24 + 6, 59), at(31)), (at(31), None), (at(12), None),
])
def test_quiet_hours_pass_midnight_and_end_on_the_minute(when: datetime, until: datetime | None) -> None:
    assert quiet_until(NIGHT, "push", when, ZONE) == until


def test_a_contact_s_own_hours_take_the_place_of_the_general_ones() -> None:
    assert quiet_until(NIGHT, "push", at(23), ZONE, own=("12:00", "14:00")) is None
    assert quiet_until(NIGHT, "push", at(13), ZONE, own=("12:00", "14:00")) == at(14)


def test_other_channels_have_no_quiet_hours() -> None:
    assert quiet_until(NIGHT, "mqtt", at(23), ZONE) is None


@pytest.mark.parametrize(("address", "shown"), [
    ("wecombot://9f0c-secret-key", "wecombot://…ey"), ("mailto://user:pass@example.com?to=x@example.com", "mailto://…om"), ("post:a.duty", "post:a.duty"),
])
def test_an_address_is_shown_without_its_secret(address: str, shown: str) -> None:
    assert masked(address) == shown


def test_a_drill_says_so_in_the_title_and_a_brace_in_a_title_breaks_nothing() -> None:
    template = packaged_rules().templates["overdue"]
    fields = fields_of(duty(drill=True), now=NOW + timedelta(minutes=75), zone=ZONE, post="区水利局值班岗", notice="", kind="日报", step=2, rule="")
    title, body = render(template, "zh", {**fields, "notice": "abc"})
    assert title == "【演练】催办（第2级）：日报{link}"
    assert "已超时 1 h 15 min" in body and "2026-11-23 14:00" in body and body.endswith("通知编号 abc")


def test_lines_that_stay_empty_are_left_out_and_the_link_comes_last() -> None:
    template = Template(Wording("t", "a\n{rule}\n{link}\nb"), Wording("t", "x"))
    _, body = render(template, "zh", {"link": LINK})
    assert body == f"a\n{LINK}\nb"
    assert with_link(body, None) == "a\nb"
    assert with_link(body, "https://hub.example/1") == "a\nhttps://hub.example/1\nb"


def test_both_languages_stand_together_where_both_are_wanted() -> None:
    title, body = render(Template(Wording("甲", "乙"), Wording("A", "B")), "both", {})
    assert (title, body) == ("甲 / A", "乙\n\nB")


def test_every_shipped_template_can_be_written_in_both_languages() -> None:
    fields = fields_of(duty(), now=NOW, zone=ZONE, post="p", notice="n", kind="k", step=1, rule="r")
    for name, template in packaged_rules().templates.items():
        for language in ("zh", "en", "both"):
            title, body = render(template, language, {**fields, "text": "text"})
            assert title.strip() and body.strip(), name


def test_a_notice_is_wanted_while_its_duty_is_owed_or_missed_and_not_acknowledged() -> None:
    o = duty()
    acked = obligation.acknowledge(o, KIND, now=NOW, by="p")
    assert still_wanted(o, NOW) and still_wanted(None, NOW)
    assert still_wanted(obligation.lock(o, now=NOW + timedelta(days=1)), NOW)
    assert not still_wanted(obligation.meet(o, now=NOW, by="p"), NOW)
    assert not still_wanted(obligation.excuse(o, now=NOW, by="p", reason="停报"), NOW)
    assert not still_wanted(acked, NOW) and acked.ack_until is not None and still_wanted(acked, acked.ack_until)


def test_faulty_duty_data_is_refused_with_every_fault_named() -> None:
    documents = {name: packaged(name) for name in FILES}
    kinds = {"kinds": {"x": {"zh": "x", "en": "x", "ladder": "nowhere"}}}
    ladders = {"ladders": {"bad": {"zh": "", "en": "", "steps": [{"offset_min": 0, "whom": ["post"], "channels": ["pigeon"], "template": "none"}]}}}
    with pytest.raises(Rejected) as refusal:
        parse({**documents, "obligation_kinds": kinds, "ladders": ladders})
    assert all(word in refusal.value.en for word in ("nowhere", "pigeon", "no template none"))
    with pytest.raises(Rejected):
        parse({**documents, "statutory_limits": {"limits": [{"id": "x"}], "role_posts": {}}})
