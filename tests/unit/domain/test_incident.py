"""What may follow what, and how reports change an incident."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from hub.domain.incident import (
    TRANSITIONS,
    Act,
    IncidentState,
    acknowledge,
    apply_report,
    changed_fields,
    likeness,
    open_incident,
    transition,
)
from hub.domain.report import Channel, ReportView, report_view
from hub.errors import Rejected
from hub.wire import Report, decode_report
from tests.support.reports import report

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


def view(**given: object) -> ReportView:
    message = msgspec.convert(report(**given), Report)
    return report_view(message, incident_id=message.incident_id or message.id, number=1, receipt_no="20261123-000001", received_at=NOW,
                       channel=Channel.MQTT, actor="agent:a1", department_id="traffic-police", agent_id="a1")


def opened(**given: object):  # type: ignore[no-untyped-def]
    return open_incident(view(**given), number=1, no="2026-000001", trusted=False, now=NOW)


@pytest.mark.parametrize("state", list(IncidentState))
@pytest.mark.parametrize("act", list(Act))
def test_only_the_transitions_of_the_table_are_possible(state: IncidentState, act: Act) -> None:
    incident = msgspec.structs.replace(opened(), state=state)
    if (state, act) in TRANSITIONS:
        assert transition(incident, act, NOW).version == incident.version + 1
    else:
        with pytest.raises(Rejected) as refused:
            transition(incident, act, NOW)
        assert refused.value.code == "wrong_state"
        assert not set(refused.value.zh) & set("abcdefghijklmnopqrstuvwxyz_") and "_" not in refused.value.en, "told in words, not in the names of the code"


def test_a_trusted_source_verifies_at_once() -> None:
    incident = open_incident(view(), number=1, no="x", trusted=True, now=NOW)
    assert (incident.state, incident.verified) == (IncidentState.VERIFIED, True)


def test_reopening_a_merged_incident_that_was_verified_keeps_it_verified() -> None:
    merged = transition(transition(opened(), Act.VERIFY, NOW), Act.MERGE, NOW, merged_into="other")
    again = transition(merged, Act.REOPEN, NOW)
    assert (again.state, again.merged_into) == (IncidentState.VERIFIED, None)


def test_a_follow_up_replaces_what_it_states_and_keeps_the_rest() -> None:
    first = opened(casualties={"dead": 1, "injured": 3}, loss_yuan=1000, hazmat=[{"un": "1005"}])
    after = apply_report(first, view(kind="follow_up", incident_id=first.id, casualties={"dead": 3}, place={"text": "别处"}), NOW)
    assert (after.casualties.dead, after.casualties.injured, after.loss_yuan, after.hazmat[0].un) == (3, 3, 1000, "1005")
    assert (after.place.text, after.place.lon) == ("别处", 119.13)
    assert after.grade_suggested is not None and after.grade_suggested.grade == "serious"
    assert set(changed_fields(first, after)) == {"casualties", "place", "grade_suggested"}


def test_a_follow_up_without_a_place_leaves_the_incidents_as_it_is() -> None:
    first = opened(place={"text": "G204 赣马段", "lon": 119.112, "lat": 34.865})
    for place in ({}, {"text": "—"}):
        sent = report(kind="follow_up", incident_id=first.id, place=place)
        assert decode_report(msgspec.json.encode(sent)).incident_id == first.id
        assert apply_report(first, view(**sent), NOW).place == first.place
    with pytest.raises(Rejected, match="missing_field"):
        decode_report(msgspec.json.encode(report(place={})))


def test_two_incidents_of_which_nobody_knows_where_they_are_have_no_place_in_common() -> None:
    one, other = opened(place={"text": "—"}), opened(place={"text": "—"})
    assert one.place.text is None
    assert not any("地点" in reason.zh for reason in likeness(one, other)[1])
    somewhere = opened(place={"text": "海州路口"})
    assert any("地点" in reason.zh for reason in likeness(somewhere, somewhere)[1])


def test_casualties_may_go_down_again() -> None:
    first = opened(casualties={"dead": 3})
    after = apply_report(first, view(kind="follow_up", incident_id=first.id, casualties={"dead": 2}), NOW)
    assert after.grade_suggested is not None and after.grade_suggested.grade == "general"


def test_taking_twice_changes_nothing() -> None:
    taken = acknowledge(opened(), "值班员", NOW)
    assert taken is not None
    assert acknowledge(taken, "别人", NOW) is None


def test_a_drill_says_so_in_its_title() -> None:
    assert opened(drill=True, title="槽罐车侧翻").title.startswith("【演练】")
    assert opened(drill=True, title="【演练】槽罐车侧翻").title.count("演练") == 1


def test_a_place_in_gcj02_is_stored_in_wgs84_and_marked() -> None:
    place = view(place={"text": "x", "lon": 119.135, "lat": 34.865, "crs": "GCJ02"}).place
    assert place.sent_crs == "GCJ02"
    assert place.lon != 119.135


def test_two_reports_of_one_event_are_alike_and_a_drill_is_never_like_the_real_thing() -> None:
    one = opened()
    near = opened(place={"text": "路边", "lon": 119.131, "lat": 34.861})
    far = opened(place={"text": "远处", "lon": 119.5, "lat": 35.0})
    drill = opened(drill=True)
    assert likeness(one, near)[0] > 0.8
    assert likeness(one, far)[0] == 0
    assert likeness(one, drill)[0] == 0


def test_likeness_fades_with_time() -> None:
    one = opened()
    later = msgspec.structs.replace(opened(), occurred_at=(NOW + timedelta(hours=3)).isoformat())
    assert likeness(one, later)[0] == 0
