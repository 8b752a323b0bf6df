"""Departments, posts, appointments, and import lines."""

from __future__ import annotations

from typing import Any

import pytest

from hub.domain.access import Role, Scope
from hub.domain.organisation import (
    Appointment,
    Department,
    DepartmentKind,
    ImportRow,
    Person,
    Post,
    check_appointment,
    check_department,
    check_post,
    held,
    packaged_departments,
    plan_import,
    reach_of,
    successor,
)
from hub.errors import Rejected
from tests.support.district import HOUR, NOW, POLICY

DEPARTMENTS = {d.id: d for d in packaged_departments()}


def department(id: str, parent: str | None) -> Department:
    return Department(id=id, kind=DepartmentKind.DEPARTMENT, zh=id, en=id, parent_id=parent)


def post(id: str = "p", role: Role = Role.DUTY_OFFICER, **given: Any) -> Post:
    values: dict[str, Any] = {"scope": Scope.OWN, "department_id": "water-bureau", **given}
    return Post(id=id, role=role, zh=id, en=id, **values)


def test_the_shipped_departments_are_one_tree_with_fifteen_towns() -> None:
    assert len([d for d in DEPARTMENTS.values() if d.kind is DepartmentKind.TOWN]) == 15
    assert reach_of(DEPARTMENTS.values())["district-office"] == set(DEPARTMENTS)
    for row in DEPARTMENTS.values():
        check_department(row, {id: d for id, d in DEPARTMENTS.items() if id != row.id})


def test_a_department_reaches_itself_and_all_below_it() -> None:
    reach = reach_of([department("a", None), department("b", "a"), department("c", "b"), department("d", None)])
    assert reach["a"] == {"a", "b", "c"} and reach["b"] == {"b", "c"} and reach["d"] == {"d"}


def test_a_circle_of_parents_is_refused_and_never_hangs() -> None:
    rows = [department("a", "b"), department("b", "a")]
    assert reach_of(rows)["a"] == {"a", "b"}
    with pytest.raises(Rejected, match="circle"):
        check_department(department("a", "b"), {"b": rows[1]})
    with pytest.raises(Rejected, match="no department"):
        check_department(department("a", "x"), {})


def test_only_a_downstream_post_reaches_below() -> None:
    reach = {"a": frozenset({"a", "b"})}
    assert held(post(scope=Scope.DOWNSTREAM, department_id="a"), None, reach).reach == {"a", "b"}
    assert held(post(department_id="a"), None, reach).reach == {"a"}


@pytest.mark.parametrize(("given", "code"), [
    ({"role": Role.HUB}, "role_invalid"), ({"role": Role.OPERATOR, "scope": Scope.OWN}, "scope_invalid"),
    ({"role": Role.ENTERPRISE_CONTACT}, "enterprise_needed"), ({"department_id": None}, "department_needed"),
    ({"substitute_id": "p"}, "substitute_self"), ({"role": Role.RESPONDER, "scope": Scope.ALL}, "scope_invalid"),
])
def test_a_post_that_does_not_hold_together_is_refused(given: dict[str, Any], code: str) -> None:
    with pytest.raises(Rejected) as caught:
        check_post(post(**given), POLICY)
    assert caught.value.code == code


@pytest.mark.parametrize(("held_roles", "role", "allowed"), [
    ((), Role.SYSTEM_ADMIN, True), ((Role.OPERATOR,), Role.SYSTEM_ADMIN, False), ((Role.SYSTEM_ADMIN,), Role.AUDIT_ADMIN, False),
    ((Role.AUDIT_ADMIN,), Role.RESPONDER, False), ((Role.RESPONDER,), Role.DUTY_OFFICER, True), ((Role.AUDIT_ADMIN,), Role.AUDIT_ADMIN, True),
])
def test_an_administrator_holds_no_other_role(held_roles: tuple[Role, ...], role: Role, allowed: bool) -> None:
    who = Person(id="x", name="某")
    if allowed:
        check_appointment(who, post(role=role), held_roles, NOW, None)
    else:
        with pytest.raises(Rejected, match="roles_conflict"):
            check_appointment(who, post(role=role), held_roles, NOW, None)


def test_nobody_is_appointed_after_leaving_or_to_a_closed_post_or_into_the_past() -> None:
    for who, what, until in ((Person(id="x", name="某", left_at=NOW), post(), None), (Person(id="x", name="某"), post(active=False), None),
                             (Person(id="x", name="某"), post(), NOW)):
        with pytest.raises(Rejected):
            check_appointment(who, what, (), NOW, until)


def test_an_appointment_holds_from_its_beginning_to_before_its_end() -> None:
    row = Appointment(id="a", person_id="x", post_id="p", from_at=NOW, until_at=NOW + HOUR)
    assert [row.holds_at(NOW + n * HOUR) for n in (-1, 0, 1)] == [False, True, False]


def test_duties_of_an_empty_post_pass_to_the_first_substitute_that_is_held() -> None:
    posts = {"a": post("a", substitute_id="b"), "b": post("b", substitute_id="c"), "c": post("c", substitute_id="a")}
    assert successor(posts["a"], posts, {"b": 1, "c": 1}) == "b"
    assert successor(posts["a"], posts, {"c": 1}) == "c"
    assert successor(posts["a"], posts, {}) is None, "nobody there: the duty stays with the post, and no circle hangs"
    assert successor(posts["a"], posts, {"a": 1, "b": 1}) is None, "somebody still holds the post"


# ── import ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def line(n: int = 2, **given: str) -> ImportRow:
    values = {"department": "区水利局", "person": "王五", "role": "部门报送员", **given}
    return ImportRow(line=n, **values)


def test_right_lines_are_planned_with_the_roles_default_scope() -> None:
    planned, errors = plan_import([line(), line(3, person="赵六", department="fire-rescue", role="responder", login="zhao6")], DEPARTMENTS, POLICY)
    assert errors == () and [p.department_id for p in planned] == ["water-bureau", "fire-rescue"]
    assert planned[0].scope is Scope.OWN and planned[1].login == "zhao6"


@pytest.mark.parametrize(("given", "column"), [
    ({"department": "不存在局"}, "department"), ({"department": ""}, "department"), ({"person": ""}, "person"), ({"role": "国王"}, "role"),
    ({"role": ""}, "role"), ({"role": "hub"}, "role"), ({"phone": "没有"}, "phone"), ({"email": "x"}, "email"), ({"login": "1x"}, "login"),
    ({"scope": "all"}, "scope"), ({"role": "enterprise_contact"}, "enterprise"),
])
def test_each_wrong_line_is_named_with_its_column(given: dict[str, str], column: str) -> None:
    planned, errors = plan_import([line(), line(7, **given)], DEPARTMENTS, POLICY)
    assert [(e.line, e.column) for e in errors] == [(7, column)] and len(planned) == 1
    assert errors[0].zh and errors[0].en


def test_one_login_on_two_people_is_an_error_and_on_one_person_with_two_posts_is_none() -> None:
    _, errors = plan_import([line(2, login="wang5"), line(3, person="赵六", login="wang5")], DEPARTMENTS, POLICY)
    assert [e.column for e in errors] == ["login"]
    planned, errors = plan_import([line(2, login="wang5"), line(3, role="值班员", login="wang5")], DEPARTMENTS, POLICY)
    assert errors == () and len(planned) == 2
