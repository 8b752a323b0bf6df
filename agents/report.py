"""Filing from the command line: build a report, put it into the outbox, follow it to its receipt, ask who has seen it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct

from agents.attachments import Uploader, attach
from agents.keys import sign_report, signing_key
from agents.outbox import FINAL, Entry, Outbox, Upload
from agents.run import open_outbox
from agents.running import sole_speaker
from agents.session import Session
from agents.settings import AgentSettings, basic_credential, read_password, tls_context
from hub import wire
from hub.clock import parse_utc
from hub.errors import Rejected, Unavailable
from hub.ids import new_id

_LOOK_S = 0.2


class Seen(Struct, frozen=True, kw_only=True):
    """One look at a report: which department, when, and by whom where the asker may know."""

    department_id: str
    at: str
    person: str | None = None


class HubStatus(Struct, frozen=True, kw_only=True):
    """What the hub says of one report: `GET /api/v1/reports/{id}/status`."""

    id: str
    status: str
    receipt_no: str | None = None
    stored_at: str | None = None
    incident_id: str | None = None
    incident_state: str | None = None
    seen_by: tuple[Seen, ...] = ()


def read_time(text: str, now: datetime) -> datetime:
    """A time as people type it: `14:05` (the last one before `now`), `11-23 14:05`, `2026-11-23 14:05`, or ISO with an offset.

    Without an offset it is in the zone of `now`. Raises Rejected.
    """
    text = text.strip().replace("：", ":")
    with contextlib.suppress(ValueError):
        return parse_utc(text)
    for form in ("%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S"):
        with contextlib.suppress(ValueError):
            return datetime.strptime(text, form).replace(tzinfo=now.tzinfo)
    with contextlib.suppress(ValueError):
        clock = datetime.strptime(text, "%H:%M")
        at = now.replace(hour=clock.hour, minute=clock.minute, second=0, microsecond=0)
        return at if at <= now else at - timedelta(days=1)
    for year in range(now.year, now.year - 9, -1):  # 29 February stands in one of any eight years
        with contextlib.suppress(ValueError):
            at = datetime.strptime(f"{year}-{text}", "%Y-%m-%d %H:%M").replace(tzinfo=now.tzinfo)
            if at <= now:
                return at
    raise Rejected("wrong_time", f"看不懂时间 {text!r}", f"cannot read the time {text!r}", field="occurred_at")


def build_report(values: Mapping[str, Any], now: datetime) -> wire.Report:
    """A report from flat or nested fields; None and empty ones are left out, id, kind and time are filled in. Raises Rejected."""
    full: dict[str, Any] = {"id": new_id(), "kind": wire.ReportKind.INITIAL.value, "occurred_at": now.isoformat()}
    full.update(_without_nothing(dict(values)))
    full.setdefault("place", {})
    return wire.decode_report(msgspec.json.encode(full))


def _without_nothing(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: _without_nothing(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item is not None and item != {} and item != [] and item != ""}
    if isinstance(value, (list, tuple)):
        return [one for one in (_without_nothing(item) for item in value) if one not in (None, {}, "")]
    return value


def file_report(
    folder: Path, settings: AgentSettings, report: wire.Report, files: Sequence[Path] = (), *, sign: bool = False
) -> wire.Report:
    """Put a report and copies of its files on this machine's disk; returns it as accepted. Raises as `Outbox.accept`.

    With `sign` the report carries the signature of this agent's own key.
    """
    uploads: list[Upload] = []
    attachments: list[wire.Attachment] = list(report.attachments)
    for path in files:
        attachment, upload = attach(folder, path, report.id)
        attachments.append(attachment)
        uploads.append(upload)
    report = msgspec.structs.replace(report, attachments=tuple(attachments))
    if sign:
        report = sign_report(report, signing_key(folder))
    with contextlib.closing(open_outbox(folder, settings)) as outbox:
        outbox.accept(report, uploads)
    return report


async def follow(
    folder: Path, settings: AgentSettings, message_id: str, timeout_s: float, on_change: Callable[[Entry], None] | None = None
) -> Entry:
    """Follow a message to its final receipt, or as far as it comes within `timeout_s`. Where no agent runs, send from here."""
    with contextlib.closing(open_outbox(folder, settings)) as outbox:
        try:
            with sole_speaker(folder):
                await _send_from_here(folder, settings, outbox, message_id, timeout_s, on_change)
        except Unavailable as error:
            if error.code != "agent_running":
                raise
            await _watch(outbox, message_id, timeout_s, on_change)
        return await asyncio.to_thread(_entry, outbox, message_id)


async def _send_from_here(
    folder: Path, settings: AgentSettings, outbox: Outbox, message_id: str, timeout_s: float, on_change: Callable[[Entry], None] | None
) -> None:
    password = read_password(folder, settings)
    session = Session(settings, outbox, password=password, tls=tls_context(folder, settings))
    async with asyncio.TaskGroup() as group:
        talk = group.create_task(session.run(), name="agent-session")
        uploading = group.create_task(Uploader(settings, outbox, password, tls=tls_context(folder, settings)).run(), name="agent-upload")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await _watch(outbox, message_id, timeout_s, on_change)
                await _until_uploaded(outbox)
        uploading.cancel()
        session.stop()
        await talk


async def _until_uploaded(outbox: Outbox) -> None:
    while True:
        if not await asyncio.to_thread(outbox.uploads):
            return
        await asyncio.sleep(_LOOK_S)


async def _watch(outbox: Outbox, message_id: str, timeout_s: float, on_change: Callable[[Entry], None] | None) -> None:
    seen = None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            while True:
                entry = await asyncio.to_thread(_entry, outbox, message_id)
                if entry.state is not seen and on_change is not None:
                    on_change(entry)
                seen = entry.state
                if entry.state in FINAL:
                    return
                await asyncio.sleep(_LOOK_S)


def _entry(outbox: Outbox, message_id: str) -> Entry:
    entry = outbox.get(message_id)
    if entry is None:
        raise Rejected("unknown_id", f"本机没有编号 {message_id}", f"there is no {message_id} on this machine", field="id")
    return entry


async def ask_hub(folder: Path, settings: AgentSettings, message_id: str) -> HubStatus:
    """Ask the hub what became of a report and who has seen it; raises Unavailable where it cannot be reached or does not say."""
    credential = basic_credential(settings.agent_id, read_password(folder, settings))
    url = f"{settings.hub_url.rstrip('/')}/api/v1/reports/{message_id}/status"
    tls: ssl.SSLContext | bool = tls_context(folder, settings) or True
    try:
        async with (
            aiohttp.ClientSession(headers=credential, timeout=aiohttp.ClientTimeout(total=5)) as http,
            http.get(url, ssl=tls) as response,
        ):
            if response.status != 200:
                raise Unavailable("no_answer", f"中心未告知谁已查看（{response.status}）", f"the hub does not say who has seen it ({response.status})")
            return msgspec.json.decode(await response.read(), type=HubStatus)
    except (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError):
        raise Unavailable("hub_unreachable", "中心暂时联系不上，无法得知谁已查看", "the hub cannot be reached: who has seen it is not known now") from None
