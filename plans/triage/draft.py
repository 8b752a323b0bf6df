"""The draft report that triage hands to the operator: what the text says, where it says it, and nothing else.

Values only; no I/O. An absent fact is None or empty, never guessed.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Role(StrEnum):
    """What a substance does in the incident."""

    RELEASED = "released"
    CARGO = "cargo"
    INVOLVED = "involved"
    PRODUCT = "product"


class Nature(StrEnum):
    """What a text is about. `drill`: what it tells is or was played. `no_incident`: rules, plans, the figures of a period."""

    INCIDENT = "incident"
    DRILL = "drill"
    NO_INCIDENT = "no_incident"


class Container(StrEnum):
    """What holds the substance."""

    ROAD_TANKER = "road_tanker"
    RAIL_TANK_CAR = "rail_tank_car"
    SHIP_TANK = "ship_tank"
    PIPELINE = "pipeline"
    STORAGE_TANK = "storage_tank"
    REACTOR = "reactor"
    TON_CYLINDER = "ton_cylinder"
    CYLINDER = "cylinder"
    DRUM = "drum"
    FREIGHT_CONTAINER = "freight_container"
    WAREHOUSE = "warehouse"


class Casualties(msgspec.Struct, frozen=True):
    """Numbers of people; None where the text gives none. `injured` is all injured, the seriously injured among them."""

    dead: int | None = None
    missing: int | None = None
    seriously_injured: int | None = None
    injured: int | None = None
    trapped: int | None = None
    evacuated: int | None = None
    poisoned: int | None = None


class Substance(msgspec.Struct, frozen=True):
    """A dangerous substance the text names; `un` is four digits, None where the books of transport have no number for that name."""

    name: str
    un: str | None
    role: Role


class Span(msgspec.Struct, frozen=True):
    """Where in the original text a value came from; `start` and `end` count characters."""

    field: str
    start: int
    end: int
    text: str


class Draft(msgspec.Struct, frozen=True, omit_defaults=False):
    """One text read into the fields of a first report, for the operator to confirm."""

    id: str | None
    nature: Nature
    family: str
    event_types: list[str] = []
    grade: str | None = None
    grade_reason: str | None = None
    casualties: Casualties = Casualties()
    loss_yuan: int | None = None
    substances: list[Substance] = []
    container: Container | None = None
    leak: bool | None = None
    fire: bool | None = None
    explosion: bool | None = None
    place: str | None = None
    occurred_at: str | None = None
    spans: list[Span] = []
    plans: list[str] | msgspec.UnsetType = msgspec.UNSET
