"""When a recording is evidence: the rule by itself."""

from __future__ import annotations

import pytest

from hub.domain.incident import OPEN_STATES, IncidentState
from hub.domain.recording import RecordingView, as_evidence, kept_by_hand
from hub.errors import Rejected


def recording(**given: bool) -> RecordingView:
    return RecordingView(id="r", agent_id="a", camera_id="c", incident_id="i", reason="linkage", started_at="2026-11-23T05:00:00.000Z", **given)


@pytest.mark.parametrize("state", list(IncidentState))
def test_a_recording_is_let_go_by_hand_only_once_its_incident_has_ended(state: IncidentState) -> None:
    assert kept_by_hand(recording(), True, state).held
    if state in OPEN_STATES:
        with pytest.raises(Rejected, match="incident_open"):
            kept_by_hand(recording(), False, state)
    else:
        assert not kept_by_hand(recording(held=True), False, state).evidence


def test_a_recording_of_no_incident_is_let_go_at_any_time() -> None:
    assert kept_by_hand(recording(), False, None) == recording(evidence=False)


def test_what_somebody_keeps_stays_evidence_whatever_becomes_of_its_incident() -> None:
    assert as_evidence(recording(held=True), False).evidence
    assert not as_evidence(recording(), False).evidence
    assert as_evidence(recording(evidence=False), True).evidence
