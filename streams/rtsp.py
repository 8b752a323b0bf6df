"""A camera read by RTSP over one TCP connection (RFC 2326, 10.12), without probing and without a parser that waits for the next picture.

libav reads what this one leaves to it (`NotOurs`): UDP, TLS, Motion JPEG over RTP, B-frames, interleaved modes, redirections.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit

from msgspec import Struct

from hub.errors import Rejected
from streams.address import Address
from streams.encode import Encoder
from streams.fragment import AudioReader, Codec, Track, shows_in_order
from streams.packet import Packet, Wait, blocking
from streams.rtp import AudioPackets, CameraClock, NotOurs, VideoPackets

_CODECS: Final = {"H264": ("h264", Codec.H264), "H265": ("hevc", Codec.H265)}
_SOUNDS: Final = {"PCMA": "pcm_alaw", "PCMU": "pcm_mulaw", "G722": "adpcm_g722", "L16": "pcm_s16be", "OPUS": "opus"}
_STATIC: Final = {"0": "PCMU/8000", "8": "PCMA/8000", "9": "G722/8000", "26": "JPEG/90000"}
LARGEST_ANSWER: Final = 65_536
KEEP_ALIVE_S: Final = 20.0
"""How often the session is kept alive; cameras let go of one after 60 s where they say nothing else (RFC 2326, 12.37)."""
HELD: Final = 4
"""Pictures that tell the order: encoders put one to three B-frames between the others."""
GATHER_S: Final = 0.0015
"""Within a picture its packets are given so long to gather: a wake-up for each of them is most of what a camera costs."""
UNWATCHED_GATHER_S: Final = 0.1
"""So long are the pictures that nobody watches given to gather: they wait for a preview or in the ring for what may happen."""
GATHERED_BYTES: Final = 65_536
"""A read that brings more is followed at once, so that the kernel's buffer never holds a camera up (our own choice: half of what Linux begins with)."""
_AGENT: Final = "tocsin"


def _garbage() -> Rejected:
    return Rejected("garbage", "摄像机发送的数据无法解析", "what the camera sends cannot be read")


class Answer(Struct, frozen=True):
    """An RTSP answer: header names in lower case."""

    status: int
    headers: dict[str, str]
    body: str


class Medium(Struct, frozen=True):
    """One `m=` section of an SDP: `name` of the encoding in capitals, its clock, `fmtp` as named values."""

    kind: str
    name: str
    rate_hz: int
    channels: int
    fmtp: dict[str, str]
    control: str


def read_sdp(text: str) -> list[Medium]:
    """The media of a description (RFC 4566), as far as they are named; unreadable lines are passed over."""
    media: list[Medium] = []
    for section in re.split(r"(?m)^m=", text)[1:]:
        lines = section.splitlines()
        words = lines[0].split()
        if len(words) < 4:
            continue
        kind, number = words[0], words[3]
        found = dict.fromkeys(("rtpmap", "fmtp", "control"), "")
        for line in lines[1:]:
            name, _, value = line.removeprefix("a=").partition(":")
            if name in ("rtpmap", "fmtp") and line.startswith("a=") and value.startswith(number + " "):
                found[name] = value.partition(" ")[2].strip()
            elif name == "control" and line.startswith("a="):
                found[name] = value.strip()
        name, _, numbers = (found["rtpmap"] or _STATIC.get(number, "")).partition("/")
        rate, _, channels = numbers.partition("/")
        pairs = (pair.strip().partition("=") for pair in found["fmtp"].split(";"))
        media.append(Medium(kind, name.upper(), int(rate) if rate.isdigit() else 0, int(channels) if channels.isdigit() else 1,
                            {key.lower(): value for key, _, value in pairs if key}, found["control"]))
    return media


def parameter_sets(medium: Medium) -> bytes:
    """What the description says of H.264 or H.265 ahead of the first picture, as Annex B; what is no base64 is left out."""
    texts = [medium.fmtp.get(key, "") for key in ("sprop-parameter-sets", "sprop-vps", "sprop-sps", "sprop-pps")]
    sets = b""
    for text in ",".join(texts).split(","):
        try:
            unit = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except binascii.Error:
            continue
        sets += b"\x00\x00\x00\x01" + unit if unit else b""
    return sets


class Credentials:
    """A user's answer to a camera's challenge: Digest (RFC 7616; MD5 and SHA-256), else Basic."""

    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user, password
        self._challenge: dict[str, str] = {}
        self._basic = False
        self._count = 0

    def challenged(self, headers: str) -> bool:
        """Take the challenges of a 401; False where none can be answered."""
        for part in re.split(r",?\s*(?=(?:Digest|Basic)\s)", headers):
            scheme, _, rest = part.strip().partition(" ")
            fields = {name.lower(): quoted or plain for name, quoted, plain in re.findall(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,]+))', rest)}
            if scheme.lower() == "digest" and fields.get("algorithm", "MD5").upper() in ("MD5", "SHA-256"):
                self._challenge, self._count, self._basic = fields, 0, False
                return True
            self._basic = self._basic or scheme.lower() == "basic"
        return self._basic

    def header(self, method: str, url: str) -> str | None:
        """The value of `Authorization` for a request, None before a challenge."""
        if self._basic:
            return "Basic " + base64.b64encode(f"{self._user}:{self._password}".encode()).decode()
        if not self._challenge:
            return None
        said = self._challenge
        algorithm = hashlib.sha256 if said.get("algorithm", "").upper() == "SHA-256" else hashlib.md5
        realm, nonce = said.get("realm", ""), said.get("nonce", "")

        def digest(*words: str) -> str:
            return algorithm(":".join(words).encode()).hexdigest()

        ha1, ha2 = digest(self._user, realm, self._password), digest(method, url)
        text = f'Digest username="{self._user}", realm="{realm}", nonce="{nonce}", uri="{url}"'
        if "auth" in said.get("qop", ""):
            self._count += 1
            count, own = f"{self._count:08x}", secrets.token_hex(8)
            text += f', response="{digest(ha1, nonce, count, own, "auth", ha2)}", qop=auth, nc={count}, cnonce="{own}"'
        else:
            text += f', response="{digest(ha1, nonce, ha2)}"'
        if "opaque" in said:
            text += f', opaque="{said["opaque"]}"'
        return text + (f', algorithm={said["algorithm"]}' if "algorithm" in said else "")


class RtspSupply:
    """An open RTSP stream: a context manager; `steps()` never blocks and raises Rejected at the end of a connection, or after `timeout_s` of silence.

    `whole`: what it gives are whole pictures, never pieces. With `unknown` the first pictures are held until their order is known, so that
    nothing has been given where it raises NotOurs for their order (unless the camera begins to reorder later). While nobody has `wanted` the pictures
    they come some at a time.
    """

    whole = True

    def __init__(self, address: Address, timeout_s: float, stop: threading.Event, *, unknown: bool = True,
                 wanted: Callable[[], bool] = lambda: True) -> None:
        parts = urlsplit(address.secret_url())
        self._host, self._port = parts.hostname or "", parts.port or 554
        self._url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        self._credentials = Credentials(unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        self._timeout, self._stop, self._wanted = timeout_s, stop, wanted
        self.codec = ""
        self.extradata = b""
        self.audio: AudioReader | None = None
        self.dropped_audio: str | None = None
        self.clock = CameraClock()
        self._sock: socket.socket | None = None
        self._buffer = b""
        self._cseq = 0
        self._session = ""
        self._keep_alive = "GET_PARAMETER"
        self._keep_alive_s = KEEP_ALIVE_S
        self._video: VideoPackets | None = None
        self._sound: AudioPackets | None = None
        self._channels: dict[int, Track] = {}
        self._hold = HELD if unknown else 0
        self._held: list[Packet] = []

    # ── opening ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def __enter__(self) -> RtspSupply:
        try:
            self._sock = socket.create_connection((self._host, self._port), timeout=self._timeout)
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open()
        except BaseException as error:
            self.__exit__()
            if isinstance(error, OSError):
                raise explain(error) from None
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._sock is not None:
            if self._session:
                with_session = f"TEARDOWN {self._url} RTSP/1.0\r\nCSeq: {self._cseq + 1}\r\nSession: {self._session}\r\n\r\n"
                try:
                    self._sock.settimeout(0.2)
                    self._sock.sendall(with_session.encode())
                except OSError:
                    pass  # it has gone, which is what we tell it
            self._sock.close()
            self._sock = None

    def _open(self) -> None:
        options = self._ask("OPTIONS", self._url)
        if options.status == 200 and "GET_PARAMETER" not in options.headers.get("public", "GET_PARAMETER"):
            self._keep_alive = "OPTIONS"
        described = self._expect("DESCRIBE", self._url, "Accept: application/sdp")
        base = described.headers.get("content-base") or described.headers.get("content-location") or self._url
        media = read_sdp(described.body)
        video = next((medium for medium in media if medium.kind == "video"), None)
        if video is None:
            raise Rejected("no_video", "该地址没有视频轨", "there is no video at this address")
        if video.name not in _CODECS or video.fmtp.get("packetization-mode") == "2" or video.fmtp.get("sprop-max-don-diff", "0") != "0":
            raise NotOurs(f"{video.name or 'an unnamed codec'}")
        self.codec, codec = _CODECS[video.name]
        self.extradata = parameter_sets(video)
        self._video = VideoPackets(codec)
        if shows_in_order(codec, self.extradata):
            self._hold = 0
        self._set_up(video, base, 0, Track.VIDEO)
        self._open_sound(next((medium for medium in media if medium.kind == "audio"), None), base)
        self._expect("PLAY", _control(described.body, base), "Range: npt=0.000-")

    def _open_sound(self, sound: Medium | None, base: str) -> None:
        if sound is None:
            return
        if sound.name == "MPEG4-GENERIC" and sound.fmtp.get("mode", "AAC-hbr").lower() == "aac-hbr" and sound.rate_hz:
            try:
                record = bytes.fromhex(sound.fmtp.get("config", ""))
            except ValueError:
                record = b""
            self.audio, self._sound = AudioReader(record, sound.rate_hz, sound.channels), AudioPackets(sound.rate_hz)
            self._set_up(sound, base, 2, Track.AUDIO)
        elif sound.name in ("MP4A-LATM", "MPEG4-GENERIC"):
            raise NotOurs(sound.name)
        else:
            self.dropped_audio = _SOUNDS.get(sound.name, sound.name.lower() or "unknown")

    def _set_up(self, medium: Medium, base: str, channel: int, track: Track) -> None:
        answer = self._expect("SETUP", _resolve(base, medium.control), f"Transport: RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}")
        said = re.search(r"interleaved=(\d+)", answer.headers.get("transport", ""))
        self._channels[int(said[1]) if said else channel] = track
        session, _, rest = answer.headers.get("session", "").partition(";")
        self._session = session.strip() or self._session
        if timeout := re.search(r"timeout=(\d+)", rest):
            self._keep_alive_s = max(1.0, min(KEEP_ALIVE_S, int(timeout[1]) / 3))

    def _expect(self, method: str, url: str, *headers: str) -> Answer:
        answer = self._ask(method, url, *headers)
        if answer.status == 401 and self._credentials is not None and self._credentials.challenged(answer.headers.get("www-authenticate", "")):
            answer = self._ask(method, url, *headers)
        match answer.status:
            case 200:
                return answer
            case 401 | 403:
                raise Rejected("unauthorised", "摄像机拒绝了用户名或密码", "the camera refused the user name or password")
            case 404 | 454:
                raise Rejected("not_found", "摄像机上没有这路视频", "there is no such stream at the camera")
            case 301 | 302 | 303 | 305 | 461:
                raise NotOurs(f"status {answer.status}")
            case 0:  # its first line is none of RTSP
                raise _garbage()
        raise Rejected("unreachable", f"无法连接摄像机（状态 {answer.status}）", f"the camera cannot be reached (status {answer.status})")

    def _ask(self, method: str, url: str, *headers: str) -> Answer:
        """One request and its answer; the whole of it within the timeout, however slowly the bytes come."""
        self._send(method, url, *headers)
        ends = time.monotonic() + self._timeout
        for piece in blocking(self._pieces(lambda: ends - time.monotonic())):
            if isinstance(piece, Answer) and piece.headers.get("cseq", str(self._cseq)) == str(self._cseq):
                return piece
        raise Rejected("ended", "视频流已结束", "the stream ended")

    def _send(self, method: str, url: str, *headers: str) -> None:
        assert self._sock is not None
        self._cseq += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self._cseq}", f"User-Agent: {_AGENT}", *headers]
        if self._session:
            lines.append(f"Session: {self._session}")
        if self._credentials is not None and (said := self._credentials.header(method, url)):
            lines.append(f"Authorization: {said}")
        self._sock.settimeout(self._timeout)
        self._sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self._sock.setblocking(False)

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def encoder(self, width: int, height: int) -> Encoder:
        """Nothing that it gives is encoded anew."""
        raise NotImplementedError

    def steps(self) -> Iterator[Packet | Wait]:
        """Every picture and every frame of sound as it is complete, and between them what is waited for."""
        due = time.monotonic() + self._keep_alive_s
        try:
            for piece in self._pieces(lambda: self._timeout, self.gather_s):
                if isinstance(piece, tuple):
                    yield from self._take(*piece)
                elif isinstance(piece, Wait):
                    yield piece
                    if self._stop.is_set():
                        return
                    if time.monotonic() >= due:
                        due = time.monotonic() + self._keep_alive_s
                        self._send(self._keep_alive, self._url)
        except OSError as error:
            raise explain(error) from None

    def _take(self, channel: int, data: bytes) -> Iterable[Packet]:
        """The packets that are whole with this piece."""
        assert self._video is not None
        match self._channels.get(channel):
            case Track.VIDEO:
                pictures = self._video.take(data)
                return [packet for at in pictures for packet in self._ordered(Packet(Track.VIDEO, at.data, False, at.at, at.at))] if pictures else ()
            case Track.AUDIO if self._sound is not None:
                return [Packet(Track.AUDIO, frame.data, True, frame.at, frame.at) for frame in self._sound.take(data)]
        if self._channels.get(channel - 1) is Track.VIDEO:
            self.clock.report(data, time.time())
        return ()

    def _ordered(self, packet: Packet) -> list[Packet]:
        if not self._hold:
            return [packet]
        self._held.append(packet)
        if len(self._held) < self._hold:
            return []
        held, self._held, self._hold = self._held, [], 0
        return held

    def gather_s(self, last_bytes: int) -> float:
        """How long what comes is given to gather before the next read, after one that brought so many bytes."""
        if last_bytes < GATHERED_BYTES and not self._wanted():
            return UNWATCHED_GATHER_S
        return GATHER_S if self._video is not None and self._video.is_open else 0.0

    def _pieces(self, patience_s: Callable[[], float], gather_s: Callable[[int], float] = lambda _: 0.0) -> Iterator[Answer | tuple[int, bytes] | Wait]:
        """What comes: answers, (channel, packet) of interleaved data, and a Wait before each read.

        Ends with the connection; raises TimeoutError and Rejected.
        """
        assert self._sock is not None
        at, size = 0, 0
        while True:
            piece, at = self._next(at)
            if piece is not None:
                yield piece
                continue
            wait = Wait(self._sock, gather_s(size), time.monotonic() + patience_s())
            more: bytes | None = None
            while more is None:
                yield wait
                more = self._read(wait.until_s)
            if not more:
                return
            self._buffer, at, size = self._buffer[at:] + more, 0, len(more)

    def _read(self, until_s: float) -> bytes | None:
        """What there is now; None for nothing yet."""
        assert self._sock is not None
        try:
            return self._sock.recv(262_144)
        except BlockingIOError:
            if time.monotonic() >= until_s:
                raise TimeoutError from None
            return None

    def _next(self, at: int) -> tuple[Answer | tuple[int, bytes] | None, int]:
        """The piece at `at` in the buffer and where the next begins; None where it is not whole yet."""
        buffer = self._buffer
        if len(buffer) - at < 4:
            return None, at
        if buffer[at] == 0x24:
            end = at + 4 + (buffer[at + 2] << 8 | buffer[at + 3])
            return ((buffer[at + 1], buffer[at + 4:end]), end) if end <= len(buffer) else (None, at)
        return self._answer(at)

    def _answer(self, at: int) -> tuple[Answer | None, int]:
        buffer = self._buffer
        if not buffer[at:at + 4].isalpha():
            raise _garbage()
        head = buffer.find(b"\r\n\r\n", at)
        if head < 0:
            if len(buffer) - at > LARGEST_ANSWER:
                raise _garbage()
            return None, at
        lines = buffer[at:head].decode("utf-8", "replace").split("\r\n")
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            headers[name] = f"{headers[name]}, {value.strip()}" if name in headers else value.strip()
        said = headers.get("content-length", "0")
        size = int(said) if said.isdigit() else 0
        if size > LARGEST_ANSWER:
            raise _garbage()
        end = head + 4 + size
        if end > len(buffer):
            return None, at
        words = lines[0].split()
        status = int(words[1]) if len(words) > 1 and words[0].startswith("RTSP/") and words[1].isdigit() else 0
        return Answer(status, headers, buffer[head + 4:end].decode("utf-8", "replace")), end


def _control(sdp: str, base: str) -> str:
    """What is played: the session's own control, where it names one."""
    session = re.split(r"(?m)^m=", sdp)[0]
    found = re.search(r"(?m)^a=control:(\S+)", session)
    return _resolve(base, found[1]) if found else base


def _resolve(base: str, control: str) -> str:
    """The address of a control attribute (RFC 2326, C.1.1), joined as cameras mean it: behind the whole address, its query included."""
    if not control or control == "*":
        return base
    if re.match(r"rtsps?://", control, re.IGNORECASE):
        return control
    return urljoin(base, control) if control.startswith("/") else base.rstrip("/") + "/" + control


def explain(error: OSError) -> Rejected:
    """Name what went wrong with a connection, without its address."""
    if isinstance(error, TimeoutError):
        return Rejected("timeout", "摄像机没有响应", "the camera does not answer")
    if isinstance(error, ConnectionRefusedError):
        return Rejected("refused", "摄像机拒绝连接", "the camera refuses connections")
    if isinstance(error, ConnectionError):
        return Rejected("ended", "视频流已结束", "the stream ended")
    reason = error.strerror or type(error).__name__
    return Rejected("unreachable", f"无法连接摄像机（{reason}）", f"the camera cannot be reached ({reason})")
