"""Recordings over HTTP: what was recorded of an incident, and a clip of it with its manifest, to be verified offline."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from hub.domain.access import HUB, Action, Thing, ThingKind
from hub.domain.recording import RecordingExported, RecordingView, SegmentView
from hub.errors import Rejected, Unavailable, why_en, why_zh
from hub.respond.recording import folder_of
from hub.store.access import incident_thing
from hub.store.recordings import get_recording, recordings_of, segments_of
from hub.store.recordings import keep as keep_by_hand
from hub.web.route import Ask, NotFound, Route


class RecordingRow(Struct, frozen=True, kw_only=True):
    """A recording with its segments."""

    recording: RecordingView
    segments: list[SegmentView]


class RecordingList(Struct, frozen=True, kw_only=True):
    """The recordings of an incident."""

    items: list[RecordingRow]
    seq: int


class ClipBody(Struct, frozen=True, kw_only=True):
    """From when to when by the agent's clock (ms; exact to the group of pictures), and why it is exported."""

    from_ms: Annotated[int, Meta(ge=0, le=2**53)]
    to_ms: Annotated[int, Meta(ge=0, le=2**53)]
    reason: Annotated[str, Meta(min_length=1, max_length=500)]


class KeepBody(Struct, frozen=True, kw_only=True):
    """Evidence is kept until somebody lets it go; the rest goes by policy."""

    evidence: bool


async def _of(ask: Ask, action: Action) -> tuple[RecordingView, Thing]:
    async with ask.store.read() as conn:
        view = await get_recording(conn, ask.path["id"])
        incident = await incident_thing(conn, view.incident_id) if view is not None and view.incident_id is not None else None
    if view is None:
        ask.require(Action.INCIDENT_LIST, HUB)
        raise NotFound
    thing = Thing(kind=ThingKind.RECORDING, id=view.id, incidents=(incident,) if incident else (), drill=view.drill)
    ask.require(action, thing, hidden=True)
    return view, thing


async def listing(ask: Ask) -> RecordingList:
    """The recordings of an incident, oldest first, with the hashes of their segments."""
    seq = await ask.store.head()
    async with ask.store.read() as conn:
        thing = await incident_thing(conn, ask.path["id"])
        if thing is None:
            ask.require(Action.INCIDENT_LIST, HUB)
            raise NotFound
        ask.require(Action.INCIDENT_READ, thing, hidden=True)
        ask.require(Action.RECORDING_READ, thing)
        items = [RecordingRow(recording=view, segments=await segments_of(conn, view.id)) for view in await recordings_of(conn, thing.id)]
    return RecordingList(items=items, seq=seq)


async def export_clip(ask: Ask) -> web.StreamResponse:
    """A stretch of a recording as MP4 with its manifest, in one ZIP; `tocsin evidence verify` checks them offline."""
    from streams.evidence import export, sha256_file

    body: ClipBody = ask.body
    view, _ = await _of(ask, Action.EVIDENCE_EXPORT)
    if body.to_ms <= body.from_ms:
        raise Rejected("wrong_stretch", "结束时刻须晚于开始时刻", "the end must be after the beginning", field="to_ms")
    folder = folder_of(ask.hub.settings.data_path, view.id)
    if not folder.is_dir():
        async with ask.store.read() as conn:
            kept = any(segment.deleted_at is None for segment in await segments_of(conn, view.id))
        raise recorded_elsewhere(folder) if kept else NotFound
    work = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="tocsin-clip-"))
    try:
        name = f"{view.camera_id}-{body.from_ms}"
        clips = await asyncio.to_thread(lambda: export(folder, work / f"{name}.mp4", body.from_ms, body.to_ms, now=ask.now))
        hashes = tuple([await asyncio.to_thread(sha256_file, clip) for clip in clips])
        async with ask.transaction() as tx:
            tx.record(RecordingExported(recording_id=view.id, from_ms=body.from_ms, to_ms=body.to_ms, clips=hashes, reason=body.reason),
                      actor=ask.who, subject=f"recording:{view.id}", incident_id=view.incident_id, drill=view.drill)
        packed = work / "clip.zip"
        await asyncio.to_thread(_pack, packed, work)
        response = web.StreamResponse(headers={"Content-Type": "application/zip", "Content-Length": str(packed.stat().st_size),
                                               "Content-Disposition": f'attachment; filename="{name}.zip"'})
        await response.prepare(ask.request)
        with packed.open("rb") as file:
            while piece := await asyncio.to_thread(file.read, 1 << 18):
                await response.write(piece)
        await response.write_eof()
    except OSError as error:
        if isinstance(error, ConnectionError):
            raise
        raise Unavailable("export_failed", f"录像片段无法写出：{why_zh(error)}", f"the clip cannot be written: {why_en(error)}") from error
    finally:
        await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)
    return response


def recorded_elsewhere(folder: Path) -> Unavailable:
    """The files of a recording stand on the machine that recorded it, and this one does not reach them."""
    return Unavailable("recorded_elsewhere", f"录像文件在录制它的那台机器上，本机没有 {folder}：请在那台机器上导出，或让两台机器共用该目录",
                       f"the files are on the machine that recorded them, and {folder} is not here: export there, or let both share the folder")


def _pack(packed: Path, work: Path) -> None:
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(work.iterdir()):
            if path != packed:
                archive.write(path, path.name)


async def keep(ask: Ask) -> RecordingView:
    """Keep a recording as evidence whatever becomes of its incident, or leave it to the retention's policy once that has ended."""
    view, _ = await _of(ask, Action.RECORDING_KEEP)
    async with ask.transaction() as tx:
        after = await keep_by_hand(tx, view.id, ask.body.evidence, by=ask.who)
    if after is None:
        raise NotFound
    return after


ROUTES = [
    Route("GET", "/api/v1/incidents/{id}/recordings", listing, Action.RECORDING_READ, returns=RecordingList, zh="事件录像", en="an incident's recordings"),
    Route("POST", "/api/v1/recordings/{id}/clip", export_clip, Action.EVIDENCE_EXPORT, body=ClipBody, zh="导出录像片段", en="export a clip"),
    Route("POST", "/api/v1/recordings/{id}/keep", keep, Action.RECORDING_KEEP, body=KeepBody, returns=RecordingView, zh="留存录像", en="keep a recording"),
]
