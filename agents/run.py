"""One agent put together: outbox, session, uploads, sources, cameras. The only place that knows them all."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from agents.attachments import Uploader
from agents.keys import sign_report, signing_key
from agents.outbox import Bounds, Outbox
from agents.renewal import Renewal
from agents.running import sole_speaker
from agents.session import LinkState, Measures, Session
from agents.settings import AgentSettings, load_settings, read_password, tls_context
from agents.sources import folder as folder_source
from agents.sources import http as http_source
from agents.sources import measures as measures_source
from hub.wire import Report

if TYPE_CHECKING:
    from agents.cameras import Cameras

log = logging.getLogger("tocsin.agent")

STATUS_FILE = "status.json"


def open_outbox(folder: Path, settings: AgentSettings) -> Outbox:
    """The folder's outbox with the bounds of its settings."""
    bounds = Bounds(
        max_reports=settings.max_reports, max_bytes=settings.max_bytes,
        urgent_reserve_reports=settings.urgent_reserve_reports, urgent_reserve_bytes=settings.urgent_reserve_bytes,
    )
    return Outbox(folder / settings.outbox_file, bounds, sign=_signature(folder) if settings.sign else None)


def _signature(folder: Path) -> Callable[[Report], Report]:
    """Signs a report with the folder's own key."""
    key = signing_key(folder)
    return lambda report: sign_report(report, key)


async def run_agent(folder: Path, *, stop: asyncio.Event | None = None, on_ready: Callable[[Session, int | None], None] | None = None) -> None:
    """Run the agent of a folder until SIGTERM, SIGINT or `stop`; raises Unavailable where it runs already, Rejected for wrong settings.

    `on_ready` is told the session and the port of the local endpoint (None without one).
    """
    stop = stop or asyncio.Event()
    settings = load_settings(folder)
    password = read_password(folder, settings)
    with sole_speaker(folder), contextlib.closing(open_outbox(folder, settings)) as outbox:
        stop_on_signals(stop)
        async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            cameras = await _cameras(stack, folder, settings, password)
            tls = tls_context(folder, settings)
            session = Session(
                settings, outbox, password=password, tls=tls, on_state=status_writer(folder),
                cameras=cameras.presence if cameras is not None else None, measure=_instruments(folder, settings),
            )
            port = await _local_endpoint(stack, folder, settings, session)
            extras = [group.create_task(Uploader(settings, outbox, password, tls=tls).run(), name="agent-upload")]
            if tls is not None and settings.cert_file:
                renewal = Renewal(folder, settings, password, contexts=(tls,), on_renewed=lambda: session.reconnect("certificate renewed"))
                extras.append(group.create_task(renewal.run(), name="agent-renewal"))
            if settings.measures_file:
                instruments = measures_source.watch(folder / settings.measures_file, session.send_telemetry)
                extras.append(group.create_task(instruments, name="agent-measures"))
            if cameras is not None:
                extras.append(group.create_task(_tell_cameras(cameras, session), name="agent-cameras"))
                extras.append(group.create_task(_tell_advisories(cameras, session), name="agent-advisories"))
            if settings.watch_folder:
                watched = folder / settings.watch_folder
                extras.append(group.create_task(folder_source.watch(watched, session.file, settings.watch_every_s), name="agent-folder"))
            talk = group.create_task(session.run(), name="agent-session")
            if on_ready is not None:
                on_ready(session, port)
            await stop.wait()
            session.stop()
            await talk
            for task in extras:
                task.cancel()
    log.info("stopped")


async def _local_endpoint(stack: contextlib.AsyncExitStack, folder: Path, settings: AgentSettings, session: Session) -> int | None:
    if settings.listen_port is None:
        return None
    token = await asyncio.to_thread(http_source.local_token, folder / settings.listen_token_file)
    return await stack.enter_async_context(http_source.listen(settings.listen_port, token, session.file, session.outbox))


def _instruments(folder: Path, settings: AgentSettings) -> Callable[[], Measures] | None:
    """What the instruments' file says now, as the session asks for it; None without such a file."""
    if settings.measures_file is None:
        return None
    path, max_age_s = folder / settings.measures_file, settings.measures_max_age_s
    return lambda: measures_source.read_measures(path, datetime.now(UTC), max_age_s) or Measures()


async def _cameras(stack: contextlib.AsyncExitStack, folder: Path, settings: AgentSettings, password: str | None) -> Cameras | None:
    """The agent's cameras on their own connection, or None; they are imported only where there are any."""
    if settings.cameras_file is None:
        return None
    from agents.cameras import Cameras
    from streams.publisher import MediaLink

    def there(name: str | None) -> str | None:
        return str(folder / name) if name else None

    link = MediaLink(
        agent_id=settings.agent_id, host=settings.mqtt_host, port=settings.mqtt_port, hub=settings.hub_id, password=password, tls=settings.tls,
        cafile=there(settings.ca_file), certfile=there(settings.cert_file), keyfile=there(settings.key_file),
    )
    return await stack.enter_async_context(Cameras(folder / settings.cameras_file, link, references=folder / "camera-references"))


async def _tell_cameras(cameras: Cameras, session: Session) -> None:
    """Say it in the presence whenever a camera's health changed."""
    while True:
        await cameras.changed.wait()
        cameras.changed.clear()
        session.presence_changed()


async def _tell_advisories(cameras: Cameras, session: Session) -> None:
    """Hand on what the cameras' detectors think they saw."""
    while True:
        await session.send_advisory(await cameras.advised.get())


def stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stop.set)
        except (NotImplementedError, RuntimeError):  # Windows, or not the main thread: Ctrl-C raises KeyboardInterrupt there
            return


def status_writer(folder: Path) -> Callable[[LinkState], None]:
    """A function that keeps `status.json` of the folder up to date for `tocsin agent status`."""
    path = folder / STATUS_FILE

    def write(state: LinkState) -> None:
        part = path.with_suffix(".part")
        with contextlib.suppress(OSError):  # a full disk must not end the agent for the sake of its status
            part.write_bytes(msgspec.json.encode(state))
            part.replace(path)

    return write


def read_status(folder: Path) -> LinkState | None:
    """What the running (or last) agent of the folder said of its link, or None."""
    try:
        return msgspec.json.decode((folder / STATUS_FILE).read_bytes(), type=LinkState)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
