"""Which distance holds: spill size, water, container, wind, fire, unknown material."""

from __future__ import annotations

import pytest

from hub.errors import Rejected
from plans.hazmat import lookup, tables
from plans.hazmat.distances import distances, spill_size, table3_line
from plans.hazmat.model import Container, Daylight, Direction, HazmatFacts, Physical, SpillSize, WindClass


def _night(facts: HazmatFacts, wind: WindClass = WindClass.LOW):  # type: ignore[no-untyped-def]
    return distances(facts, daylight=Daylight.NIGHT, wind_class=wind)


@pytest.mark.parametrize(
    ("facts", "size"),
    [
        (HazmatFacts(volume_l=208), SpillSize.SMALL),
        (HazmatFacts(volume_l=208.1), SpillSize.LARGE),
        (HazmatFacts(quantity_kg=104), SpillSize.SMALL),
        (HazmatFacts(quantity_kg=105), SpillSize.LARGE),
        (HazmatFacts(quantity_kg=25000, spill=SpillSize.SMALL), SpillSize.SMALL),
        (HazmatFacts(container=Container.DRUM), SpillSize.SMALL),
        (HazmatFacts(container=Container.CYLINDER), SpillSize.SMALL),
        (HazmatFacts(container=Container.CYLINDERS), SpillSize.LARGE),
        (HazmatFacts(container=Container.ROAD_TANKER), SpillSize.LARGE),
        (HazmatFacts(), SpillSize.LARGE),
    ],
)
def test_208_litres_part_small_from_large_and_what_is_unclear_is_large(facts: HazmatFacts, size: SpillSize) -> None:
    found, why = spill_size(facts)
    assert found is size
    assert why.zh and why.en


def test_an_unknown_material_is_isolated_100_m_and_800_m_when_a_tank_burns() -> None:
    found = _night(HazmatFacts(leak=True, fire=True, container=Container.ROAD_TANKER))
    assert (found.isolation.value, found.isolation.table) == (100, "guide 111")
    assert found.fire_isolation is not None and found.fire_isolation.value == 800
    assert found.protective is None


def test_a_material_outside_table_1_takes_the_distances_of_its_guide() -> None:
    petrol = _night(HazmatFacts(un="1203", leak=True, container=Container.ROAD_TANKER))
    assert (petrol.isolation.value, petrol.protective and petrol.protective.value, petrol.direction) == (50, 300, Direction.DOWNWIND)
    propane = _night(HazmatFacts(un="1978", leak=True, fire=True, container=Container.RAIL_TANK_CAR))
    assert (propane.isolation.value, propane.protective and propane.protective.value) == (100, 800)
    assert propane.fire_isolation is not None and propane.fire_isolation.value == 1600
    explosive = _night(HazmatFacts(un="0333", leak=True))
    assert (explosive.isolation.value, explosive.protective and explosive.protective.value, explosive.direction) == (500, 800, Direction.AROUND)


def test_a_solid_takes_the_shorter_isolation_only_when_it_is_known_to_be_solid() -> None:
    assert _night(HazmatFacts(un="1942", leak=True)).isolation.value == 50
    assert _night(HazmatFacts(un="1942", leak=True, physical=Physical.SOLID)).isolation.value == 25


def test_ammonium_nitrate_on_fire_is_isolated_1600_m_other_oxidisers_800_m() -> None:
    nitrate = _night(HazmatFacts(un="1942", fire=True, container=Container.ROAD_TANKER))
    chlorate = _night(HazmatFacts(un="1495", fire=True, container=Container.ROAD_TANKER))
    assert nitrate.fire_isolation is not None and nitrate.fire_isolation.value == 1600
    assert chlorate.fire_isolation is not None and chlorate.fire_isolation.value == 800


def test_a_water_reactive_load_has_its_line_for_water_its_line_for_land_and_the_longer_one_while_unknown() -> None:
    facts = HazmatFacts(un="1836", leak=True, container=Container.ROAD_TANKER)
    land = _night(HazmatFacts(**{**_fields(facts), "in_water": False}))
    water = _night(HazmatFacts(**{**_fields(facts), "in_water": True}))
    unknown = _night(facts)
    assert land.protective is not None and water.protective is not None and unknown.protective is not None
    assert (land.protective.value, land.only_when_spilled_in_water, land.conditional) == (500, False, False)
    assert (water.protective.value, water.protective.plus, water.only_when_spilled_in_water) == (11000, True, True)
    assert (unknown.protective.value, unknown.conditional) == (11000, True)


@pytest.mark.parametrize(
    ("un", "daylight", "isolation", "protective", "conditional"),
    [("1838", Daylight.DAY, 30, 400, False), ("1838", Daylight.NIGHT, 30, 1200, True), ("1828", Daylight.DAY, 60, 300, False), ("1828", Daylight.NIGHT, 60, 700, True)],
)
def test_while_water_is_unknown_neither_distance_is_shorter_than_on_land_or_in_water(
    un: str, daylight: Daylight, isolation: float, protective: float, conditional: bool
) -> None:
    tanker = {"un": un, "leak": True, "container": Container.ROAD_TANKER}
    found = {water: distances(HazmatFacts(**tanker, in_water=water), daylight=daylight) for water in (None, True, False)}  # type: ignore[arg-type]
    assert found[None].protective is not None
    assert (found[None].isolation.value, found[None].protective.value, found[None].conditional) == (isolation, protective, conditional)
    assert found[None].isolation.value == max(found[water].isolation.value for water in (True, False))


def test_while_water_is_unknown_no_water_reactive_load_is_isolated_less_than_its_guide_says_for_land() -> None:
    for un, lines in tables.table1().items():
        if not any(line.only_when_spilled_in_water for line in lines):
            continue
        for size in SpillSize:
            both = [_night(HazmatFacts(un=un, leak=True, spill=size, in_water=water)) for water in (True, False)]
            found = _night(HazmatFacts(un=un, leak=True, spill=size))
            assert found.isolation.value == max(one.isolation.value for one in both), un
            assert (found.protective.value if found.protective else 0) == max(one.protective.value if one.protective else 0 for one in both), un


def test_several_materials_under_one_number_are_named_and_the_longest_is_taken() -> None:
    found = _night(HazmatFacts(un="2845", leak=True, container=Container.ROAD_TANKER))
    assert found.protective is not None and found.protective.value == 4200
    assert any("Ethyl phosphonous" in note.en and "Methyl phosphonous" in note.zh for note in found.notes)
    told = _night(HazmatFacts(un="2845", leak=True, container=Container.ROAD_TANKER, material="Ethyl phosphonous dichloride, anhydrous"))
    assert told.protective is not None and (told.isolation.value, told.protective.value) == (100, 2300)
    assert not any("materials" in note.en for note in told.notes)
    with pytest.raises(Rejected) as refused:
        _night(HazmatFacts(un="2845", leak=True, material="Chlorine"))
    assert refused.value.code == "bad_material" and "Methyl phosphonous" in refused.value.message
    assert not any("materials" in note.en for note in _night(HazmatFacts(un="1017", leak=True)).notes)


def test_a_number_with_several_guides_is_kept_as_far_off_as_the_gravest_says() -> None:
    lithium = _night(HazmatFacts(un="3536", leak=True, fire=True))
    assert lithium.isolation.value == 50 and lithium.fire_isolation is not None and lithium.fire_isolation.value == 800
    assert lithium.protective is not None and (lithium.protective.value, lithium.protective.table) == (300, "guide 138")


def test_a_load_dangerous_in_water_alone_falls_back_to_its_guide_on_land() -> None:
    dry = _night(HazmatFacts(un="1295", leak=True, in_water=False, container=Container.ROAD_TANKER))
    wet = _night(HazmatFacts(un="1295", leak=True, in_water=True, container=Container.ROAD_TANKER))
    assert (dry.isolation.table, dry.isolation.value) == ("guide 139", 50)
    assert (wet.isolation.table, wet.isolation.value, wet.protective and wet.protective.value) == ("Table 1", 60, 1500)
    assert "Table 1 does not apply" in dry.notes[0].en


def _fields(facts: HazmatFacts) -> dict[str, object]:
    return {name: getattr(facts, name) for name in facts.__struct_fields__}


def test_no_leak_leaves_the_isolation_as_a_precaution_and_draws_nothing_downwind() -> None:
    found = _night(HazmatFacts(un="1017", leak=False, container=Container.ROAD_TANKER))
    assert found.protective is None
    assert found.isolation.value == 600
    assert any("预防" in note.zh for note in found.notes)


def test_an_unknown_leak_counts_as_a_leak() -> None:
    assert _night(HazmatFacts(un="1017")).protective is not None


@pytest.mark.parametrize(
    ("un", "container", "row", "said"),
    [
        ("1005", Container.ROAD_TANKER, "highway_tank", False),
        ("1005", Container.NURSE_TANK, "nurse_tank", False),
        ("1017", Container.NURSE_TANK, "highway_tank", True),
        ("1017", Container.TON_CYLINDER, "small_cylinders_or_one_ton", False),
        ("1052", Container.TON_CYLINDERS, "highway_tank", True),
        ("1005", Container.CYLINDERS, "small_cylinders", False),
        ("1017", Container.CYLINDERS, "small_cylinders_or_one_ton", False),
        ("1017", Container.TANK_CONTAINER, "highway_tank", True),
        ("1017", Container.FIXED_TANK, "rail_tank_car", True),
        ("1017", Container.UNKNOWN, "rail_tank_car", True),
    ],
)
def test_table_3_says_when_it_has_no_row_for_the_container(un: str, container: Container, row: str, said: bool) -> None:
    line, notes = table3_line(un, container)
    assert line.container == row
    assert bool(notes) is said


def test_wind_and_daylight_choose_the_column_of_table_3() -> None:
    facts = HazmatFacts(un="1017", leak=True, container=Container.ROAD_TANKER)
    found = {
        (light, wind): distances(facts, daylight=light, wind_class=wind).protective.value  # type: ignore[union-attr]
        for light in Daylight
        for wind in WindClass
    }
    assert [found[light, wind] for light in Daylight for wind in WindClass] == [5600, 3300, 2500, 6400, 4700, 3800]


def test_an_unknown_hazard_zone_takes_the_longest_line_and_says_so() -> None:
    unknown = _night(HazmatFacts(un="3306", leak=True))
    known = _night(HazmatFacts(un="3306", leak=True, hazard_zone="D"))
    assert unknown.protective is not None and unknown.protective.plus
    assert known.protective is not None and known.protective.value == 2000
    assert any("危害区" in note.zh for note in unknown.notes)


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        (HazmatFacts(un="9999"), "unknown_un"),
        (HazmatFacts(hin="111"), "unknown_hin"),
        (HazmatFacts(quantity_kg=-1), "bad_quantity"),
        (HazmatFacts(quantity_kg=float("nan")), "bad_quantity"),
        (HazmatFacts(volume_l=float("inf")), "bad_volume"),
        (HazmatFacts(un="1953", hazard_zone="E"), "bad_hazard_zone"),
    ],
)
def test_facts_that_cannot_be_are_refused(facts: HazmatFacts, code: str) -> None:
    with pytest.raises(Rejected, match=code):
        _night(facts)


def test_every_material_in_every_container_has_a_sourced_isolation_distance() -> None:
    for un in lookup.substances():
        for container in (Container.ROAD_TANKER, Container.DRUM, Container.UNKNOWN):
            for water in (None, True, False):
                found = _night(HazmatFacts(un=un, leak=True, fire=True, container=container, in_water=water))
                assert found.isolation.value >= 15, un
                assert found.isolation.edition == "ERG 2024"
