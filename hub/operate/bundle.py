"""The archive of an incident: reports, matching, response and tasks, zones and map, timeline, who watched, manifests of recordings; signed.

Built from a store (read only) and checked offline with nothing but the hub's public key. Decides nothing.
"""

from __future__ import annotations

import hashlib
import html
import io
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.domain.change import body_hash, link_hash
from hub.domain.incident import IncidentView
from hub.domain.signature import Head, Signer, head_holds, key_id, signature_holds
from hub.domain.zone import ZonesView, features
from hub.errors import Rejected
from hub.operate.chain import ExportLine, export_line
from hub.store.activations import get_response, responses_of, tasks_of
from hub.store.plans import get_match, stated_facts
from hub.store.proof import head_of, links_of_incident
from hub.store.recordings import recordings_of, segments_of
from hub.store.reports import get_incident, reports_of
from hub.store.resources import requests_of
from hub.store.zones import get_zones, ticks_of

FORMAT: Final = "tocsin-bundle-1"
MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
WATCHING: Final = frozenset({"view.started", "view.ended", "access.viewed", "recording.exported"})
MAX_BYTES: Final = 512 * 1024 * 1024
_README = """事件档案 / the archive of an incident
核验 / to check: tocsin verify FILE.zip [--key hub-signing-key.pub]

incident.json   事件 / the incident                    reports.json    全部报告 / every report
matching.json   预案匹配与核实的事实 / plans matched, facts stated
responses.json  响应、任务、资源请求 / responses, tasks, requests
zones.json      警戒区与疏散核销 / zones and evacuation ticks    zones.geojson, map.svg  地图 / the map
timeline.jsonl  审计链中的全部变更 / every change of the chain, with its hash
watched.json    谁看过 / who watched and read          clips.json      录像清单与哈希 / recordings and the hashes of their segments
head.json       签名链头 / the signed head of the chain
"""


class Entry(Struct, frozen=True, kw_only=True):
    """One file of the archive."""

    name: str
    sha256: str
    size_bytes: int


class Manifest(Struct, frozen=True, kw_only=True):
    """What the archive holds and who vouches for it; its bytes are what is signed."""

    format: str
    hub_id: str
    incident_id: str
    no: str
    drill: bool
    exported_at: str
    exported_by: str
    changes: int
    last_seq: int
    key_id: str
    public_key: str
    files: list[Entry]


class Flaw(Struct, frozen=True):
    """Something about the archive that does not hold: the file, and a sentence."""

    file: str
    zh: str
    en: str


def _json(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=1)


async def collect(conn: AsyncConnection, incident: IncidentView, signer: Signer, *, hub_id: str, at: str) -> dict[str, bytes]:
    """The files of the archive by name, without the manifest."""
    lines = [export_line(link) for link in await links_of_incident(conn, incident.id)]
    kept, matched = await get_zones(conn, incident.id), await get_match(conn, incident.id)
    responses = []
    for head in await responses_of(conn, incident.id):
        whole = await get_response(conn, head.id)
        if whole is not None:
            responses.append({"response": whole.head, "document": whole.document, "tasks": await tasks_of(conn, whole, incident.title)})
    clips = [{"recording": view, "segments": await segments_of(conn, view.id)} for view in await recordings_of(conn, incident.id)]
    seq, digest = await head_of(conn)
    view = kept.view if kept else None
    return {
        "README.txt": _README.encode(),
        "incident.json": _json(incident),
        "reports.json": _json(await reports_of(conn, incident.id, limit=100_000)),
        "matching.json": _json({"matching": matched[0] if matched else None, "facts": matched[1] if matched else None,
                                "stated": await stated_facts(conn, incident.id)}),
        "responses.json": _json({"responses": responses, "requests": await requests_of(conn, incident.id)}),
        "zones.json": _json({"zones": view, "ticks": await ticks_of(conn, incident.id)}),
        "zones.geojson": _json({"type": "FeatureCollection", "features": features(view) if view else ()}),
        "map.svg": drawn(incident, view).encode(),
        "timeline.jsonl": b"".join(msgspec.json.encode(line) + b"\n" for line in lines),
        "watched.json": _json([{"seq": one.seq, "at": one.at, "kind": one.kind, "actor": one.actor, "body": msgspec.Raw(one.body.encode()) if one.body else None}
                               for one in lines if one.kind in WATCHING]),
        "clips.json": _json(clips),
        "head.json": _json(signer.head(hub_id, seq, digest, at)),
    }


async def build(conn: AsyncConnection, incident_id: str, signer: Signer, *, hub_id: str, at: str, by: str) -> tuple[bytes, Manifest]:
    """The archive as ZIP, and its manifest. Raises KeyError for an unknown incident."""
    incident = await get_incident(conn, incident_id)
    if incident is None:
        raise KeyError(incident_id)
    files = await collect(conn, incident, signer, hub_id=hub_id, at=at)
    seqs = [msgspec.json.decode(line, type=ExportLine).seq for line in files["timeline.jsonl"].splitlines()]
    manifest = Manifest(
        format=FORMAT, hub_id=hub_id, incident_id=incident.id, no=incident.no, drill=incident.drill, exported_at=at, exported_by=by, changes=len(seqs),
        last_seq=max(seqs, default=0), key_id=signer.key_id, public_key=signer.public,
        files=[Entry(name=name, sha256=hashlib.sha256(body).hexdigest(), size_bytes=len(body)) for name, body in sorted(files.items())])
    text = _json(manifest)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in (*sorted(files.items()), (MANIFEST, text), (SIGNATURE, signer.sign(text).encode() + b"\n")):
            archive.writestr(name, body)
    return packed.getvalue(), manifest


def drawn(incident: IncidentView, view: ZonesView | None) -> str:
    """The zones as a picture, north up, true to scale; the incident's point alone where none were drawn."""
    rings = {zone.kind.value: zone.polygon.coordinates[0] for zone in view.zones} if view else {}
    points = [point for ring in rings.values() for point in ring] or [(incident.place.lon or 0.0, incident.place.lat or 0.0)]
    (west, east), (south, north) = ((min(p[i] for p in points), max(p[i] for p in points)) for i in (0, 1))
    squeeze, half = 0.82, max(east - west, north - south, 0.01) * 0.6  # the cosine of this latitude, and a margin
    mid = ((west + east) / 2, (south + north) / 2)

    def at(lon: float, lat: float) -> str:
        return f"{500 + (lon - mid[0]) * squeeze / half * 480:.1f},{500 - (lat - mid[1]) / half * 480:.1f}"

    colours = {"isolation": "#c4121c", "protective": "#c98600", "fire": "#a04800"}
    shapes = "".join(f'<polygon points="{" ".join(at(*p) for p in rings[kind])}" fill="{colour}" fill-opacity=".2" stroke="{colour}" stroke-width="3"/>'
                     for kind, colour in reversed(colours.items()) if kind in rings)
    names = "".join(_named(at(a.receptor.point.lon, a.receptor.point.lat), a.receptor.name_zh)
                    for a in (view.affected if view else ()) if a.receptor.point is not None)
    title = html.escape(f"{incident.no} {incident.title}" + (f" · {view.wind.text}" if view and view.wind else ""))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 1000" font-family="sans-serif" font-size="22"><rect width="1000" height="1000" fill="#fff"/>'
            f'{shapes}{names}<text x="20" y="36">{title}</text><text x="20" y="970">N ↑</text></svg>\n')


def _named(place: str, name: str) -> str:
    x, y = place.split(",")
    return f'<circle cx="{x}" cy="{y}" r="6"/><text x="{float(x) + 10:.1f}" y="{float(y) + 7:.1f}">{html.escape(name)}</text>'


# ── checking ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def is_archive(path: Path) -> bool:
    """Does the file look like an archive?"""
    return zipfile.is_zipfile(path)


def _opened(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        if sum(info.file_size for info in archive.infolist()) > MAX_BYTES:
            raise Rejected("too_large", "档案过大", "the archive is too large", field="file")
        names = archive.namelist()
        if len(set(names)) != len(names):
            raise Rejected("wrong_file", "档案中有重名文件", "a name stands twice in the archive", field="file")
        try:
            return {name: archive.read(name) for name in names}
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise Rejected("wrong_file", f"档案已损坏：{error}", f"the archive is damaged: {error}", field="file") from None


def check(path: Path, keys: Mapping[str, str] | None = None) -> tuple[Manifest, list[Flaw]]:
    """Everything that can be checked of an archive. `keys` are the hub's public keys by id; None takes the archive's own. Raises Rejected."""
    files = _opened(path)
    try:
        manifest = msgspec.json.decode(files[MANIFEST], type=Manifest)
        signature = files[SIGNATURE].decode().strip()
    except (KeyError, msgspec.MsgspecError, UnicodeDecodeError):
        raise Rejected("wrong_file", "不是事件档案", "this is no archive of an incident", field="file") from None
    trusted = dict(keys) if keys is not None else {key_id(manifest.public_key): manifest.public_key}
    key = trusted.get(manifest.key_id)
    flaws = []
    if key is None or not signature_holds(key, signature, files[MANIFEST]):
        flaws.append(Flaw(MANIFEST, "清单签名不成立", "the manifest is not signed by the hub"))
    listed = {entry.name: entry for entry in manifest.files}
    for name in sorted({*listed, *files} - {MANIFEST, SIGNATURE}):
        if name not in files:
            flaws.append(Flaw(name, "缺失", "is missing"))
        elif name not in listed:
            flaws.append(Flaw(name, "不在清单中", "is not in the manifest"))
        elif hashlib.sha256(files[name]).hexdigest() != listed[name].sha256:
            flaws.append(Flaw(name, "内容与清单不符", "is not what the manifest says"))
    flaws += _timeline(files.get("timeline.jsonl", b""), files.get("head.json", b"{}"), manifest, trusted)
    return manifest, flaws


def _timeline(text: bytes, head: bytes, manifest: Manifest, keys: dict[str, str]) -> Iterable[Flaw]:
    last = 0
    for n, raw in enumerate(text.splitlines(), 1):
        try:
            line = msgspec.json.decode(raw, type=ExportLine)
        except msgspec.MsgspecError:
            yield Flaw("timeline.jsonl", f"第 {n} 行无法读取", f"line {n} cannot be read")
            continue
        link = line.link()
        made = link_hash(link.prev_hash, link.seq, link.kind, link.at, link.actor, link.subject, link.incident_id, link.department_id, link.drill,
                         link.body_sha256)
        whole = link.salt is None or link.body is None or body_hash(link.salt, link.body.encode()) == link.body_sha256
        if made != link.hash or not whole or link.seq <= last or link.incident_id != manifest.incident_id:
            yield Flaw("timeline.jsonl", f"第 {link.seq} 号变更不成立", f"change {link.seq} does not hold")
        last = link.seq
    try:
        signed = msgspec.json.decode(head, type=Head)
    except msgspec.MsgspecError:
        yield Flaw("head.json", "没有签名链头", "there is no signed head")
        return
    if not head_holds(signed, keys) or signed.seq < last or last != manifest.last_seq:
        yield Flaw("head.json", "签名链头不成立", "the signed head does not hold")
