"""The cameras of one agent: a validated YAML file in, previews, health and live video out, on the media connection alone.

Up to 20 cameras run as threads of this process; more are divided among child processes (one interpreter was the bound at 50 cameras).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from hub.errors import Rejected, why_en, why_zh
from hub.ids import SLUG, exactly
from hub.wire import Advisory, Camera, Command, CommandKind, MediaKind, media_header, troubles_of
from streams.address import Address, mask, read_credentials
from streams.feed import Feed
from streams.fragment import Track, Unit, VideoConfig
from streams.health import Health, HealthState
from streams.motion import Detector, MotionDetector, OnnxDetector
from streams.preview import PERIOD_S, KeyFrames, jpeg
from streams.publisher import MediaLink, Outlet, Preview, Publisher, send_preview
from streams.reader import Reader
from streams.ring import Ring
from streams.source import SourceOptions, Tracks, Transport, Trouble
from streams.uplink import Level, UplinkLimits

log = logging.getLogger("tocsin.agents.cameras")

PER_PROCESS: Final = 20
"""Most cameras of one process (measured: 20 cameras took 23 % of a core, 50 were bound by the interpreter)."""
PASSING: Final = frozenset({"flood", "clock_jump"})
"""Troubles beside which pictures go on."""
NOTED_S: Final = 60.0
"""So long is said what has happened once (own choice: a person who looks up sees it)."""
ADVISE_EVERY_S: Final = 300.0
"""What a detector goes on seeing is told so often (our own choice: a road moves all day)."""
MOST_ADVISORIES: Final = 100
"""So many that wait to be told; more are dropped."""
FILE_S: Final = 2.0
"""How often is looked whether the cameras file was changed."""
SLUG_PATTERN: Final = exactly(SLUG.pattern)


class OnnxEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An ONNX classifier for a camera's previews."""

    name: Annotated[str, Meta(pattern=SLUG_PATTERN)]
    model: str
    labels: tuple[str, ...]
    size: tuple[int, int] = (224, 224)
    least_score: Annotated[float, Meta(gt=0, le=1)] = 0.6


class CameraEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One camera of the file. `keep_open` names the stream that stays open for previews and a warm start."""

    id: Annotated[str, Meta(pattern=SLUG_PATTERN)]
    url: str
    name: Annotated[str, Meta(max_length=200)] | None = None
    sub_url: str | None = None
    credentials_file: str | None = None
    transport: Transport = Transport.TCP
    timeout_s: Annotated[float, Meta(ge=0.5, le=60)] = 5.0
    preview_s: Annotated[float, Meta(ge=0.5, le=3600)] = PERIOD_S
    pre_event_s: Annotated[float, Meta(ge=0, le=60)] = 10.0
    keep_open: Annotated[str, Meta(pattern=exactly("(main|sub)"))] = "main"
    max_mbps: Annotated[float, Meta(ge=0.1, le=400)] = 40.0
    motion: bool = False
    onnx: tuple[OnnxEntry, ...] = ()
    longest_pause_s: Annotated[float, Meta(ge=0.1, le=600)] = 60.0


class CameraSetup(Struct, frozen=True):
    """A camera ready to run: its entry (addresses masked) and its addresses with their credentials (which print masked).

    `warned`: codes of what the check of its entry found and let pass.
    """

    entry: CameraEntry
    main: Address
    sub: Address | None
    warned: tuple[str, ...] = ()


class Remark(Struct, frozen=True):
    """One thing the check of a file found. `line` counts from 1; `fatal` keeps the file from being used."""

    file: str
    line: int
    field: str
    code: str
    zh: str
    en: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field}: {self.zh} / {self.en} [{self.code}]"


def _stamp(file: Path) -> tuple[int, int] | None:
    """When a file was written and how long it is; None where there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def read_cameras(path: Path) -> tuple[list[CameraSetup], list[Remark]]:
    """Read and check a cameras file; (cameras that can be used, everything found). Never raises for what the file says."""
    import yaml

    try:
        root = yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        return [], [Remark(str(path), 1, "", "file_unreadable", f"无法读取：{why_zh(error)}", f"cannot be read: {why_en(error)}")]
    except UnicodeDecodeError as error:
        line = error.object[:error.start].count(b"\n") + 1
        return [], [Remark(str(path), line, "", "not_utf8", "不是 UTF-8 编码（可能是 GBK），请另存为 UTF-8", "this is not UTF-8 (GBK, perhaps): save it as UTF-8")]
    except (yaml.YAMLError, RecursionError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", 0) + 1
        return [], [Remark(str(path), line, "", "malformed_yaml", "不是有效的 YAML", "this is not valid YAML")]
    entries = next((value for key, value in root.value if key.value == "cameras"), None) if isinstance(root, yaml.MappingNode) else None
    if not isinstance(entries, yaml.SequenceNode):
        return [], [Remark(str(path), 1, "cameras", "missing_field", "缺少 cameras 列表", "the list cameras is missing")]
    setups: dict[str, CameraSetup] = {}
    remarks = _keys(path, root, "", frozenset({"cameras"}))
    for n, node in enumerate(entries.value):
        remarks += _keys(path, node, f"cameras[{n}].")
        setup = _read_entry(path, n, node, remarks)
        if setup is None:
            continue
        if setup.entry.id in setups:
            remarks.append(Remark(str(path), _line(node, "id"), f"cameras[{n}].id", "duplicate_id", "摄像机 id 重复", "this id is used twice"))
            continue
        setups[setup.entry.id] = setup
    return list(setups.values()), remarks


def _keys(path: Path, node: Any, where: str, known: frozenset[str] | None = None) -> list[Remark]:
    """Keys of a mapping that stand twice (YAML takes the last without a word), or that nobody knows."""
    import yaml

    found: list[Remark] = []
    seen: set[str] = set()
    for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
        name = mask(key.value) if isinstance(key.value, str) else "?"
        if name in seen:
            found.append(Remark(str(path), key.start_mark.line + 1, where + name, "duplicate_field", "字段重复", "this field stands twice"))
        elif known is not None and name not in known:
            found.append(Remark(str(path), key.start_mark.line + 1, where + name, "unknown_field", "不认识的字段", "nobody knows this field"))
        seen.add(name)
    return found


def _line(node: Any, field: str) -> int:
    """The line of a field inside a mapping node, else of the node."""
    import yaml

    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if isinstance(key.value, str) and key.value == field.split(".")[0].split("[")[0]:
            return int(value.start_mark.line) + 1
    return int(node.start_mark.line) + 1


def _read_entry(path: Path, n: int, node: Any, remarks: list[Remark]) -> CameraSetup | None:
    import yaml

    def remark(field: str, code: str, zh: str, en: str, *, fatal: bool = True) -> None:
        remarks.append(Remark(str(path), _line(node, field), f"cameras[{n}]" + (f".{field}" if field else ""), code, zh, en, fatal))

    try:
        loader = yaml.SafeLoader("")
        entry = msgspec.convert(loader.construct_document(node), CameraEntry)
    except msgspec.ValidationError as error:
        text, _, where = str(error).partition(" - at `$")
        field = where.strip(".`")
        if "`" in text and ("missing" in text or "unknown" in text):
            field = text.split("`")[1]
        remark(mask(field), "invalid_field", f"字段不符合要求（{mask(text)}）", mask(text))
        return None
    except (yaml.YAMLError, ValueError, RecursionError):  # a number of five thousand digits is a ValueError
        remark("", "malformed_yaml", "不是有效的 YAML", "this is not valid YAML")
        return None
    field = "url"
    try:
        credentials = None
        if entry.credentials_file is not None:
            field = "credentials_file"
            credentials = read_credentials(path.parent / entry.credentials_file)
        field = "url"
        main = Address(entry.url, credentials)
        field = "sub_url"
        sub = Address(entry.sub_url, credentials) if entry.sub_url else None
    except Rejected as error:
        remark(field, error.code, error.zh, error.en)
        return None
    for field, address in (("url", main), ("sub_url", sub)):
        if address is not None and address.has_password:
            remark(field, "password_in_url", "地址中含有密码，请移到 credentials_file", "a password in the address: move it to a credentials_file",
                   fatal=False)
    if entry.keep_open == "sub" and sub is None:
        remark("keep_open", "no_sub_stream", "没有 sub_url，无法保持子码流", "there is no sub_url to keep open")
        return None
    warned = ("password_in_url",) if main.has_password or (sub is not None and sub.has_password) else ()
    return CameraSetup(msgspec.structs.replace(entry, url=main.masked, sub_url=sub.masked if sub else None), main, sub, warned)


class CameraUnit:
    """One running camera: its feeds, previews, health, detectors and outlet."""

    def __init__(self, setup: CameraSetup, publisher: Publisher, changed: Callable[[], None], *, reader: Reader, previews: Executor,
                 references: Path | None = None, advise: Callable[[Advisory], None] = lambda advisory: None) -> None:
        entry = setup.entry
        self.entry = entry
        self._reader, self._previews = reader, previews
        self._publisher, self._changed, self._references, self._advise = publisher, changed, references, advise
        rings = {"main": Ring(entry.pre_event_s)} | ({"sub": Ring(0)} if setup.sub else {})
        self.outlet = Outlet(entry.id, publisher, rings)
        self.health = Health(entry.preview_s, datetime.now(UTC))
        self._advised: dict[str, float] = {}
        self.trouble: Trouble | None = None
        self._warned = setup.warned
        self._noted: dict[str, float] = {}
        self._told: list[tuple[object, ...]] = []
        self._pictures = KeyFrames()
        self._detectors: list[Detector] = [MotionDetector()] if entry.motion else []
        for model in entry.onnx:
            try:
                self._detectors.append(OnnxDetector(model.name, Path(model.model), model.labels, size=model.size, least_score=model.least_score))
            except Rejected as error:
                self._leave_out(model.name, error)
        self._tracks: dict[str, Tracks] = {}
        self._lock = threading.Lock()
        self._preview_due = 0.0
        self._previewed: Future[None] | None = None
        self._preview_seq = 0
        self._snapshot = False
        options = SourceOptions(transport=entry.transport, timeout_s=entry.timeout_s, max_mbps=entry.max_mbps, idle_picture_s=entry.preview_s,
                                longest_pause_s=entry.longest_pause_s)
        addresses = {"main": setup.main} | ({"sub": setup.sub} if setup.sub else {})
        self.feeds = {name: Feed(name, entry.id, address, options, self._take, lambda: self.outlet.is_wanted, reader=reader,
                                 heavy=lambda: self.outlet.transcodes) for name, address in addresses.items()}
        self._load_references()

    def start(self) -> None:
        """Open the stream that stays open."""
        self.feeds[self.entry.keep_open].start()

    def stop(self) -> None:
        """Close all streams."""
        for feed in self.feeds.values():
            feed.stop()

    def command(self, command: Command) -> None:
        """Start, stop, change the quality or take a snapshot."""
        match command.kind:
            case CommandKind.START | CommandKind.STOP | CommandKind.QUALITY:
                self.outlet.command(command)
                self._reader.hurry()
                self._run_wanted()
            case CommandKind.SNAPSHOT:
                self._snapshot, self._preview_due = True, 0.0
            case _:
                log.warning("command not for a camera", extra={"camera": self.entry.id, "kind": command.kind})

    def tick(self) -> None:
        """About once a second: open and close what is asked for, see whether the camera has gone."""
        self._run_wanted()
        with self._lock:
            changed = self.health.tick(datetime.now(UTC))
        if changed:
            self._tell()
        told, self._told = self._told, news((self.presence(),))
        if not changed and told and told != self._told:
            log.info("camera says", extra={"camera": self.entry.id, "measure": self.presence().measure})
            self._changed()

    def _run_wanted(self) -> None:
        wanted = self.outlet.wanted_feeds() | {self.entry.keep_open}
        for name, feed in self.feeds.items():
            if name in wanted:
                feed.start()
            elif feed.is_running:
                feed.stop()

    def presence(self) -> Camera:
        """What the agent's presence says of this camera."""
        with self._lock:
            tracks = self._tracks.get("main") or self._tracks.get("sub")
            video = tracks.video if tracks else None
            said = [self.health.measure, *self._troubles()]
            measure = "; ".join(dict.fromkeys(word for word in said if word))
            return Camera(id=self.entry.id, name=self.entry.name, health=self.health.state, since=self.health.since, measure=measure or None,
                          codec=video.text if video else None, width=video.width if video else None, height=video.height if video else None,
                          dropped_audio=tracks.dropped_audio if tracks else None)

    def _troubles(self) -> list[str]:
        """The codes of what is wrong beside the picture itself, the most telling first."""
        now, level = time.monotonic(), self._publisher.level()
        clock = self.feeds[self.entry.keep_open].source.clock
        return [
            *([self.trouble.code] if self.trouble is not None else []),
            *(["flood"] if any(feed.source.floods for feed in self.feeds.values()) else []),
            *([f"uplink={level.name.lower()}"] if level > Level.FULL else []),
            *(["no_media_line"] if self._publisher.is_down() else []),
            *([f"clock_wrong={roughly(clock.off_s)}"] if clock.off_s is not None and clock.is_wrong else []),
            *(code for code, until in self._noted.items() if now < until),
            *self._warned,
        ]

    def _note(self, code: str) -> None:
        """Something that happened and is over is said for a while."""
        self._noted[code] = time.monotonic() + NOTED_S

    def _tell(self) -> None:
        log.info("camera health", extra={"camera": self.entry.id, "state": self.health.state, "measure": self.health.measure})
        self._changed()

    def _take(self, feed: str, event: Tracks | Unit | Trouble) -> None:
        if isinstance(event, Unit):
            self.outlet.unit(feed, event)
            if feed == self.entry.keep_open and event.key and event.track is Track.VIDEO and time.monotonic() >= self._preview_due:
                self._begin_preview(feed, event)
        elif isinstance(event, Tracks):
            self._take_tracks(feed, event)
        elif event.code in PASSING:
            log.warning("camera trouble", extra={"camera": self.entry.id, "feed": feed, "trouble": event.code})
            self._note(event.code)
        else:
            with self._lock:
                self.trouble = event
                changed = feed == self.entry.keep_open and self.health.trouble(event.code, datetime.now(UTC))
            if changed:
                self._tell()

    def _take_tracks(self, feed: str, tracks: Tracks) -> None:
        with self._lock:
            before, self._tracks[feed] = self._tracks.get(feed), tracks
        self.outlet.tracks(feed, tracks)
        if before is not None and (before.video.width, before.video.height) != (tracks.video.width, tracks.video.height):
            log.warning("camera changed the size of its picture", extra={
                "camera": self.entry.id, "feed": feed, "before": f"{before.video.width}x{before.video.height}",
                "after": f"{tracks.video.width}x{tracks.video.height}"})
            self._note("resized")

    def _begin_preview(self, feed: str, unit: Unit) -> None:
        """Have a key frame looked at, in the thread of the previews: it takes several pictures' time. None is begun while the last one waits.

        A quarter of a period early still counts, so that a GOP of 2 s meets 2 s."""
        if self._previewed is not None and not self._previewed.done():
            return
        self._look_again(self.entry.preview_s)
        with self._lock:
            config = self._tracks[feed].video
        with contextlib.suppress(RuntimeError):  # the group ends
            self._previewed = self._previews.submit(self._preview, config, unit)
            self._previewed.add_done_callback(self._say_failure)

    def _say_failure(self, previewed: Future[None]) -> None:
        if not previewed.cancelled() and (error := previewed.exception()) is not None:
            log.error("a preview failed", extra={"camera": self.entry.id}, exc_info=error)

    def _preview(self, config: VideoConfig, unit: Unit) -> None:
        """Decode one key frame: health, detectors, JPEG. What may have changed is looked at again after half a period, so that it is named within two."""
        picture = self._pictures.picture(config, unit)
        if picture is None:
            return
        with self._lock:
            known = len(self.health.references)
            changed = self.health.take(picture, datetime.now(UTC))
            learnt = len(self.health.references) != known
            if self.health.doubtful:
                self._look_again(self.entry.preview_s / 2)
            self.trouble = None
        if learnt:
            self._save_reference(picture)
        self._detect(picture)
        self._publish(config, unit, picture)
        if changed:
            self._tell()

    def _detect(self, picture: Any) -> None:
        """Tell what the detectors think they see, each kind once in a while."""
        now, at = time.monotonic(), datetime.now(UTC)
        for detector in list(self._detectors):
            try:
                found = detector.examine(picture)
            except Rejected as error:
                self._detectors.remove(detector)
                self._leave_out(detector.name, error)
                continue
            for seen in found:
                if now - self._advised.get(seen.kind, float("-inf")) >= ADVISE_EVERY_S:
                    self._advised[seen.kind] = now
                    log.info("camera advises", extra={"camera": self.entry.id, "kind": seen.kind, "score": round(seen.score, 3)})
                    self._advise(Advisory(camera_id=self.entry.id, at=at, kind=seen.kind, score=round(seen.score, 3), detector=seen.detector))

    def _leave_out(self, model: str, error: Rejected) -> None:
        """A model that does not fit is named, and the camera goes on without it."""
        log.error("a model is left out", extra={"camera": self.entry.id, "model": model, "trouble": error.code, "reason": error.en})
        self._warned = (*self._warned, error.code)

    def _look_again(self, after_s: float) -> None:
        self._preview_due = time.monotonic() + after_s * 0.75

    def _publish(self, config: Any, unit: Unit, picture: Any) -> None:
        self._preview_seq += 1
        if self._snapshot and (full := self._pictures.picture(config, unit, config.width)) is not None:
            self._snapshot = False
            body = media_header(MediaKind.PREVIEW, key=True, seq=self._preview_seq, wall_ms=unit.wall_ms) + jpeg(full, 85)
            self._publisher.send(self.entry.id, MediaKind.PREVIEW, body, must=True)
            return
        send_preview(self._publisher, Preview(self.entry.id, jpeg(picture), unit.wall_ms, self._preview_seq))

    def _reference_file(self, light: str) -> Path | None:
        return self._references / f"{self.entry.id}.{light}.png" if self._references else None

    def _load_references(self) -> None:
        """Reference views outlive a restart, so that a camera turned meanwhile is noticed."""
        for light in ("bright", "dark"):
            file = self._reference_file(light)
            if file is not None and file.is_file():
                import cv2

                from streams.health import view

                if (picture := cv2.imread(str(file))) is not None:
                    self.health.references[light] = view(picture)

    def _save_reference(self, picture: Any) -> None:
        import cv2

        light = list(self.health.references)[-1]
        file = self._reference_file(light)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(file), picture)


def roughly(seconds: float) -> str:
    """A stretch in whole minutes, hours or days, with its sign: it is said of a clock that is off, and need not be told anew each second."""
    name, unit_s = next(((name, unit_s) for name, unit_s in (("d", 86_400), ("h", 3600)) if abs(seconds) >= 2 * unit_s), ("m", 60))
    return f"{seconds / unit_s:+.0f}{name}"


class CameraGroup:
    """The cameras of one process with their media connection. `changed` is called from any thread when a camera's health changed, `advise` with
    what a detector thinks it saw."""

    def __init__(self, setups: list[CameraSetup], link: MediaLink, changed: Callable[[], None] = lambda: None, *,
                 limits: UplinkLimits | None = None, references: Path | None = None, advise: Callable[[Advisory], None] = lambda advisory: None) -> None:
        self.publisher = Publisher(link, self._command, self._connected, limits=limits)
        self._reader, self._previews = Reader(), ThreadPoolExecutor(1, "previews")
        self.units = {setup.entry.id: CameraUnit(setup, self.publisher, changed, reader=self._reader, previews=self._previews, references=references,
                                                 advise=advise) for setup in setups}
        self._stop = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="cameras tick", daemon=True)

    def start(self) -> None:
        """Connect and open the cameras, spread over the first second so that they do not all decode at once."""
        self.publisher.start()
        for unit in self.units.values():
            unit.start()
        self._ticker.start()

    def stop(self) -> None:
        """Close everything; waits a little for the threads."""
        self._stop.set()
        for unit in self.units.values():
            unit.stop()
        self.publisher.stop()
        for unit in self.units.values():
            for feed in unit.feeds.values():
                feed.stop(wait_s=1.0)
        self._reader.close()
        self._previews.shutdown(wait=False, cancel_futures=True)
        self._ticker.join(2.0)

    def presence(self) -> tuple[Camera, ...]:
        """Every camera as presence says it."""
        return tuple(unit.presence() for unit in self.units.values())

    def _tick(self) -> None:
        while not self._stop.wait(0.5):
            for unit in self.units.values():
                unit.tick()

    def _command(self, command: Command) -> None:
        unit = self.units.get(command.camera_id or "")
        if unit is not None:
            unit.command(command)

    def _connected(self) -> None:
        for unit in self.units.values():
            unit.outlet.resend()


def news(cameras: tuple[Camera, ...]) -> list[tuple[object, ...]]:
    """What of them is worth telling at once: all but the figures that each picture measures anew (what is wrong stands behind them)."""
    return [(camera.health, camera.codec, camera.width, camera.height, camera.dropped_audio, troubles_of(camera.health, camera.measure)) for camera in cameras]


class _Job(Struct, frozen=True):
    """What a child process is told over its standard input: file, which cameras, link."""

    file: str
    camera_ids: tuple[str, ...]
    link: MediaLink
    references: str | None


class _Word(Struct, frozen=True):
    """What a child process says of its cameras, a line each time."""

    cameras: tuple[Camera, ...]
    advisories: tuple[Advisory, ...] = ()


class Cameras:
    """All cameras of an agent as an async context manager; divides them among processes where there are many.

    `presence()` is always the latest; `changed` is set whenever a camera's health changed (clear it before reading); `advised` holds what detectors
    think they saw. A file that is changed is taken over while running, all of it; one with a mistake is named in the log and the cameras go on as
    they were.
    """

    def __init__(self, file: Path, link: MediaLink, *, references: Path | None = None, per_process: int = PER_PROCESS) -> None:
        self.changed = asyncio.Event()
        self.advised: asyncio.Queue[Advisory] = asyncio.Queue(MOST_ADVISORIES)
        self.restarts = 0
        self._file, self._link, self._references, self._per_process = file, link, references, per_process
        self._stamp = _stamp(file)
        self.setups, self.remarks = read_cameras(file)
        self._group: CameraGroup | None = None
        self._parts: list[tuple[Camera, ...]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._watcher: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Cameras:
        self._begin()
        self._watcher = asyncio.create_task(self._watch_file(), name="cameras file")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        await self._end()

    def _begin(self) -> None:
        for remark in self.remarks:
            log.warning("cameras file: %s", remark)
        loop = asyncio.get_running_loop()
        if len(self.setups) <= self._per_process:

            def tell() -> None:
                loop.call_soon_threadsafe(self.changed.set)

            def advise(advisory: Advisory) -> None:
                loop.call_soon_threadsafe(self._take_advisory, advisory)

            self._group = CameraGroup(self.setups, self._link, tell, references=self._references, advise=advise)
            self._group.start()
            return
        count = -(-len(self.setups) // self._per_process)
        ids = [setup.entry.id for setup in self.setups]
        self._parts = [tuple(Camera(id=name) for name in ids[n::count]) for n in range(count)]
        for n in range(count):
            link = msgspec.structs.replace(self._link, part=n)
            job = _Job(str(self._file), tuple(ids[n::count]), link, str(self._references) if self._references else None)
            self._tasks.append(asyncio.create_task(self._run_child(n, job), name=f"cameras process {n}"))

    async def _end(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        group, self._group = self._group, None
        if group is not None:
            await asyncio.to_thread(group.stop)

    async def _watch_file(self) -> None:
        """Take a changed file over once it stands still (an editor writes it in pieces) and has no mistake."""
        seen = self._stamp
        while True:
            await asyncio.sleep(FILE_S)
            before, seen = seen, await asyncio.to_thread(_stamp, self._file)
            if seen == self._stamp or seen != before:
                continue
            self._stamp = seen
            setups, remarks = await asyncio.to_thread(read_cameras, self._file)
            if any(remark.fatal for remark in remarks):
                log.error("the changed cameras file is not used: the cameras go on as they were")
                for remark in remarks:
                    log.error("cameras file: %s", remark)
                continue
            log.info("the changed cameras file is taken over", extra={"cameras": len(setups)})
            self._parts = [self.presence()]  # what is said of them meanwhile
            await self._end()
            self.setups, self.remarks = setups, remarks
            self._begin()
            self.changed.set()

    def presence(self) -> tuple[Camera, ...]:
        """Every camera with its health, in the order of the file."""
        if self._group is not None:
            return self._group.presence()
        known = {camera.id: camera for part in self._parts for camera in part}
        return tuple(known.get(setup.entry.id) or Camera(id=setup.entry.id, health=HealthState.OFFLINE, measure="not_shown") for setup in self.setups)

    def _take_advisory(self, advisory: Advisory) -> None:
        with contextlib.suppress(asyncio.QueueFull):  # a hint that comes late is none
            self.advised.put_nowait(advisory)

    async def _run_child(self, n: int, job: _Job) -> None:
        """Keep one child process running; a child that ends is started again, its cameras offline meanwhile."""
        pause_s = 1.0
        while True:
            began = time.monotonic()
            child = await asyncio.create_subprocess_exec(sys.executable, "-m", "agents.cameras", stdin=asyncio.subprocess.PIPE,
                                                         stdout=asyncio.subprocess.PIPE, limit=1 << 22)
            try:
                await self._follow(n, child, job)
            finally:
                if child.stdin is not None:
                    child.stdin.close()
                if child.returncode is None:
                    try:
                        await asyncio.wait_for(child.wait(), 5)
                    except TimeoutError:
                        child.kill()
                        await child.wait()
            self.restarts += 1
            self._parts[n] = tuple(msgspec.structs.replace(camera, health=HealthState.OFFLINE, since=datetime.now(UTC), measure="process_ended")
                                   for camera in self._parts[n])
            self.changed.set()
            pause_s = 1.0 if time.monotonic() - began > 60 else min(pause_s * 2, 60)
            await asyncio.sleep(pause_s)

    async def _follow(self, n: int, child: asyncio.subprocess.Process, job: _Job) -> None:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(msgspec.json.encode(job) + b"\n")
        await child.stdin.drain()
        while line := await child.stdout.readline():
            word = msgspec.json.decode(line, type=_Word)
            for advisory in word.advisories:
                self._take_advisory(advisory)
            before, self._parts[n] = self._parts[n], word.cameras
            if news(before) != news(self._parts[n]):
                self.changed.set()


def run_child() -> None:
    """A child process: its job from the first line of standard input, presence as JSON lines on standard output, until the input closes."""
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=_Job)
    setups = [setup for setup in read_cameras(Path(job.file))[0] if setup.entry.id in job.camera_ids]
    changed = threading.Event()
    advisories: deque[Advisory] = deque(maxlen=MOST_ADVISORIES)

    def advise(advisory: Advisory) -> None:
        advisories.append(advisory)
        changed.set()

    group = CameraGroup(setups, job.link, changed.set, references=Path(job.references) if job.references else None, advise=advise)
    over = threading.Event()

    def wait_for_end() -> None:
        sys.stdin.buffer.read()
        over.set()
        changed.set()

    threading.Thread(target=wait_for_end, name="parent watch", daemon=True).start()
    group.start()
    while not over.is_set():
        said = tuple(advisories.popleft() for _ in range(len(advisories)))
        sys.stdout.buffer.write(msgspec.json.encode(_Word(group.presence(), said)) + b"\n")
        sys.stdout.buffer.flush()
        changed.wait(5.0)
        changed.clear()
    group.stop()


if __name__ == "__main__":
    run_child()
