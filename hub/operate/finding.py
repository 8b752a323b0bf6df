"""What the doctor says of one part, as the command prints it and the console shows it."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class State(StrEnum):
    """How a part is."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


class Finding(Struct, frozen=True):
    """One part: its state, a sentence, and what to do where it is not well."""

    part: str
    state: State
    zh: str
    en: str
    do: str = ""
