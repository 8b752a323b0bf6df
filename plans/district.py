"""What the shipped data files say of the district, for the linter. Reads files; holds no rule."""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path

import yaml

from plans import load
from plans.check import District, EventType, Town
from plans.model import Text


def event_codes() -> frozenset[str]:
    """The codes of the shipped table of event types."""
    return frozenset(t.code for t in _event_types())


@cache
def _units() -> dict[str, str]:
    """Units in English, by their Chinese name."""
    units: dict[str, str] = yaml.safe_load((Path(__file__).parent.parent / "hub" / "data" / "units.yaml").read_text("utf-8"))["units"]
    return units


@cache
def _event_types() -> tuple[EventType, ...]:
    table = yaml.safe_load((Path(__file__).parent.parent / "hub" / "data" / "event_types.yaml").read_text("utf-8"))
    return tuple(EventType(str(code), v["zh"], v["en"]) for code, v in table["types"].items())


def district_of_data(today: date) -> District:
    """Departments, towns and event types as the data files name them; rosters, stock and contacts stay unknown."""
    known = load.departments()
    return District(today, event_types=_event_types(), towns=tuple(Town(d.adcode, d.zh, d.id) for d in known.values() if d.adcode),
                    names={d.id: Text(zh=d.zh, en=d.en) for d in known.values()}, units=_units())
