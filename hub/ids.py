"""Identifiers: UUIDv7 text made where the thing happens (RFC 9562, 5.7), and the slugs of agents, departments and cameras."""

from __future__ import annotations

import os
import re
import time
from typing import NewType

IncidentId = NewType("IncidentId", str)
ReportId = NewType("ReportId", str)
AgentId = NewType("AgentId", str)
DepartmentId = NewType("DepartmentId", str)
PersonId = NewType("PersonId", str)
CameraId = NewType("CameraId", str)
EnterpriseId = NewType("EnterpriseId", str)

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def exactly(pattern: str) -> str:
    r"""A pattern for a text as a whole, for `msgspec.Meta`: to `re`, by which it matches, a bare `$` also stands before a last line feed."""
    return rf"^{pattern}$(?!\n)"


RANDOM_BYTES = 16
_AT_ONCE = 256
_random: list[bytes] = []
if hasattr(os, "register_at_fork"):  # a child that had its parent's would repeat them; Windows, where agents run too, forks nothing
    os.register_at_fork(after_in_child=_random.clear)


def random_bytes() -> bytes:
    """Sixteen random bytes that nobody had before, for identifiers and salts. The system is asked for many at once: asking it gives the interpreter
    lock away, which a thread that is busy elsewhere keeps for half a millisecond."""
    try:
        return _random.pop()
    except IndexError:
        many = os.urandom(RANDOM_BYTES * _AT_ONCE)
        _random.extend(many[at : at + RANDOM_BYTES] for at in range(RANDOM_BYTES, len(many), RANDOM_BYTES))
        return many[:RANDOM_BYTES]


def new_id(now_ms: int | None = None) -> str:
    """A UUIDv7 as lower-case text: 48 bits of Unix milliseconds (`now_ms`, the machine's clock when None), the rest random."""
    ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    raw = bytearray(ms.to_bytes(6, "big") + random_bytes()[:10])
    raw[6] = (raw[6] & 0x0F) | 0x70
    raw[8] = (raw[8] & 0x3F) | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_id(text: str) -> bool:
    """Is this canonical UUID text (any version: the hub asks only that it is unique)?"""
    return _UUID.fullmatch(text) is not None


def is_slug(text: str) -> bool:
    """Is this a slug: 1–63 of a–z, 0–9 and inner hyphens?"""
    return SLUG.fullmatch(text) is not None
