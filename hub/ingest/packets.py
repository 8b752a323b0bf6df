"""What a packet from a client must look like (MQTT 3.1.1, sections 2 and 3). Pure. A broker closes the connection that sends another (4.8);
amqtt would leave it open and never read it again."""

from __future__ import annotations

from typing import Final

PUBLISH, SUBSCRIBE, UNSUBSCRIBE = 3, 8, 10
_NAMES: Final = {3: "PUBLISH", 4: "PUBACK", 5: "PUBREC", 6: "PUBREL", 7: "PUBCOMP", 8: "SUBSCRIBE", 10: "UNSUBSCRIBE", 12: "PINGREQ", 14: "DISCONNECT"}
"""What a client may send after its CONNECT."""
_FLAGS: Final = {6: 2, 8: 2, 10: 2}
"""The low bits of the first byte where they are not 0 (table 2.2); a PUBLISH has its own."""
_SIZES: Final = {4: 2, 5: 2, 6: 2, 7: 2, 12: 0, 14: 0}
"""The bytes of a body that is always as long."""


def malformed(first: int, body: bytes) -> str | None:
    """What is wrong with a packet, by its first byte and its body; None where nothing is. A second CONNECT is wrong, too (3.1.0-2)."""
    kind, flags = first >> 4, first & 0x0F
    name = _NAMES.get(kind)
    if name is None:
        return f"a packet of type {kind}"
    if kind == PUBLISH:
        fits = _is_publication(flags >> 1 & 3, body)
    elif flags != _FLAGS.get(kind, 0):
        fits = False
    elif kind in (SUBSCRIBE, UNSUBSCRIBE):
        fits = filters_of(kind, body) is not None
    else:
        fits = len(body) == _SIZES[kind]
    return None if fits else f"a malformed {name}"


def _is_publication(qos: int, body: bytes) -> bool:
    """A topic without wildcards, and where it is to be acknowledged a number that is not 0 (3.3.2)."""
    end = 2 + int.from_bytes(body[:2], "big")
    number = body[end:end + 2] if qos else b"\0\1"
    return 2 < end <= len(body) and qos < 3 and len(number) == 2 and number != b"\0\0" and _is_text(body[2:end]) and not set(body[2:end]) & set(b"+#")


def filters_of(kind: int, body: bytes) -> list[bytes] | None:
    """The filters of a SUBSCRIBE or an UNSUBSCRIBE (3.8.3, 3.10.3): a number, then at least one of them, each with its QoS in the former; None where
    it is malformed."""
    at, filters = 2, []
    while at < len(body):
        start = at + 2
        end = start + int.from_bytes(body[at:start], "big")
        at = end + (kind == SUBSCRIBE)
        if at > len(body) or end == start or not _is_text(body[start:end]) or (kind == SUBSCRIBE and body[end] > 2):
            return None
        filters.append(body[start:end])
    return filters if filters and body[:2] != b"\0\0" else None


def _is_text(raw: bytes) -> bool:
    """UTF-8 without a NUL (1.5.3)."""
    try:
        return "\0" not in raw.decode()
    except UnicodeDecodeError:
        return False
