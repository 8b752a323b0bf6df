"""Everyday reports of the demo district, made from `data/scenes.yaml`. Pure but for the reading of that file; chance comes in as `dice`."""

from __future__ import annotations

import functools
import random
from datetime import datetime
from importlib import resources
from typing import Annotated

import msgspec
import yaml
from msgspec import Meta, Struct

from hub import wire
from hub.ids import new_id

Range = tuple[int, int]


class Spot(Struct, frozen=True):
    """A town with a point in it, rounded."""

    adcode: str
    town: str
    lon: float
    lat: float


class Scene(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of everyday report; ranges are the least and the most."""

    weight: Annotated[int, Meta(gt=0)]
    title: str
    types: tuple[str, ...]
    text: str
    urgent: bool = False
    injured: Range | None = None
    missing: Range | None = None
    hazmat: wire.Hazmat | None = None


class Scenes(Struct, frozen=True, kw_only=True):
    """The whole file."""

    source: str
    edition: str
    valid_from: object
    places: tuple[Spot, ...]
    enterprises: tuple[str, ...]
    roads: tuple[str, ...]
    names: tuple[str, ...]
    scenes: tuple[Scene, ...]
    follow_ups: tuple[str, ...]
    finals: tuple[str, ...]


@functools.cache
def load_scenes() -> Scenes:
    """Read the packaged file."""
    text = resources.files("agents").joinpath("data/scenes.yaml").read_text(encoding="utf-8")
    return msgspec.convert(yaml.safe_load(text), Scenes)


def everyday_report(dice: random.Random, now: datetime, *, drill: bool = False) -> wire.Report:
    """A first report of something that could happen on any day in the district."""
    scenes = load_scenes()
    scene = dice.choices(scenes.scenes, [one.weight for one in scenes.scenes])[0]
    spot = dice.choice(scenes.places)
    words = {"town": spot.town, "road": dice.choice(scenes.roads), "enterprise": dice.choice(scenes.enterprises)}
    injured = dice.randint(*scene.injured) if scene.injured else None
    missing = dice.randint(*scene.missing) if scene.missing else None
    return wire.Report(
        id=new_id(), kind=wire.ReportKind.INITIAL, occurred_at=now, event_types=scene.types, title=scene.title.format(**words),
        text=scene.text.format(**words), urgent=scene.urgent, drill=drill, hazmat=(scene.hazmat,) if scene.hazmat else (),
        place=wire.Place(
            text=f"{spot.town}{words['road']}附近", adcode=spot.adcode,
            lon=round(spot.lon + dice.uniform(-0.02, 0.02), 5), lat=round(spot.lat + dice.uniform(-0.02, 0.02), 5),
        ),
        casualties=wire.Casualties(injured=injured, missing=missing) if injured is not None or missing is not None else None,
        reporter=wire.Reporter(name=dice.choice(scenes.names), phone=f"0518-8600{dice.randint(0, 9999):04d}"), source="终端（演示）",
    )


def next_report(first: wire.Report, incident_id: str, dice: random.Random, now: datetime, *, final: bool) -> wire.Report:
    """A follow-up or the final report of an earlier one."""
    scenes = load_scenes()
    return wire.Report(
        id=new_id(), kind=wire.ReportKind.FINAL if final else wire.ReportKind.FOLLOW_UP, occurred_at=now, place=first.place,
        event_types=first.event_types, title=first.title, text=dice.choice(scenes.finals if final else scenes.follow_ups), drill=first.drill,
        casualties=first.casualties, incident_id=incident_id, reporter=first.reporter, source=first.source,
    )
