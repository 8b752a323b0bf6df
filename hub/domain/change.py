"""What a change is: one thing that happened, frozen, with its place in the hash chain. Pure: no clock, no store.

A kind of change is a frozen struct decorated with `@change`; its body carries the whole resulting view of its subject, so that a
reader who replaces entities by id ends with the same state as a fresh snapshot.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

import msgspec
from msgspec import Raw, Struct

GENESIS: Final = "0" * 64
"""The hash before the first change."""


class ChangeBody(Struct, frozen=True, kw_only=True):
    """The content of one kind of change. Subclasses are decorated with `@change`."""


class ChangeKind(NamedTuple):
    """A kind of change: its stable name, its body, what it means in Chinese and English; `routine` for what would bury the rest of a timeline."""

    kind: str
    body: type[ChangeBody]
    zh: str
    en: str
    routine: bool = False


KINDS: Final[dict[str, ChangeKind]] = {}
_NAMES: Final[dict[type[ChangeBody], str]] = {}

B = TypeVar("B", bound=ChangeBody)


def change(kind: str, *, zh: str, en: str, routine: bool = False) -> Callable[[type[B]], type[B]]:
    """Declare the kind of change that a body stands for; `kind` is `noun.past_participle` and unique."""

    def declare(body: type[B]) -> type[B]:
        if kind in KINDS and KINDS[kind].body.__qualname__ != body.__qualname__:
            raise ValueError(f"two bodies for the kind of change {kind!r}")
        KINDS[kind] = ChangeKind(kind, body, zh, en, routine)
        _NAMES[body] = kind
        return body

    return declare


def routine_kinds() -> list[str]:
    """The kinds that a timeline leaves out unless they are asked for, in order."""
    return sorted(kind for kind, found in KINDS.items() if found.routine)


def kind_of(body: ChangeBody) -> str:
    """The kind that a body was declared with; raises KeyError for an undeclared one."""
    return _NAMES[type(body)]


class Change(Struct, frozen=True, kw_only=True, gc=False):
    """One entry of the feed. `actor` is `person:ID`, `agent:ID` or `system:NAME`; `body` is its JSON, null once destroyed by law."""

    seq: int
    kind: str
    at: str
    actor: str
    subject: str
    incident_id: str | None
    department_id: str | None
    drill: bool
    body: Raw

    def read(self, body: type[B]) -> B:
        """The body as the given struct."""
        return msgspec.json.decode(self.body, type=body)


_encode = msgspec.json.Encoder(order="deterministic").encode


def canonical(value: Struct) -> bytes:
    """The canonical JSON (UTF-8) of a view: fields in their declared order, keys of mappings sorted."""
    return _encode(value)


def body_text(body: ChangeBody) -> bytes:
    """The canonical JSON (UTF-8) of a body: what is stored and hashed, byte for byte."""
    return _encode(body)


def body_hash(salt: bytes, body: bytes) -> str:
    """SHA-256 (hex) over salt and body; the salt keeps a destroyed body from being guessed back from its hash."""
    return hashlib.sha256(salt + body).hexdigest()


def link_hash(
    previous: str, seq: int, kind: str, at: str, actor: str, subject: str, incident_id: str | None, department_id: str | None, drill: bool,
    body_sha256: str,
) -> str:
    """The hash (hex) of one change: SHA-256 over the hash before it, its metadata and the hash of its body, as one JSON array."""
    row = (previous, seq, kind, at, actor, subject, incident_id, department_id, drill, body_sha256)
    return hashlib.sha256(_encode(row)).hexdigest()
