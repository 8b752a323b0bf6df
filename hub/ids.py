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


def new_id(now_ms: int | None = None) -> str:
    """A UUIDv7 as lower-case text: 48 bits of Unix milliseconds (`now_ms`, the machine's clock when None), the rest random."""
    ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    raw = bytearray(ms.to_bytes(6, "big") + os.urandom(10))
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
