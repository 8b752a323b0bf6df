"""`tocsin plan …` on a hub's own data: put in force, twice, raised, ended, and replayed from what is stored."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from hub.domain.incident import IncidentView
from hub.domain.report import PlaceView
from hub.operate.plan_cli import app
from hub.store import Store
from hub.store.plans import import_catalogue
from hub.store.reports import insert_incidents
from hub.wire import Hazmat
from tests.support.district import incident_view
from tests.support.stores import fresh_sqlite


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with the shipped plans in force, a rollover (a load of ammonia), a crash, and a drill."""
    url = fresh_sqlite(tmp_path / "tocsin.db")

    async def fill() -> None:
        async with Store(url) as store:
            await import_catalogue(store)
            async with store.transaction() as tx:
                await insert_incidents(tx, [(view, msgspec.json.encode(view)) for view in INCIDENTS])

    asyncio.run(fill())
    return tmp_path


def _made() -> list[IncidentView]:
    place = PlaceView(text="G204 赣马段", road="G204", adcode="320707108", lon=119.112, lat=34.865)
    views = [incident_view(n, event_types=("12H00",), drill=n == 3) for n in (1, 2, 3)]
    loads = ((Hazmat(un="1005", leak=True),), (), ())
    return [msgspec.structs.replace(view, place=place, hazmat=load) for view, load in zip(views, loads, strict=True)]


INCIDENTS = _made()


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--data-dir", str(folder)])


def as_json(folder: Path, *arguments: str) -> Any:
    result = run(folder, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_plan_put_in_force_twice_is_in_force_once_and_goes_up_and_ends(folder: Path) -> None:
    rollover = INCIDENTS[0].id
    first = as_json(folder, "activate", rollover, "hazmat-road-transport", "general")
    assert as_json(folder, "activate", rollover, "hazmat-road-transport", "general")["id"] == first["id"]
    assert len(as_json(folder, "list")) == 1
    assert as_json(folder, "level", rollover, "II")["level"] == "II"
    refused = run(folder, "terminate", rollover)
    assert (refused.exit_code, "termination_needs_reason" in refused.stderr) == (2, True)
    assert as_json(folder, "terminate", rollover, "--reason", "误报")["state"] == "terminated"
    assert as_json(folder, "list") == []
    late = run(folder, "level", rollover, "I")
    assert (late.exit_code, "no_response" in late.stderr) == (2, True)


def test_an_incident_goes_by_its_number_and_its_list_names_the_conditions_that_end_it(folder: Path) -> None:
    rollover = INCIDENTS[0]
    first = as_json(folder, "activate", rollover.no, "hazmat-road-transport")
    assert first["incident_id"] == rollover.id
    said = run(folder, "list").stdout
    assert said.startswith(rollover.no + "\t")
    keys = [line.split("\t")[0].split()[1] for line in said.splitlines() if line.startswith("  --met ")]
    assert keys
    refused = run(folder, "revoke", rollover.no, "--reason", "误报")
    assert (refused.exit_code, "not_automatic" in refused.stderr) == (2, True)
    assert as_json(folder, "terminate", rollover.no, *(part for key in keys for part in ("--met", key)))["state"] == "terminated"


def test_what_is_stored_is_replayed_beside_what_people_put_in_force(folder: Path) -> None:
    rollover, crash, _ = INCIDENTS
    as_json(folder, "activate", rollover.id, "hazmat-road-transport", "--level", "III")
    as_json(folder, "activate", crash.id, "fire")
    report = as_json(folder, "backtest")
    results = {r["id"]: r for r in report["results"]}
    assert set(results) == {rollover.no, crash.no}
    assert results[rollover.no]["first_is_right"] is True
    assert results[rollover.no]["expected"] == ["hazmat-road-transport"]
    assert results[crash.no]["missed"] == ["fire"]
    assert report["with_expectation"] == 2
    assert as_json(folder, "backtest", "--drills")["cases"] == 3
    assert as_json(folder, "backtest", "--limit", "1")["cases"] == 1
    assert run(folder, "backtest").exit_code == 0


def test_an_incident_that_is_not_there_is_named(folder: Path) -> None:
    result = run(folder, "activate", "nothing", "fire")
    assert (result.exit_code, "unknown_incident" in result.stderr) == (2, True)
