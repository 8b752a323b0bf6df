"""The contract between agents and the hub: topics, messages, and how bytes become messages. Agents import only this of the hub.

Written out for people in docs/wire.md; the JSON Schema in docs/wire.schema.json is generated from these types.
Nothing here does I/O or knows a rule about emergencies: decoding gives a valid message or raises `Rejected`.
"""

from __future__ import annotations

import hashlib
import re
import struct
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import MAXYEAR, MINYEAR, date, datetime
from enum import StrEnum
from typing import Annotated, Any, Final, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from hub.errors import Rejected
from hub.ids import exactly, is_id, is_slug

__all__ = [
    "Advisory", "Attachment", "Camera", "Casualties", "Command", "CommandKind", "Crs", "Daily", "Hazmat", "MediaKind", "Place", "Presence", "Receipt",
    "ReceiptStatus", "Report", "ReportKind", "Reporter", "Telemetry", "Topics", "Wind", "content_hash", "decode", "decode_daily",
    "decode_report", "encode", "explain", "media_header", "parse_media", "schema",
]

VERSION: Final = "v1"
MAX_MESSAGE_BYTES: Final = 262_144
"""Largest up message in bytes (our own choice: a first report is about 1 kB, a long text of 100,000 characters 300 kB is refused)."""
MAX_MEDIA_BYTES: Final = 4_194_304
"""Largest media message in bytes (our own choice: a 4K key frame at 20 Mbit/s stays below 2 MB)."""
MEDIA_SUFFIX: Final = ".media"
HUB_USER: Final = "hub"
HUB_MEDIA: Final = "hub-media"
"""The hub's own names at the broker: for messages, and for media."""

ShortText = Annotated[str, Meta(max_length=500)]
LongText = Annotated[str, Meta(max_length=20_000)]
Count = Annotated[int, Meta(ge=0, le=10_000_000)]
Adcode = Annotated[str, Meta(pattern=exactly("[0-9]{6}([0-9]{3}|[0-9]{6})?"))]
EventType = Annotated[str, Meta(pattern=exactly("1[0-4]([A-Z][0-9A-Z]{2}|000)"))]
CameraId = Annotated[str, Meta(pattern=exactly(r"[^/+#\s]{1,63}"))]
Sha256 = Annotated[str, Meta(pattern=exactly("[0-9a-f]{64}"))]


class ReportKind(StrEnum):
    """初报, 续报, 终报, 核报."""

    INITIAL = "initial"
    FOLLOW_UP = "follow_up"
    FINAL = "final"
    VERIFICATION = "verification"


class Crs(StrEnum):
    """Coordinate reference systems a place may come in; the hub stores WGS-84 and keeps which one was sent."""

    WGS84 = "WGS84"
    CGCS2000 = "CGCS2000"
    GCJ02 = "GCJ02"
    BD09 = "BD09"


class ReceiptStatus(StrEnum):
    """What became of a message; only `stored` and `duplicate` mean that it is on the hub's disk."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    UNAVAILABLE = "unavailable"


class Place(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Where: words, a point in degrees (with its `crs`), an administrative code of 6, 9 or 12 digits; one of them at least in a first report."""

    text: ShortText | None = None
    lon: Annotated[float, Meta(ge=-180, le=180)] | None = None
    lat: Annotated[float, Meta(ge=-90, le=90)] | None = None
    crs: Crs = Crs.WGS84
    adcode: Adcode | None = None
    road: ShortText | None = None
    road_km: Annotated[float, Meta(ge=0, le=10_000)] | None = None
    enterprise_id: Annotated[str, Meta(max_length=63)] | None = None


class Casualties(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Numbers of people; None means not known, which is not zero."""

    dead: Count | None = None
    missing: Count | None = None
    seriously_injured: Count | None = None
    injured: Count | None = None
    trapped: Count | None = None
    evacuated: Count | None = None
    poisoned: Count | None = None


class Hazmat(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One dangerous load or tank: UN number (four digits), HIN (Kemler), name, quantity in kg, container, what it is doing."""

    un: Annotated[str, Meta(pattern=exactly("[0-9]{4}"))] | None = None
    hin: Annotated[str, Meta(pattern=exactly("X?[0-9]{2,4}"))] | None = None
    name: ShortText | None = None
    cas: Annotated[str, Meta(pattern=exactly("[0-9]{2,7}-[0-9]{2}-[0-9]"))] | None = None
    quantity_kg: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    container: Annotated[str, Meta(max_length=40)] | None = None
    leak: bool | None = None
    fire: bool | None = None
    explosion: bool | None = None
    vehicle_plate: Annotated[str, Meta(max_length=20)] | None = None
    trailer_plate: Annotated[str, Meta(max_length=20)] | None = None
    carrier: ShortText | None = None
    waybill_no: Annotated[str, Meta(max_length=60)] | None = None


class Reporter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who says so: personal data, masked for departments that are only informed."""

    name: ShortText | None = None
    post: ShortText | None = None
    phone: Annotated[str, Meta(max_length=40)] | None = None


class Attachment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file named by its content; it follows by resumable upload (tus), the report does not wait for it."""

    sha256: Sha256
    name: Annotated[str, Meta(min_length=1, max_length=255)]
    media_type: Annotated[str, Meta(max_length=120)]
    size_bytes: Annotated[int, Meta(ge=0, le=10_737_418_240)]


class Report(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """A report of an incident. Required: id, kind, occurred_at, a title or a text, and a place. A first report must be fast."""

    id: str
    kind: ReportKind
    occurred_at: datetime
    place: Place
    heard_at: datetime | None = None
    event_types: Annotated[tuple[EventType, ...], Meta(max_length=8)] = ()
    title: ShortText | None = None
    text: LongText | None = None
    urgent: bool = False
    drill: bool = False
    source: ShortText | None = None
    cause: LongText | None = None
    course: LongText | None = None
    scope: LongText | None = None
    trend: LongText | None = None
    measures_taken: LongText | None = None
    measures_planned: LongText | None = None
    casualties: Casualties | None = None
    loss_yuan: Annotated[float, Meta(ge=0, le=1e15)] | None = None
    hazmat: Annotated[tuple[Hazmat, ...], Meta(max_length=20)] = ()
    reporter: Reporter | None = None
    signed_off_by: ShortText | None = None
    incident_id: str | None = None
    attachments: Annotated[tuple[Attachment, ...], Meta(max_length=50)] = ()
    signature: Annotated[str, Meta(max_length=200)] | None = None


class Daily(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A department's report of a day (日报); `zero` says that nothing happened (零报告), `values` fill the template's fields."""

    id: str
    department: str
    template: Annotated[str, Meta(min_length=1, max_length=63)]
    day: date
    zero: bool
    values: dict[str, Any] = {}
    note: LongText | None = None


class Receipt(Struct, frozen=True, kw_only=True, gc=False):
    """The hub's answer to one message, by its id. `stored` is sent only after the transaction is on disk.

    `retry_after_s` stands beside `unavailable`; `reason`, `field` and `message` beside `rejected`.
    """

    id: str
    status: ReceiptStatus
    receipt_no: str | None = None
    stored_at: str | None = None
    seq: int | None = None
    incident_id: str | None = None
    reason: str | None = None
    field: str | None = None
    message: str | None = None
    retry_after_s: float | None = None
    signature: str | UnsetType = UNSET


NO_PICTURE: Final = frozenset({"offline", "connecting"})
"""The states of a camera in which it has no picture at all."""


class Camera(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an agent says of one of its cameras in `presence`; `health` is one of the states of `streams.health`; `dropped_audio`: the codec of
    the sound that is left out."""

    id: CameraId
    name: ShortText | None = None
    health: Annotated[str, Meta(max_length=40)] = "connecting"
    since: datetime | None = None
    measure: str | None = None
    codec: str | None = None
    width: int | None = None
    height: int | None = None
    dropped_audio: Annotated[str, Meta(max_length=40)] | None = None


def troubles_of(health: str, measure: str | None) -> tuple[str, ...]:
    """The stable codes of what is wrong with a camera (docs/video.md), out of its `measure`: `FIGURE; CODE; CODE…`, without the figure where
    there is no picture to measure."""
    parts = [part.strip().replace("=", "_")[:40] for part in (measure or "").split(";")]
    return tuple(part for part in parts[0 if health in NO_PICTURE else 1:] if part)[:8]


class Presence(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Retained at `up/presence`; the last will says `online: false`. `queued` counts reports not yet receipted."""

    online: bool
    at: datetime | None = None
    version: Annotated[str, Meta(max_length=40)] | None = None
    queued: Count = 0
    cameras: Annotated[tuple[Camera, ...], Meta(max_length=2000)] = ()


class Wind(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A wind measured at a place. `from_deg`: where it comes from, degrees from true north; `speed_mps`: metres a second."""

    from_deg: Annotated[float, Meta(ge=0, le=360)]
    speed_mps: Annotated[float, Meta(ge=0, le=120)]
    at: datetime
    station: ShortText | None = None
    lon: Annotated[float, Meta(ge=-180, le=180)] | None = None
    lat: Annotated[float, Meta(ge=-90, le=90)] | None = None


class Telemetry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Measurements of an agent: its own queue, clock and whatever instruments it reads."""

    at: datetime
    queued: Count = 0
    oldest_queued_s: float | None = None
    rtt_ms: float | None = None
    skew_ms: float | None = None
    wind: Wind | None = None
    values: dict[str, float] = {}


class Advisory(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a detector at an agent thinks it saw on a camera (`motion`, or a label of a model): a hint for a person, never a report. Gets no receipt."""

    camera_id: CameraId
    at: datetime
    kind: Annotated[str, Meta(min_length=1, max_length=40)]
    score: Annotated[float, Meta(ge=0, le=1)]
    detector: Annotated[str, Meta(max_length=63)]


class CommandKind(StrEnum):
    """What the hub may ask of an agent; `start` and `stop` go to the media identity, the rest to the agent."""

    START = "start"
    STOP = "stop"
    SNAPSHOT = "snapshot"
    QUALITY = "quality"
    RESEND = "resend"
    NOTICE = "notice"
    TASK = "task"


class Command(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The hub's word to an agent on `down/command`. `camera_id` for media; `until` bounds a start by the agent's own clock as well."""

    id: str
    kind: CommandKind
    at: datetime
    camera_id: str | None = None
    quality: str | None = None
    fragment_s: float | None = None
    ttl_s: float | None = None
    title: str | None = None
    text: str | None = None
    body: dict[str, Any] = {}


class MediaKind(StrEnum):
    """The last level of a media topic."""

    PREVIEW = "preview"
    INIT = "init"
    MEDIA = "media"


class MediaHeader(NamedTuple):
    """The 14 bytes before each media payload: kind number, flags (1 key, 2 cached, 4 before the event, 8, 16 and 32 for whom: `ASKED`), sequence,
    wall-clock milliseconds."""

    kind: int
    flags: int
    seq: int
    wall_ms: int


_HEADER = struct.Struct(">BBIQ")
MEDIA_HEADER_BYTES: Final = _HEADER.size
KEY_FRAME: Final = 1
CACHED: Final = 2
PRE_EVENT: Final = 4
ASKED: Final = {"main": 8, "sub": 16, "h264": 32}
"""For whom init and media are: those who asked for this quality. Several bits where one stream serves several, none where it serves everybody."""
_KIND_NO: Final = {MediaKind.PREVIEW: 1, MediaKind.INIT: 2, MediaKind.MEDIA: 3}


def media_header(kind: MediaKind, *, key: bool, seq: int, wall_ms: int, cached: bool = False, pre_event: bool = False,
                 asked: int = 0) -> bytes:
    """Pack a media header (big endian); `seq` wraps at 2**32, `asked`: bits of `ASKED`."""
    flags = (KEY_FRAME if key else 0) | (CACHED if cached else 0) | (PRE_EVENT if pre_event else 0) | asked
    return _HEADER.pack(_KIND_NO[kind], flags, seq & 0xFFFFFFFF, wall_ms)


def parse_media(payload: bytes | memoryview) -> MediaHeader:
    """Read the header of a media message; raises Rejected for a short one or an unknown kind."""
    if len(payload) < MEDIA_HEADER_BYTES:
        raise Rejected("malformed_media", "媒体消息不足 14 字节", "a media message of fewer than 14 bytes")
    header = MediaHeader(*_HEADER.unpack_from(payload))
    if header.kind not in (1, 2, 3):
        raise Rejected("malformed_media", "媒体消息类型未知", "an unknown kind of media message", field="kind")
    return header


def publish_packet(topic: bytes, payload: bytes) -> bytes:
    """A QoS 0 publication (MQTT 3.1.1, 3.3)."""
    length = 2 + len(topic) + len(payload)
    head = bytearray((0x30,))
    while True:
        head.append(length & 0x7F | (0x80 if length > 0x7F else 0))
        length >>= 7
        if not length:
            break
    head += len(topic).to_bytes(2, "big")
    return bytes(head) + topic + payload


class Topics:
    """The topics of one hub (default id `district`). An agent publishes below `up/` and subscribes below `down/` of its own id only."""

    def __init__(self, hub: str = "district") -> None:
        self.hub = hub
        self.root = f"tocsin/{VERSION}/{hub}/agents"

    def up(self, agent_id: str, what: str) -> str:
        """`report`, `daily`, `presence`, `telemetry` or `advisory` of an agent."""
        return f"{self.root}/{agent_id}/up/{what}"

    def down(self, agent_id: str, what: str) -> str:
        """`receipt` or `command` for an agent (or for its media identity)."""
        return f"{self.root}/{agent_id}/down/{what}"

    def media(self, agent_id: str, camera_id: str, kind: MediaKind) -> str:
        """Where the media identity of `agent_id` publishes one camera."""
        return f"{self.root}/{agent_id}{MEDIA_SUFFIX}/up/camera/{camera_id}/{kind}"

    def all_up(self, what: str) -> str:
        """The hub's subscription to one kind of up message of every agent."""
        return f"{self.root}/+/up/{what}"

    def split(self, topic: str) -> tuple[str, str] | None:
        """(agent id as written in the topic, the rest below `up/`), or None where the topic is not an agent's up topic."""
        prefix = self.root + "/"
        if not topic.startswith(prefix):
            return None
        agent_id, _, rest = topic[len(prefix):].partition("/up/")
        return (agent_id, rest) if agent_id and rest else None


T = TypeVar("T", bound=Struct)

_decoders: dict[type[Any], msgspec.json.Decoder[Any]] = {}
_encoder = msgspec.json.Encoder()
# C0 controls other than tab, line feed and carriage return; DEL; C1; bidirectional overrides; U+FFFE and U+FFFF, which no XML (so no Word or Excel file) takes;
# lone surrogates cannot arrive in UTF-8.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Mn", "Zl", "Zp", "Zs"})
"""General categories of what takes no ink by itself: controls, formats (zero-width space and joiners), marks, separators (Unicode, UAX 44, table 12)."""
_FILLERS: Final = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and symbols that are blank all the same: the Hangul fillers and the empty Braille pattern."""
_CONTROL_BYTES = re.compile(rb"\\u00[01][0-9a-fA-F]|\\u007[fF]|\\u00[89][0-9a-fA-F]|\\[bf]|\\u20(?:2[a-eA-E]|6[6-9])|\\u[fF](?:[eE][fF][fF]|[fF]{2}[eEfF])|"
                            rb"\x7f|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]|\xef\xbb\xbf|\xef\xbf[\xbe\xbf]")
BOM: Final = b"\xef\xbb\xbf"
_AS_ZERO: Final = bytes(ord("0") if byte in b"0123456789" else byte for byte in range(256))
_MANY_DIGITS: Final = b"0" * 16
MOST: Final = 2**53 - 1
"""The largest whole number that every reader of JSON keeps as it is (RFC 8259, 6); databases keep no more than 2^63 - 1."""
_ODD_TIME = re.compile(rb'(?:0001|9999)-|:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?"|\\u00[23]')
"""A time in the calendar's first or last year, or without an offset; or one whose letters are escaped."""
_MOST_PATH: Final = 200
"""How much of a path is named in a refusal: its names are the sender's (our own choice; ours are all shorter)."""
_FIELD = re.compile(r" - at `\$?\.?([^`]*)`")


def encode(message: Struct) -> bytes:
    """A message as JSON bytes (UTF-8); times carry their offset."""
    return _encoder.encode(message)


def decode(payload: bytes | bytearray | memoryview, kind: type[T], *, limit_bytes: int = MAX_MESSAGE_BYTES) -> T:
    """Read a message of the given type; raises Rejected with a stable code and the field, and never anything else."""
    payload = without_bom(payload)
    if len(payload) > limit_bytes:
        raise Rejected("too_large", f"消息超过 {limit_bytes} 字节", f"the message is larger than {limit_bytes} bytes")
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    try:
        message: T = decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise explain(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Rejected("malformed_json", "不是有效的 JSON（UTF-8）", "this is not valid JSON in UTF-8") from None
    raw = bytes(payload)
    if not _printable(raw) and _CONTROL_BYTES.search(raw):
        refuse_controls(message)
    if _MANY_DIGITS in raw.translate(_AS_ZERO):
        refuse_huge(message)
    if kind is not Report and _ODD_TIME.search(payload):  # the two times of a report are looked at by `check_report`: of it there are thousands
        refuse_odd_times(message)
    return message


def _printable(raw: bytes) -> bool:
    """Is there no escape in it and nothing that Unicode calls unprintable, among which are all controls? Clears nearly every message in a third of
    the time that their pattern takes."""
    return b"\\" not in raw and raw.decode("utf-8", "replace").isprintable()


def without_bom(payload: bytes | bytearray | memoryview) -> bytes | bytearray | memoryview:
    """JSON without the byte order mark that editors on Windows put before it (RFC 8259, section 8.1: a reader may pass it over)."""
    return payload[len(BOM):] if payload[:len(BOM)] == BOM else payload


def explain(error: msgspec.ValidationError) -> Rejected:
    """Turn a validator's sentence into a stable code."""
    text = _CONTROL.sub("\ufffd", str(error))  # it repeats names that the message gave
    match = _FIELD.search(text)
    field = re.sub(r"\[(\d+|\.\.\.)\]", r".\1", match.group(1)).lstrip(".")[:_MOST_PATH] if match else None
    if "missing required field" in text:
        missing = re.search(r"missing required field `([^`]*)`", text)
        name = missing.group(1)[:_MOST_PATH] if missing else ""
        path = ".".join(part for part in (field, name) if part)
        return Rejected("missing_field", f"缺少必填项 {name}", f"the field {name} is required", field=path)
    if "unknown field" in text:
        extra = re.search(r"unknown field `([^`]*)`", text)
        name = extra.group(1)[:_MOST_PATH] if extra else ""
        path = ".".join(part for part in (field, name) if part)
        return Rejected("unknown_field", f"没有名为 {path} 的字段", f"there is no field {path}", field=path)
    if "Invalid enum value" in text or "matching regex" in text:
        return Rejected("unknown_value", f"{field} 的值不在允许范围内", f"{field}: the value is not one of those allowed", field=field)
    if "of length" in text:
        return Rejected("too_long", f"{field} 的长度不符合要求", f"{field}: the length is not allowed", field=field)
    if re.search(r"Expected `(int|float|number)` [<>]", text) or "out of range" in text:
        return Rejected("out_of_range", f"{field} 的数值超出范围", f"{field}: the number is out of range", field=field)
    if "encoded date" in text and "datetime" not in text:
        return Rejected("wrong_time", f"{field} 不是日期，应写作 2026-01-31", f"{field}: not a date such as 2026-01-31", field=field)
    if "RFC3339" in text or "Invalid date" in text or "datetime" in text:
        return Rejected("wrong_time", f"{field} 不是带时区的时间（RFC 3339）", f"{field}: not a time in RFC 3339", field=field)
    return Rejected("wrong_type", f"{field or '消息'} 的类型不对", f"{field or 'the message'}: wrong type", field=field)


def refuse_controls(value: Any, path: str = "") -> None:
    """Raise Rejected `control_characters` where any text inside carries a control or bidirectional-override character."""
    for name, leaf in _leaves(value, path):
        if isinstance(leaf, str) and not is_clean(leaf):
            raise Rejected("control_characters", f"{name} 含有控制字符", f"{name}: control characters are not allowed", field=name)


def refuse_huge(value: Any, path: str = "") -> None:
    """Raise Rejected `out_of_range` where any whole number inside is larger than `MOST`."""
    for name, leaf in _leaves(value, path):
        if isinstance(leaf, int) and abs(leaf) > MOST:
            raise Rejected("out_of_range", f"{name} 的数值超出范围", f"{name}: the number is out of range", field=name)


def refuse_odd_times(value: Any, path: str = "") -> None:
    """Raise Rejected `wrong_time` where any time inside is odd."""
    for name, leaf in _leaves(value, path):
        if isinstance(leaf, datetime):
            refuse_odd_time(leaf, name)


def refuse_odd_time(at: datetime, name: str) -> None:
    """Raise Rejected `wrong_time` for a time without an offset, or in the calendar's first or last year: with another offset it may have none."""
    if at.tzinfo is None:
        raise Rejected("wrong_time", f"{name} 必须带时区", f"{name} must carry an offset", field=name)
    if at.year in (MINYEAR, MAXYEAR):
        raise Rejected("wrong_time", f"{name} 的年份无效", f"{name}: no such year", field=name)


def is_blank(text: str | None) -> bool:
    """Does the text show nothing: none, or nothing but space, zero-width characters, marks without a letter and fillers?"""
    return not text or all(unicodedata.category(c) in _UNSEEN or c in _FILLERS for c in text)


def is_clean(text: str) -> bool:
    """Is the text free of control and bidirectional-override characters?"""
    return _CONTROL.search(text) is None


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every single value inside, and every key that the sender chose, with its dotted path."""
    if isinstance(value, Struct):
        items: Iterable[tuple[Any, Any]] = ((name, getattr(value, name)) for name in value.__struct_fields__)
    elif isinstance(value, dict):
        yield from ((path, key) for key in value)
        items = value.items()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    else:
        yield path, value
        return
    for name, item in items:
        yield from _leaves(item, (f"{path}.{name}" if path else str(name))[:_MOST_PATH])


def decode_report(payload: bytes | bytearray | memoryview) -> Report:
    """Read a report; raises Rejected. Times must carry an offset; a place needs words or a whole point; a title or a text is needed."""
    report = decode(payload, Report)
    check_report(report)
    return report


def check_report(report: Report) -> None:
    """The rules of a report that a type cannot say; raises Rejected."""
    if not is_id(report.id):
        raise Rejected("wrong_id", "id 必须是小写 UUID", "id must be a UUID in lower case", field="id")
    if report.incident_id is not None and not is_id(report.incident_id):
        raise Rejected("wrong_id", "incident_id 必须是小写 UUID", "incident_id must be a UUID in lower case", field="incident_id")
    if report.incident_id is None and report.kind is not ReportKind.INITIAL:
        raise Rejected("missing_field", "续报、终报、核报须注明事件编号 incident_id", "a report that is not the first names its incident",
                       field="incident_id")
    refuse_odd_time(report.occurred_at, "occurred_at")
    if report.heard_at is not None:
        refuse_odd_time(report.heard_at, "heard_at")
    if is_blank(report.title) and is_blank(report.text):
        raise Rejected("missing_field", "标题和正文至少填一项", "a title or a text is required", field="title")
    place = report.place
    if (place.lon is None) != (place.lat is None):
        missing = "place.lat" if place.lat is None else "place.lon"
        raise Rejected("missing_field", "经度和纬度必须同时给出", "longitude and latitude come together", field=missing)
    first = report.incident_id is None
    if first and place.lon is None and is_blank(place.text) and place.adcode is None and place.enterprise_id is None:
        raise Rejected("missing_field", "地点至少要有文字或坐标", "a place needs words or a point", field="place")


def decode_daily(payload: bytes | bytearray | memoryview) -> Daily:
    """Read a daily report; raises Rejected. Whether the values fit the template is decided where the template is known."""
    daily = decode(payload, Daily)
    if not is_id(daily.id):
        raise Rejected("wrong_id", "id 必须是小写 UUID", "id must be a UUID in lower case", field="id")
    if not is_slug(daily.department):
        raise Rejected("unknown_value", "department 不是有效的部门标识", "department is not a department id", field="department")
    return daily


def content_hash(message: Struct) -> str:
    """SHA-256 (hex) over the message's fields in their fixed order, so that the same content hashes alike however it was written."""
    return hashlib.sha256(_encoder.encode(message)).hexdigest()


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of every message, under `$defs`."""
    kinds = (Report, Daily, Receipt, Presence, Telemetry, Advisory, Command)
    _, definitions = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tocsin wire messages " + VERSION,
        "$defs": definitions,
        "anyOf": [{"$ref": f"#/$defs/{kind.__name__}"} for kind in kinds],
    }
