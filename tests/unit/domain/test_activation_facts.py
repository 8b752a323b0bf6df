"""What plans are told of an incident: grades by their names, towns by code, word or nearness, substances by the tables, answers over all."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import msgspec
import pytest

from hub.domain.activation import Nearby, Surroundings, check_fact, check_step, facts_of
from hub.domain.incident import IncidentView
from hub.domain.report import PlaceView
from hub.errors import Rejected
from hub.wire import Hazmat
from plans.facts import IncidentFacts, SubstanceFacts
from plans.model import PlanStatus
from tests.support.district import incident_view

ZONE = ZoneInfo("Asia/Shanghai")
AROUND = Surroundings((("320707108", "赣马镇", 119.11, 34.90), ("320707100", "青口镇", 119.13, 34.84)),
                      (Nearby("school", 119.112, 34.866), Nearby("village", 119.2, 34.9)))


class Ammonia:
    """Tables that know one substance and one container."""

    def substance(self, un: str) -> SubstanceFacts | None:
        return {"1005": SubstanceFacts("2", "125", True)}.get(un)

    def named(self, name: str) -> tuple[str, ...]:
        return {"液氨": ("1005",), "氨": ("1005", "2672")}.get(name, ())

    def container(self, text: str) -> str | None:
        return {"槽罐车": "road_tanker"}.get(text)


def facts(view: IncidentView, **stated: object) -> IncidentFacts:
    given = {name.replace("__", "."): value for name, value in stated.items()}
    return facts_of(view, zone=ZONE, around=AROUND, tables=Ammonia(), stated=given)


def at(**place: object) -> IncidentView:
    return msgspec.structs.replace(incident_view(1), place=PlaceView(**place))  # type: ignore[arg-type] # fields of a place


@pytest.mark.parametrize(("place", "town"), [
    ({"text": "x", "adcode": "320707115"}, "320707115"),
    ({"text": "青口镇某路", "adcode": "320707", "lon": 119.11, "lat": 34.90}, "320707100"),
    ({"text": "G204", "lon": 119.112, "lat": 34.899}, "320707108"),
    ({"text": "G204", "lon": 120.5, "lat": 34.899}, None),
    ({"text": "G204"}, None),
])
def test_the_town_is_the_code_sent_else_the_one_named_else_the_nearest_centre(place: dict[str, object], town: str | None) -> None:
    assert facts(at(**place)).place.adcode == town


def test_distances_are_to_the_nearest_of_a_kind_and_unknown_where_nothing_is_known() -> None:
    place = facts(at(text="G204", lon=119.112, lat=34.865)).place
    assert place.distance_to_school_m == pytest.approx(111, abs=1)
    assert place.distance_to_water_m is None


def test_what_the_tables_say_of_a_substance_stands_beside_what_was_sent() -> None:
    view = msgspec.structs.replace(incident_view(1), hazmat=(Hazmat(un="1005", leak=True), Hazmat(name="不明液体")))
    known, unknown = facts(view).hazmat
    assert (known.class_, known.guide, known.toxic_by_inhalation, known.leak) == ("2", "125", True, True)
    assert (unknown.class_, unknown.toxic_by_inhalation) == (None, None)


def test_a_number_that_no_table_knows_counts_as_unknown_and_is_kept_as_it_was_reported() -> None:
    view = msgspec.structs.replace(incident_view(1), hazmat=(Hazmat(un="9999", leak=True),))
    load = facts(view).hazmat[0]
    assert (load.un, load.un_unlisted, load.leak) == (None, "9999", True)
    answered = facts(view, hazmat__un="1005").hazmat[0]
    assert (answered.un, answered.class_) == ("1005", "2"), "what the tables say holds for an answered number, too"


def test_the_hour_is_the_districts() -> None:
    assert facts(incident_view(1)).hour == 13  # 05:00 UTC


def test_the_desks_grade_counts_by_its_statutory_name() -> None:
    assert facts(incident_view(1, grade="serious")).grade == "较大"


def test_an_answer_stands_over_what_was_derived_and_holds_for_every_load() -> None:
    view = msgspec.structs.replace(incident_view(1), hazmat=(Hazmat(un="1005"), Hazmat(un="1017")))
    told = facts(view, hazmat__leak=True, casualties__dead=2, hazmat_present=True, place__setting="road")
    assert all(load.leak for load in told.hazmat)
    assert (told.casualties.dead, told.hazmat_present, told.place.setting) == (2, True, "road")


@pytest.mark.parametrize(("field", "value"), [("hazmat.leak", 1), ("casualties.dead", True), ("casualties.dead", -1), ("grade", "heavy"),
                                              ("place.position", "x"), ("no.such", 1), ("hazmat.name", "")])
def test_what_is_no_answer_is_refused(field: str, value: object) -> None:
    with pytest.raises(Rejected):
        check_fact(field, value)


def test_a_draft_does_not_come_in_force_without_review() -> None:
    with pytest.raises(Rejected):
        check_step(PlanStatus.DRAFT, PlanStatus.IN_FORCE)
    check_step(PlanStatus.REVIEWED, PlanStatus.IN_FORCE)


@pytest.mark.parametrize(("load", "un", "container"), [
    (Hazmat(name="液氨", container="槽罐车"), "1005", "road_tanker"),
    (Hazmat(name="氨"), None, None),
    (Hazmat(un="9999", name="液氨"), None, None),
    (Hazmat(name="不明液体", container="怪车"), None, None),
])
def test_a_load_is_what_its_words_say_where_they_say_one_thing(load: Hazmat, un: str | None, container: str | None) -> None:
    """A container in words that nobody knows is unknown: known to be another one, it would leave tasks out."""
    (found,) = facts(msgspec.structs.replace(incident_view(1), hazmat=(load,))).hazmat
    assert (found.un, found.container) == (un, container)
    assert (found.class_ is not None) == (un is not None)


def test_an_answer_about_the_load_is_about_the_one_of_which_it_was_not_known() -> None:
    view = msgspec.structs.replace(incident_view(1), hazmat=(Hazmat(un="1203", leak=True), Hazmat(un="1005")))
    assert [load.leak for load in facts(view, hazmat__leak=False).hazmat] == [True, False]
    assert [load.un for load in facts(view, hazmat__un="1005").hazmat] == ["1005", "1005"], "the number that no table knew"
