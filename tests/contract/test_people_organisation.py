"""People in the store: appointing, moving and leaving take effect with the commit, and duties pass on."""

from __future__ import annotations

import io
from typing import Any

import pytest
from openpyxl import Workbook

from hub.clock import ManualClock
from hub.domain.access import HUB, Action, Role, Scope, may
from hub.domain.organisation import Post, plan_import
from hub.errors import Rejected
from hub.store import Store, Transaction, changes_after
from hub.store.accounts import actor_of_session, open_account, open_session
from hub.store.organisation import (
    actor_of_person,
    add_person,
    appoint,
    appointments_of,
    get_person,
    held_posts,
    holders,
    import_people,
    leave,
    list_departments,
    list_people,
    list_posts,
    move,
    release,
    save_department,
    save_post,
    seed_departments,
)
from hub.web.organisation import read_table
from tests.support.district import HOUR, NOW, POLICY

BY = "person:admin"


async def district(tx: Transaction) -> None:
    """Two posts of the water bureau, one the other's substitute, and the desk."""
    await seed_departments(tx)
    for id, role, scope, substitute in (("water-duty", Role.DUTY_OFFICER, Scope.OWN, "water-deputy"), ("water-deputy", Role.DUTY_OFFICER, Scope.OWN, None),
                                        ("desk", Role.OPERATOR, Scope.ALL, None), ("sec", Role.SECURITY_ADMIN, Scope.ALL, None)):
        department = "water-bureau" if id.startswith("water") else "district-office"
        await save_post(tx, Post(id=id, role=role, scope=scope, zh=id, en=id, department_id=department, substitute_id=substitute), POLICY, by=BY)


async def test_an_appointed_person_acts_with_the_post_and_no_longer_once_released(store: Store) -> None:
    async with store.transaction() as tx:
        await district(tx)
        who = await add_person(tx, "王五", by=BY, department_id="district-office")
        row = await appoint(tx, who.id, "desk", POLICY, by=BY)
    async with store.read() as conn:
        actor = await actor_of_person(conn, POLICY, who.id, NOW)
    assert actor is not None and may(actor, Action.INCIDENT_VERIFY, HUB, NOW).allowed
    async with store.transaction() as tx:
        assert await release(tx, row.id, by=BY, reason="轮岗") is not None
        assert await release(tx, row.id, by=BY, reason="again") is None
    async with store.read() as conn:
        actor = await actor_of_person(conn, POLICY, who.id, NOW)
    assert actor is not None and not may(actor, Action.INCIDENT_VERIFY, HUB, NOW).allowed


async def test_an_appointment_ends_by_itself_at_its_time(store: Store, clock: ManualClock) -> None:
    async with store.transaction() as tx:
        await district(tx)
        who = await add_person(tx, "王五", by=BY)
        await appoint(tx, who.id, "desk", POLICY, by=BY, until_at=NOW + HOUR)
    async with store.read() as conn:
        assert len(await held_posts(conn, who.id, NOW)) == 1
        assert await held_posts(conn, who.id, NOW + HOUR) == ()


async def test_several_posts_join_their_rights_and_an_administrator_takes_none_beside(store: Store) -> None:
    async with store.transaction() as tx:
        await district(tx)
        who = await add_person(tx, "王五", by=BY)
        await appoint(tx, who.id, "water-duty", POLICY, by=BY)
        await appoint(tx, who.id, "desk", POLICY, by=BY)
    async with store.read() as conn:
        actor = await actor_of_person(conn, POLICY, who.id, NOW)
    assert actor is not None and actor.roles == {Role.DUTY_OFFICER, Role.OPERATOR}
    with pytest.raises(Rejected, match="roles_conflict"):
        async with store.transaction() as tx:
            await appoint(tx, who.id, "sec", POLICY, by=BY)


async def test_leaving_ends_posts_account_and_sessions_at_once_and_names_who_takes_over(store: Store) -> None:
    async with store.transaction() as tx:
        await district(tx)
        who, deputy = await add_person(tx, "王五", by=BY), await add_person(tx, "赵六", by=BY)
        await appoint(tx, who.id, "water-duty", POLICY, by=BY)
        await appoint(tx, deputy.id, "water-deputy", POLICY, by=BY)
        account = await open_account(tx, who.id, "wang5", by=BY)
        opened, token = await open_session(tx, account, address="10.0.0.1", client="t", method="link", second_factor=False, life=HOUR)
    async with store.read() as conn:
        assert await actor_of_session(conn, POLICY, NOW, idle=HOUR, token=token) is not None
    async with store.transaction() as tx:
        assert await leave(tx, who.id, by=BY, reason="离职") == {"water-duty": "water-deputy"}
        assert await leave(tx, who.id, by=BY, reason="离职") is None
    async with store.read() as conn:
        assert await actor_of_session(conn, POLICY, NOW, idle=HOUR, token=token) is None
        assert await actor_of_session(conn, POLICY, NOW, idle=HOUR, session_id=opened.id) is None
        assert await actor_of_person(conn, POLICY, who.id, NOW) is None
        assert set(await holders(conn, NOW)) == {"water-deputy"}
        kinds = [change.kind for change in await changes_after(conn, 0, limit=1000)]
    assert kinds[-1] == "person.left"


async def test_moving_ends_the_old_rights_as_the_new_ones_begin(store: Store) -> None:
    async with store.transaction() as tx:
        await district(tx)
        who = await add_person(tx, "王五", by=BY, department_id="water-bureau")
        await appoint(tx, who.id, "water-duty", POLICY, by=BY)
        await move(tx, who.id, "desk", POLICY, by=BY, reason="调动", department_id="district-office")
    async with store.read() as conn:
        assert [p.id for p in await held_posts(conn, who.id, NOW)] == ["desk"]
        moved = await get_person(conn, who.id)
        assert moved is not None and moved.department_id == "district-office"
        assert len(await appointments_of(conn, person_id=who.id)) == 2, "the old appointment stays on record"


async def test_a_circle_of_departments_is_refused_and_nothing_is_stored(store: Store) -> None:
    async with store.transaction() as tx:
        assert await seed_departments(tx) > 30
        assert await seed_departments(tx) == 0
    async with store.read() as conn:
        top = next(d for d in await list_departments(conn) if d.id == "district-office")
    import msgspec

    with pytest.raises(Rejected, match="circle"):
        async with store.transaction() as tx:
            await save_department(tx, msgspec.structs.replace(top, parent_id="traffic-police"), by=BY)
    async with store.read() as conn:
        assert next(d for d in await list_departments(conn) if d.id == "district-office").parent_id is None


def table(*lines: tuple[Any, ...], head: tuple[str, ...] = ("部门", "姓名", "电话", "岗位", "角色", "范围", "登录名"), merge: str | None = None) -> bytes:
    """An .xlsx file with these lines."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(head)
    for row in lines:
        sheet.append(row)
    if merge:
        sheet.merge_cells(merge)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


async def test_a_table_with_merged_cells_and_full_width_digits_is_imported_once(store: Store) -> None:
    raw = table(("区水利局", "王五", "１３８１２３４５６７８", "值班岗", "值班员", "本部门", "wang5"),
                (None, "赵六", 13912345678, "报送岗", "部门报送员", None, None), (None, "王五", None, "报送岗", "部门报送员", None, None), merge="A2:A4")
    rows = read_table(raw)
    assert [(r.line, r.department, r.person, r.phone) for r in rows] == [
        (2, "区水利局", "王五", "13812345678"), (3, "区水利局", "赵六", "13912345678"), (4, "区水利局", "王五", "")]
    async with store.transaction() as tx:
        await seed_departments(tx)
        departments = {d.id: d for d in await list_departments(tx.conn)}
        planned, errors = plan_import(rows, departments, POLICY)
        assert errors == ()
        assert len(await import_people(tx, planned, POLICY, by=BY)) == 2
    async with store.transaction() as tx:
        assert await import_people(tx, planned, POLICY, by=BY) == (), "the same table again adds nothing"
    async with store.read() as conn:
        people = await list_people(conn)
        assert len(people) == 2 and len(await list_posts(conn)) == 2
        wang = next(p for p in people if p.name == "王五")
        assert {p.role for p in await held_posts(conn, wang.id, NOW)} == {Role.DUTY_OFFICER, Role.DEPARTMENT_REPORTER}


@pytest.mark.parametrize("raw", [b"", b"not a table", b"PK\x03\x04rubbish", table(head=("x", "y"))])
def test_what_is_no_such_table_is_refused_with_a_code(raw: bytes) -> None:
    with pytest.raises(Rejected):
        read_table(raw)


def test_a_column_that_nobody_knows_is_named_and_a_formula_without_a_result_is_not_empty() -> None:
    with pytest.raises(Rejected) as unknown:
        read_table(table(("区水利局", "王五", "值班员", "13812345678"), head=("部门", "姓名", "角色", "办公电话")))
    assert unknown.value.code == "table_head" and "办公电话" in unknown.value.zh
    counted = read_table(table((1, "区水利局", "王五", "值班员", "13812345678"), head=("序号", "部门", "姓名", "角色", "手机号")))
    assert [(row.person, row.phone) for row in counted] == [("王五", "13812345678")]
    with pytest.raises(Rejected) as formula:
        read_table(table(("区水利局", "王五", "值班员", "=A2&B2"), head=("部门", "姓名", "角色", "电话")))
    assert formula.value.code == "table_formula" and "第 2 行“电话”" in formula.value.zh and "Excel" in formula.value.en
