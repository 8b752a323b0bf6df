"""Instruments by file: fresh and whole ones are told, everything else says nothing."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agents.session import Measures
from agents.sources.measures import read_measures, watch, write_measures
from hub import wire
from tests.support.until import until

WRITTEN = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


def a_file(folder: Path, text: str | bytes) -> Path:
    path = folder / "measures.json"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    os.utime(path, (WRITTEN.timestamp(), WRITTEN.timestamp()))
    return path


def test_a_wind_without_a_time_has_the_files(tmp_path: Path) -> None:
    path = a_file(tmp_path, '{"wind": {"from_deg": 135, "speed_mps": 3.2}, "values": {"nh3_ppm": 4}}')
    assert read_measures(path, WRITTEN + timedelta(seconds=30), 600) == Measures(
        wind=wire.Wind(from_deg=135, speed_mps=3.2, at=WRITTEN), values={"nh3_ppm": 4.0}
    )


@pytest.mark.parametrize("text", ["", "{", "[]", '{"wind": {"from_deg": 400, "speed_mps": 1}}', '{"wind": {"speed_mps": 1}}', '{"values": {"a": "b"}}', b"\xff"])
def test_a_wrong_file_says_nothing(tmp_path: Path, text: str | bytes) -> None:
    assert read_measures(a_file(tmp_path, text), WRITTEN, 600) is None


@pytest.mark.parametrize("age_s", [601, -601, 86_400])
def test_an_old_file_says_nothing(tmp_path: Path, age_s: int) -> None:
    path = a_file(tmp_path, '{"values": {"a": 1}}')
    assert read_measures(path, WRITTEN + timedelta(seconds=age_s), 600) is None


def test_a_missing_file_says_nothing(tmp_path: Path) -> None:
    assert read_measures(tmp_path / "none.json", WRITTEN, 600) is None


async def test_a_new_file_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "measures.json"
    told: list[Measures | None] = []

    async def tell() -> None:
        told.append(read_measures(path, datetime.now(UTC), 600))

    task = asyncio.create_task(watch(path, tell, every_s=0.01))
    try:
        for speed in (1.0, 2.0):
            measures = Measures(wind=wire.Wind(from_deg=90, speed_mps=speed, at=WRITTEN))
            write_measures(path, measures)
            await until(lambda: told and told[-1] == measures)  # noqa: B023
    finally:
        task.cancel()
    assert len(told) == 2
