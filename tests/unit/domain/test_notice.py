"""Wording, masking and quiet hours of notices."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from hub.domain import obligation
from hub.domain.data import packaged
from hub.domain.duty_rules import FILES, packaged_rules, parse
from hub.domain.ladder import Whom
from hub.domain.notice import (
    LINK,
    Fields,
    QuietRule,
    Template,
    Wording,
    cited,
    fields_of,
    in_both,
    masked,
    quiet_until,
    render,
    still_wanted,
    with_link,
    wording_faults,
)
from hub.domain.obligation import Kind, Obligation, Owed
from hub.domain.roster import Post
from hub.errors import Rejected

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
ZONE = "Asia/Shanghai"
NIGHT = (QuietRule(channels=("push",), starts="22:00", ends="07:00"),)
POST = Post(id="d.duty", department_id="d", role=Whom.POST, zh="区水利局值班岗", en="water bureau duty post")
KIND = Kind(id="k", zh="事", en="duty", ladder="l", lock_min=600)


def duty(**other: object) -> Obligation:
    said = {name: other.pop(name) for name in ("reason", "reason_by") if name in other}
    owed = Owed(key="k", kind="k", department_id="d", post_id="d.duty", subject="s", title_zh="日报{link}", title_en="daily", due_at=NOW, **other)  # type: ignore[arg-type]
    return msgspec.structs.replace(obligation.owe(owed, KIND, id="o", now=NOW - timedelta(hours=1)), **said)


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
    fields = fields_of(duty(drill=True), now=NOW + timedelta(minutes=75), zone=ZONE, post=POST, kind=KIND, step=2)
    title, body = render(template, "zh", Fields({**fields.zh, "notice": "abc"}, fields.en))
    assert title == "【演练】催办（第2级）：日报{link}"
    assert "已超时 1 小时 15 分钟" in body and "2026-11-23 14:00" in body and body.endswith("通知编号 abc")


def test_lines_that_stay_empty_are_left_out_and_the_link_comes_last() -> None:
    template = Template(Wording("t", "a\n{rule}\n{link}\nb"), Wording("t", "x"))
    _, body = render(template, "zh", in_both(link=LINK))
    assert body == f"a\n{LINK}\nb"
    assert with_link(body, None) == "a\nb"
    assert with_link(body, "https://hub.example/1") == "a\nhttps://hub.example/1\nb"


def test_both_languages_stand_together_where_both_are_wanted() -> None:
    title, body = render(Template(Wording("甲", "乙"), Wording("A", "B")), "both", in_both())
    assert (title, body) == ("甲 / A", "乙\n\nB")


def test_an_english_notice_names_duty_post_and_kind_in_english_and_a_chinese_one_in_chinese() -> None:
    fields = fields_of(duty(drill=True), now=NOW, zone=ZONE, post=POST, kind=KIND)
    template = Template(*[Wording("{drill}{kind}: {title}", "{department} {post}")] * 2)
    assert render(template, "zh", fields) == ("【演练】事: 日报{link}", "区水利局值班岗 区水利局值班岗")
    assert render(template, "en", fields) == ("[Drill] duty: daily", "water bureau duty post water bureau duty post")
    assert render(template, "both", fields)[0] == "【演练】事: 日报{link} / [Drill] duty: daily"


def test_where_a_rule_comes_from_and_the_hubs_own_reasons_are_said_in_each_language_and_a_persons_words_stay_whole() -> None:
    template = Template(*[Wording("{rule}", "{reason}")] * 2)
    both = duty(rule=cited("产品默认值 / product default", "2026-11"), reason="部门已撤销 / the department is no more", reason_by="system:daily")
    fields = fields_of(both, now=NOW, zone=ZONE, post=POST, kind=KIND)
    assert render(template, "zh", fields) == ("产品默认值（2026-11）", "部门已撤销")
    assert render(template, "en", fields) == ("product default (2026-11)", "the department is no more")
    statute = duty(rule=cited("国务院令第493号第九条", "2007"), reason="水位 3.2 / 3.0", reason_by="person:1")
    fields = fields_of(statute, now=NOW, zone=ZONE, post=POST, kind=KIND)
    assert render(template, "en", fields) == ("国务院令第493号第九条（2007）", "水位 3.2 / 3.0")
    assert cited("", "2026") == "2026" and cited("", "") is None


def test_where_nobody_gave_an_english_name_the_chinese_one_stands() -> None:
    o = msgspec.structs.replace(duty(), title_en="")
    fields = fields_of(o, now=NOW, zone=ZONE, post=msgspec.structs.replace(POST, en=""), kind=msgspec.structs.replace(KIND, en=""))
    assert (fields.en["title"], fields.en["post"], fields.en["kind"]) == ("日报{link}", "区水利局值班岗", "事")
    assert fields_of(o, now=NOW, zone=ZONE, post=POST, kind=None).en["kind"] == "k", "a kind that the data no longer has"


@pytest.mark.parametrize("text", ["{", "}", "{title", "{}", "{0}", "{nobody}", "{title.__class__}", "{title!r}", "{title:>9}"])
def test_a_wording_that_could_not_be_filled_is_a_fault_of_the_data(text: str) -> None:
    good = Wording("{drill}{title}", "{text}")
    found = wording_faults("x", Template(good, Wording("t", text)))
    assert [f.field for f in found] == ["templates.x.en.body"] and "花括号" in found[0].zh
    assert wording_faults("x", Template(good, good)) == []


def test_every_shipped_template_can_be_written_in_both_languages() -> None:
    fields = fields_of(duty(rule="r"), now=NOW, zone=ZONE, post=POST, kind=KIND, step=1)
    whole = Fields({**fields.zh, "text": "text"}, {**fields.en, "text": "text"})
    for name, template in packaged_rules().templates.items():
        for language in ("zh", "en", "both"):
            title, body = render(template, language, whole)
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
    assert refusal.value.field == "kinds.x.ladder" and "没有此渠道：pigeon" in refusal.value.zh


@pytest.mark.parametrize(("name", "document", "field"), [
    ("ladders", {"ladders": 7}, "ladders"), ("ladders", {}, "ladders"), ("ladders", {"ladders": {"x": []}}, "ladders.x"),
    ("ladders", {"ladders": {"x": {"zh": "x", "en": "x", "steps": [{"offset_min": "soon", "whom": [], "channels": []}]}}}, "ladders.x.steps.0.offset_min"),
    ("ladders", {"ladders": {"x": {"zh": "x", "en": "x", "steps": [{"offset_min": 0, "whom": ["king"], "channels": []}]}}}, "ladders.x.steps.0.whom.0"),
    ("calendar_overrides", {"zone": "Mars/Base"}, "zone"), ("calendar_overrides", {"zone": "../etc"}, "zone"), ("calendar_overrides", {"zone": 8}, "zone"),
    ("calendar_overrides", {"zone": ZONE, "days": 3}, "days"), ("calendar_overrides", {"zone": ZONE, "complete_years": ["next"]}, "complete_years.0"),
    ("calendar_overrides", {"zone": ZONE, "periods": [{"id": "p", "first": "2026-02-02", "last": "2026-02-01", "zh": "p", "en": "p"}]}, "periods.0.last"),
    ("calendar_overrides", {"zone": ZONE, "periods": [{"id": "p", "first": "2026-02-01", "last": "2026-02-01", "zh": "p", "en": "p", "times": ["9"]}]},
     "periods.0.times"),
    ("quiet_rules", {"rules": [{"channels": ["push"], "starts": "22:00", "ends": "24:00"}]}, "rules.0.ends"),
    ("digest_rule", {"digest": {**packaged("digest_rule")["digest"], "at": "6 pm"}}, "digest.at"),
    ("digest_rule", {"digest": {**packaged("digest_rule")["digest"], "heading_zh": " "}}, "digest.heading_zh"),
    ("digest_rule", {"digest": {**packaged("digest_rule")["digest"], "sign_within_min": 0}}, "digest.sign_within_min"), ("digest_rule", {}, "digest"),
    ("notice_templates", {"templates": {"x": {"zh": {"title": "t"}, "en": {"title": "t", "body": "b"}}}}, "templates.x.zh.body"),
])
def test_whatever_is_wrong_with_a_document_its_field_is_named_and_nothing_worse_happens(name: str, document: object, field: str) -> None:
    with pytest.raises(Rejected) as refusal:
        parse({**{each: packaged(each) for each in FILES}, name: document})
    assert (refusal.value.code, refusal.value.field) == ("duty_data", field)
