"""Every ERG number the product shows equals the edition's table: compared with a second copy of the facts, through the lookup and the distances."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from plans.hazmat import tables
from plans.hazmat.distances import distances
from plans.hazmat.lookup import by_un, substances
from plans.hazmat.model import Container, Daylight, Distances, HazmatFacts, Sourced, SpillSize, WindClass

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures"
CONTAINER_OF_ROW = {
    "rail_tank_car": Container.RAIL_TANK_CAR, "highway_tank": Container.ROAD_TANKER, "nurse_tank": Container.NURSE_TANK,
    "ton_cylinders": Container.TON_CYLINDERS, "small_cylinders": Container.CYLINDERS, "small_cylinders_or_one_ton": Container.CYLINDERS,
}  # fmt: skip


def _facts(name: str) -> list[list[str]]:
    return [line.split() for line in (FIXTURES / name).read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


TABLE1 = _facts("erg2024_table1_facts.txt")
TABLE3 = _facts("erg2024_table3_facts.txt")


def _printed(km: str) -> tuple[float, bool]:
    return round(float(km.rstrip("+")) * 1000), km.endswith("+")


def _shown(value: Sourced | None) -> tuple[float, bool]:
    assert value is not None
    assert value.unit == "m"
    assert value.edition == "ERG 2024"
    return value.value, value.plus


def _asked(un: str, mark: str, size: SpillSize, light: Daylight) -> Distances:
    water = {"w": True, "l": False}.get(mark)
    facts = HazmatFacts(un=un, leak=True, spill=size, in_water=water, hazard_zone=mark if mark in "ABCD" else None)
    if not mark:
        facts = replace(facts, hazard_zone=None)
    return distances(facts, daylight=light)


def test_the_second_copy_holds_all_272_numbers_and_the_product_knows_exactly_these() -> None:
    assert len({row[0][:4] for row in TABLE1}) == 272
    assert {row[0][:4] for row in TABLE1} == set(tables.table1())
    assert {un for un, substance in substances().items() if substance.inhalation} == set(tables.table1())


@pytest.mark.parametrize("row", TABLE1, ids=[row[0] for row in TABLE1])
def test_a_row_of_table_1_is_shown_as_the_book_prints_it(row: list[str]) -> None:
    un, mark = row[0][:4], row[0][4:]
    # another material under one number has no field of its own in a report, it is read from the table itself
    if mark in ("m", "") and len(tables.table1()[un]) > 1:
        lines = tables.table1()[un]
        line = next(other for other in lines if other is not lines[0] and not other.hazard_zone) if mark == "m" else lines[0]
        assert (line.small_isolate.value, _shown(line.small_day), _shown(line.small_night)) == (float(row[1]), _printed(row[2]), _printed(row[3]))
        assert (_shown(line.large_isolate)[0], _shown(line.large_day), _shown(line.large_night)) == (float(row[4]), _printed(row[5]), _printed(row[6]))
        return
    for light, column in ((Daylight.DAY, 2), (Daylight.NIGHT, 3)):
        small = _asked(un, mark, SpillSize.SMALL, light)
        assert _shown(small.isolation) == (float(row[1]), False)
        assert _shown(small.protective) == _printed(row[column])
        assert small.isolation.table == "Table 1"
        assert small.isolation.row.startswith(f"UN{un}")
        large = _asked(un, mark, SpillSize.LARGE, light)
        if row[4] == "T3":
            assert large.isolation.table == "Table 3"
        else:
            assert _shown(large.isolation) == (float(row[4]), False)
            assert _shown(large.protective) == _printed(row[column + 3])


@pytest.mark.parametrize("row", TABLE3, ids=[f"{row[0]}-{row[1]}" for row in TABLE3])
def test_a_row_of_table_3_is_shown_by_container_daylight_and_wind(row: list[str]) -> None:
    cells = [(light, wind) for light in Daylight for wind in WindClass]
    for (light, wind), km in zip(cells, row[3:], strict=True):
        facts = HazmatFacts(un=row[0], leak=True, spill=SpillSize.LARGE, container=CONTAINER_OF_ROW[row[1]])
        found = distances(facts, daylight=light, wind_class=wind)
        assert _shown(found.isolation) == (float(row[2]), False)
        assert _shown(found.protective) == _printed(km)
        assert found.protective is not None
        assert found.protective.table == "Table 3"


def test_table_3_holds_26_rows_of_seven_numbers() -> None:
    assert {(row[0], row[1]) for row in TABLE3} == {(line.un, line.container) for lines in tables.table3().values() for line in lines}
    assert len(TABLE3) == 26
    assert len(tables.table3()) == 7


def test_the_13_rows_with_a_gap_in_the_extraction_say_11_plus() -> None:
    both = ("1259", "1589", "2190", "2195", "2202", "2420", "2480", "2481", "2483", "3281")
    night_only = ("2548", "2901", "3057")
    for un in both + night_only:
        line = tables.table1()[un][0]
        assert _shown(line.large_night) == (11000, True)
        assert _shown(line.large_day)[1] is (un in both)


def test_four_rows_whose_night_cell_was_carried_over_from_the_next_row_say_11_plus() -> None:
    for un in ("3303", "3306", "3307", "3310"):
        assert _shown(tables.table1()[un][0].large_night) == (11000, True)


def test_no_night_distance_is_shorter_than_the_day_distance() -> None:
    for lines in tables.table1().values():
        for line in lines:
            assert line.small_night.value >= line.small_day.value
            if line.large_night is not None and line.large_day is not None:
                assert line.large_night.value >= line.large_day.value


def test_water_reactive_rows_say_that_they_hold_only_in_water() -> None:
    reactive = {un for un, substance in substances().items() if substance.gas_in_water is not None}
    assert len(reactive) == 89
    for un in reactive:
        lines = tables.table1()[un]
        assert any(line.only_when_spilled_in_water for line in lines), un
        assert all(line.spilled for line in lines), un
    assert by_un("1295").gas_in_water is not None
    assert not any(line.only_when_spilled_in_water for un, lines in tables.table1().items() if un not in reactive for line in lines)


def test_a_distance_without_its_source_cannot_be_made() -> None:
    for missing in ("table", "edition", "row", "unit", "conversion"):
        whole = {"value": 100.0, "unit": "m", "table": "Table 1", "edition": "ERG 2024", "row": "UN1017", "conversion": "as printed"}
        with pytest.raises(ValueError, match="without its"):
            Sourced(**(whole | {missing: ""}))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not a distance"):
        Sourced(value=-1.0, unit="m", table="t", edition="e", row="r", conversion="c")
