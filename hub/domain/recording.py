"""Recordings as the chain and the screens know them: what is recorded for which incident, its segments with their hashes, its end. Pure."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from hub.domain.change import ChangeBody, change
from hub.domain.incident import OPEN_STATES, IncidentState
from hub.errors import Rejected


class SegmentView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A closed segment; walls are the agent's clock in ms. `pre_event`: from before the recording began."""

    n: int
    sha256: str
    size_bytes: int
    first_wall_ms: int
    last_wall_ms: int
    lost: int = 0
    recovered: bool = False
    pre_event: bool = False
    deleted_at: str | None = None
    deleted_reason: str | None = None


class RecordingView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A recording: of which camera, why, from when to when. `troubles` are interruptions and losses that it states itself.

    `held`: somebody keeps it by hand, so that it stays evidence whatever becomes of its incident.
    """

    id: str
    agent_id: str
    camera_id: str
    incident_id: str | None
    reason: str
    started_at: str
    ended_at: str | None = None
    drill: bool = False
    evidence: bool = True
    held: bool = False
    troubles: tuple[str, ...] = ()


@change("recording.started", zh="开始录像", en="a recording began")
class RecordingStarted(ChangeBody, frozen=True, kw_only=True):
    """The recording, before its first segment."""

    recording: RecordingView


@change("recording.segment_closed", zh="录像片段存证", en="a segment was closed; its hash stands here", routine=True)
class SegmentClosed(ChangeBody, frozen=True, kw_only=True):
    """The segment of which recording, with its SHA-256."""

    recording_id: str
    segment: SegmentView


@change("recording.interrupted", zh="录像中断", en="a recording was interrupted or lost something")
class RecordingInterrupted(ChangeBody, frozen=True, kw_only=True):
    """What happened (`disk_full`, `write_failed`, `lost`) in which recording."""

    recording_id: str
    code: str
    detail: str = ""


@change("recording.ended", zh="结束录像", en="a recording ended")
class RecordingEnded(ChangeBody, frozen=True, kw_only=True):
    """The recording with its end."""

    recording: RecordingView


@change("recording.segment_deleted", zh="录像片段到期删除", en="a segment was deleted by policy; its hash stays", routine=True)
class SegmentDeleted(ChangeBody, frozen=True, kw_only=True):
    """Which segment of which recording, and by what rule (`keep_days`, `quota`)."""

    recording_id: str
    n: int
    sha256: str
    reason: str


@change("recording.exported", zh="导出录像", en="a clip of a recording was exported")
class RecordingExported(ChangeBody, frozen=True, kw_only=True):
    """Which recording, which stretch (the agent's clock, ms), the SHA-256 of each clip, and why."""

    recording_id: str
    from_ms: int
    to_ms: int
    clips: tuple[str, ...]
    reason: str


@change("recording.kept", zh="录像留存", en="a recording was kept as evidence, or let go")
class RecordingKept(ChangeBody, frozen=True, kw_only=True):
    """The recording with `evidence` as it now is."""

    recording: RecordingView


def kept_by_hand(view: RecordingView, evidence: bool, state: IncidentState | None) -> RecordingView:
    """The recording as somebody keeps it or lets it go; `state` is that of its incident (None: it has none).

    Raises Rejected where the incident is open: what it records is evidence until it ends.
    """
    if not evidence and state in OPEN_STATES:
        raise Rejected("incident_open", "事件尚未结束，录像为证据，不能放行删除", "the incident is open: its recordings are evidence", field="evidence")
    return msgspec.structs.replace(view, evidence=evidence, held=evidence)


def as_evidence(view: RecordingView, evidence: bool) -> RecordingView:
    """The recording as its incident makes it evidence or lets it go: what somebody keeps by hand stays evidence."""
    return view if view.held and not evidence else msgspec.structs.replace(view, evidence=evidence)
