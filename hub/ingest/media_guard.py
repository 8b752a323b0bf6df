"""What may come in on a media connection of the embedded broker, which shares its process with reports: so much, so often, and only media.

Garbage is dropped at the door and its sender cut; whoever comes back again and again waits. Pure: the clock is an argument.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from msgspec import Struct

from hub.errors import Rejected
from hub.wire import MEDIA_HEADER_BYTES, parse_media

BYTES_PER_S: Final = 12_500_000
"""What one media connection may bring (100 Mbit/s: 20 cameras of 4 Mbit/s with room to spare); more is read more slowly, never queued."""
BURST_BYTES: Final = 8_388_608
STRIKES: Final = 3
STRIKE_S: Final = 60.0
"""So many messages that are no media within so long end the connection."""
CONNECTIONS, CONNECTIONS_S = 6, 30.0
"""So often may an identity connect within so long (an agent's own pauses double from half a second)."""
FIRST_BAN_S, LONGEST_BAN_S = 10.0, 600.0
MOST_KNOWN: Final = 10_000
_KINDS: Final = {b"preview": 1, b"init": 2, b"media": 3}


class _Known(Struct):
    """What is remembered of one identity."""

    connections: list[float]
    strikes: list[float]
    tokens: float
    filled_at: float
    banned_until: float = float("-inf")
    ban_s: float = FIRST_BAN_S


class MediaGuard:
    """The memory of every media identity; `dropped` counts messages, `banned` how often somebody was sent away."""

    def __init__(self) -> None:
        self.dropped = 0
        self.banned = 0
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def _of(self, name: str, now: float) -> _Known:
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = _Known([], [], BURST_BYTES, now)
            if len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)
        return known

    def refusal(self, name: str, now: float) -> str | None:
        """Why a media identity may not come in now, None where it may (which counts as a connection)."""
        known = self._of(name, now)
        if now < known.banned_until:
            return f"sent away for {known.banned_until - now:.0f} s more"
        known.connections = [at for at in known.connections if now - at < CONNECTIONS_S]
        if len(known.connections) >= CONNECTIONS:
            return "it comes and goes too often"
        known.connections.append(now)
        return None

    def is_media(self, name: str, flags: int, body: bytes, now: float, *, own: bytes = b"/up/camera/") -> bool:
        """Does a PUBLISH (its first byte's low bits, its body) carry what its topic says? All but its `own` camera topics is left to the policy."""
        size = int.from_bytes(body[:2], "big")
        topic, payload = body[2:2 + size], memoryview(body)[2 + size + (2 if flags & 6 else 0):]
        wanted = _KINDS.get(topic.rpartition(b"/")[2])
        if wanted is None or own not in topic or _is(wanted, payload):
            return True
        self.dropped += 1
        known = self._of(name, now)
        known.strikes = [*(at for at in known.strikes if now - at < STRIKE_S), now]
        return False

    def must_go(self, name: str, now: float) -> bool:
        """Has it sent too much garbage? Then it may not come back for a while, each time for longer."""
        known = self._of(name, now)
        if len(known.strikes) < STRIKES:
            return False
        if now - known.banned_until > LONGEST_BAN_S:
            known.ban_s = FIRST_BAN_S
        known.banned_until, known.ban_s, known.strikes = now + known.ban_s, min(known.ban_s * 2, LONGEST_BAN_S), []
        self.banned += 1
        return True

    def wait_s(self, name: str, size: int, now: float) -> float:
        """How long to wait before reading on after `size` bytes, so that the budget is kept."""
        known = self._of(name, now)
        known.tokens = min(BURST_BYTES, known.tokens + (now - known.filled_at) * BYTES_PER_S) - size
        known.filled_at = now
        return max(0.0, -known.tokens / BYTES_PER_S)


def _is(kind: int, payload: memoryview) -> bool:
    """Is this a media message of that kind, as far as its first bytes tell?"""
    try:
        header = parse_media(payload)
    except Rejected:
        return False
    body = bytes(payload[MEDIA_HEADER_BYTES:MEDIA_HEADER_BYTES + 8])
    if header.kind != kind:
        return False
    return body[:2] == b"\xff\xd8" if kind == 1 else body[:1] == b"{" if kind == 2 else body[4:8] == b"moof"
