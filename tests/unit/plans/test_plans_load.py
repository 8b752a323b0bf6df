"""Reading plan files: every fault is named with file, line and field; nothing is half applied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from plans.load import (
    MAX_FILE_BYTES,
    SKELETON,
    Fault,
    PlanRejected,
    condition_from,
    departments,
    export_text,
    find_cycle,
    load_bytes,
    load_files,
    load_folder,
    load_text,
    read_text,
    self_crossing,
    towns_by_adcode,
)
from plans.model import Plan
from tests.support.plan_library import plan, raw_plan, task, text


def written(**more: Any) -> str:
    return yaml.safe_dump(raw_plan(**more), allow_unicode=True, sort_keys=False)


def faults_of(source: str) -> tuple[Fault, ...]:
    with pytest.raises(PlanRejected) as caught:
        load_text(source, file="p.yaml")
    return caught.value.faults


def line_with(source: str, words: str) -> int:
    return next(n for n, line in enumerate(source.splitlines(), 1) if words in line)


def test_a_good_plan_is_read() -> None:
    assert load_text(written()) == plan()


def test_export_and_import_give_the_same_plan_for_the_whole_catalogue() -> None:
    for original in load_folder():
        assert load_text(export_text(original)) == original


def test_number_like_texts_survive_the_round_trip() -> None:
    original = plan(applies={"is": "one_of", "field": "hazmat.name", "values": ["1005", "0027", "null", "true", "1.50"]})
    assert load_text(export_text(original)) == original


def test_a_cycle_is_named_with_its_tasks_and_line() -> None:
    source = written(tasks=[task("a", after=["c"]), task("b", after=["a"]), task("c", after=["b"])])
    (fault,) = faults_of(source)
    assert (fault.file, fault.code, fault.field) == ("p.yaml", "task_cycle", "tasks[0].after")
    assert "a → c → b → a" in fault.en
    assert fault.line == line_with(source, "after:")


def test_a_task_that_waits_for_itself_is_a_cycle() -> None:
    assert [f.code for f in faults_of(written(tasks=[task("a", after=["a"])]))] == ["task_cycle"]


def test_an_unknown_role_is_named() -> None:
    source = written(tasks=[task("a"), task("b", role="fire-brigade")])
    (fault,) = faults_of(source)
    assert (fault.code, fault.field, fault.line) == ("unknown_role", "tasks[1].role", line_with(source, "fire-brigade"))


def test_an_unknown_department_is_named() -> None:
    roles = [{"id": "fire-rescue", "department": "mars-office", "duty": text("d")}]
    source = written(roles=roles, tasks=[task("a")], grants={})
    (fault,) = faults_of(source)
    assert (fault.code, fault.field, fault.line) == ("unknown_department", "roles[0].department", line_with(source, "mars-office"))


def test_a_negative_distance_is_named() -> None:
    source = written(applies={"is": "near", "name": "x", "lon": 119.1, "lat": 34.8, "within_m": -5})
    (fault,) = faults_of(source)
    assert (fault.code, fault.field, fault.line) == ("schema", "applies.within_m", line_with(source, "within_m"))


def test_a_negative_radius_is_named() -> None:
    source = written(zones=[{"id": "z", "kind": "cordon", "text": text("z"), "radius_m": -1.0, "source": "s"}])
    assert [(f.code, f.field) for f in faults_of(source)] == [("schema", "zones[0].radius_m")]


def test_a_distance_without_its_source_is_refused() -> None:
    source = written(zones=[{"id": "z", "kind": "cordon", "text": text("z"), "radius_m": 100.0}])
    assert [(f.code, f.field) for f in faults_of(source)] == [("distance_without_source", "zones[0].source")]


def test_a_condition_on_a_fact_that_does_not_exist_is_named_where_it_stands() -> None:
    applies = {"is": "all", "of": [{"is": "always"}, {"is": "not", "of": {"is": "flag", "field": "hazmat.smell"}}]}
    source = written(applies=applies)
    (fault,) = faults_of(source)
    assert (fault.code, fault.field, fault.line) == ("unknown_field", "applies.of[1].of.field", line_with(source, "hazmat.smell"))


@pytest.mark.parametrize(
    "condition",
    [
        {"is": "at_least", "field": "hazmat.leak", "value": 1},
        {"is": "flag", "field": "casualties.dead"},
        {"is": "one_of", "field": "event_types", "values": ["12D00"]},
        {"is": "one_of", "field": "casualties.dead", "values": ["3"]},
    ],
)
def test_a_condition_of_the_wrong_kind_for_its_fact_is_refused(condition: dict[str, Any]) -> None:
    assert [f.code for f in faults_of(written(applies=condition))] == ["wrong_condition"]


def test_a_value_outside_a_closed_set_is_refused() -> None:
    (fault,) = faults_of(written(applies={"is": "one_of", "field": "place.setting", "values": ["road", "moon"]}))
    assert (fault.code, fault.field) == ("unknown_value", "applies.values[1]")


def test_a_polygon_that_crosses_itself_is_named() -> None:
    bow_tie = [[119.0, 34.8], [119.1, 34.9], [119.1, 34.8], [119.0, 34.9]]
    source = written(applies={"is": "inside", "name": "port", "polygon": bow_tie})
    (fault,) = faults_of(source)
    assert (fault.code, fault.field, fault.line) == ("polygon_crosses_itself", "applies.polygon", line_with(source, "polygon"))


def test_a_zone_polygon_that_crosses_itself_is_named() -> None:
    zone = {"id": "z", "kind": "cordon", "text": text("z"), "polygon": [[119.0, 34.8], [119.1, 34.9], [119.1, 34.8], [119.0, 34.9]]}
    assert [(f.code, f.field) for f in faults_of(written(zones=[zone]))] == [("polygon_crosses_itself", "zones[0].polygon")]


@pytest.mark.parametrize(
    ("ring", "simple"),
    [
        ([(0, 0), (1, 0), (1, 1), (0, 1)], True),
        ([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)], True),
        ([(0, 0), (2, 0), (2, 2), (1, 1), (0, 2)], True),
        ([(0, 0), (1, 1), (1, 0), (0, 1)], False),
        ([(0, 0), (1, 0), (2, 0)], False),
        ([(0, 0), (2, 0), (1, 0), (1, 1)], False),
        ([(0, 0), (1, 0), (1, 0), (0, 1)], False),
    ],
)
def test_simple_rings_are_told_from_crossing_ones(ring: list[tuple[float, float]], simple: bool) -> None:
    assert (self_crossing(ring) is None) is simple


def test_a_yaml_bomb_is_refused_by_its_aliases_at_once() -> None:
    bomb = 'a: &a ["x","x","x","x","x","x","x","x","x"]\n' + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
    )
    (fault,) = faults_of(bomb)
    assert (fault.code, fault.line) == ("yaml_alias", 1)


def test_deep_nesting_is_refused() -> None:
    (fault,) = faults_of("id: " + "[" * 5000 + "]" * 5000)
    assert fault.code == "yaml_too_deep"


def test_too_many_nodes_are_refused() -> None:
    (fault,) = faults_of("id: [" + "a," * 70_000 + "]")
    assert fault.code == "yaml_too_large"


def test_an_oversized_text_is_refused_unread() -> None:
    (fault,) = faults_of("# " + "x" * MAX_FILE_BYTES)
    assert fault.code == "yaml_too_large"


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("a: [1", "yaml_syntax"),
        ("- just\n- a list", "yaml_shape"),
        ("", "yaml_shape"),
        ("id: a\nid: b", "yaml_duplicate_key"),
        ("id: a\n---\nid: b", "yaml_documents"),
        ("? [a]\n: b", "yaml_key"),
        ("id: \x00", "yaml_character"),
        ("!!python/object/apply:os.system ['true']", "yaml_tag"),
    ],
)
def test_text_that_is_no_plan_is_refused_by_name(source: str, code: str) -> None:
    assert [f.code for f in faults_of(source)] == [code]


def test_a_misspelt_field_is_named_at_its_line() -> None:
    source = written().replace("due_min: 20", "due_mins: 20")
    (fault,) = faults_of(source)
    assert (fault.code, fault.field, fault.line) == ("schema", "tasks[1].due_mins", line_with(source, "due_mins"))


def test_every_fault_of_a_file_is_named_not_only_the_first() -> None:
    codes = {f.code for f in faults_of(written(tasks=[task("a", role="x"), task("a", after=["z"])]))}
    assert codes == {"unknown_role", "duplicate_id", "unknown_task"}


def test_the_same_action_role_and_object_twice_is_refused() -> None:
    assert [f.code for f in faults_of(written(tasks=[task("a"), task("b", action="a")]))] == ["same_task_twice"]


def test_a_task_may_not_wait_for_one_that_starts_after_the_end() -> None:
    tasks = [task("end", starts="termination"), task("a", after=["end"])]
    assert [f.code for f in faults_of(written(tasks=tasks))] == ["task_order"]


def test_validity_that_ends_before_it_begins_is_refused() -> None:
    assert [f.code for f in faults_of(written(valid_until="2025-01-01"))] == ["range"]


def test_a_folder_loads_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(written(), "utf-8")
    (tmp_path / "b.yaml").write_text(written(plan_id="gas", tasks=[task("x", role="nobody")]), "utf-8")
    (tmp_path / "c.yaml").write_text("id: [", "utf-8")
    with pytest.raises(PlanRejected) as caught:
        load_folder(tmp_path)
    assert {(Path(f.file).name, f.code) for f in caught.value.faults} == {("b.yaml", "unknown_role"), ("c.yaml", "yaml_syntax")}


def test_two_files_of_the_same_plan_and_version_are_refused(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(written(), "utf-8")
    with pytest.raises(PlanRejected, match="duplicate_plan"):
        load_folder(tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlanRejected) as caught:
        load_files([tmp_path / "none.yaml"])
    assert caught.value.faults[0].code == "unreadable"


def test_bytes_that_are_not_utf8_are_named(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes("id: 预案".encode("gb18030"))
    with pytest.raises(PlanRejected) as caught:
        load_files([file])
    assert caught.value.faults[0].code == "not_utf8"


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "utf-16-be"])
def test_a_file_in_another_encoding_is_refused_as_such_and_not_taken_with_signs_in_place_of_its_words(encoding: str) -> None:
    with pytest.raises(PlanRejected) as caught:
        load_bytes(written().encode(encoding), file="火灾.yaml")
    (fault,) = caught.value.faults
    assert (fault.code, fault.file) == ("not_utf8", "火灾.yaml") and "UTF-8" in fault.zh


def test_a_single_damaged_byte_is_named_with_its_line() -> None:
    lines = written().encode().split(b"\n")
    lines[2] += b"\xff"
    with pytest.raises(PlanRejected) as caught:
        load_bytes(b"\n".join(lines))
    assert [(f.code, f.line) for f in caught.value.faults] == [("not_utf8", 3)]


@pytest.mark.parametrize("edit", [lambda s: s.replace("\n", "\r\n"), lambda s: "\ufeff" + s], ids=["CRLF", "BOM"])
def test_line_ends_and_a_byte_order_mark_of_another_system_change_nothing(edit: Callable[[str], str]) -> None:
    assert load_bytes(edit(written()).encode()) == load_text(written())


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        ("id: a\ntitle:\n\tzh: b\n", 3, "制表符"),
        ("id: a\ntitle: x: y\n", 2, "冒号"),
        ("id: a\ntitle: {zh: b\nversion: 1\n", 3, "花括号"),
        ("id: a\ntitle: 'b\n", 3, "引号未闭合"),
        ("id: a\ntitle: @b\n", 2, "加引号"),
        ("id: a\nversion\nkind: b\n", 3, "缺少冒号"),
        ("id: a\nversion: !!int 3\n", 2, "类型标签"),
        ("id: a\nversion: 3\x07\n", 2, "U+0007"),
        ("# 只有注释\n", 1, "空的"),
    ],
)
def test_what_is_no_yaml_is_told_in_chinese_with_its_line(source: str, line: int, words: str) -> None:
    (fault,) = faults_of(source)
    assert fault.line == line and words in fault.zh and not set("abcdefghijklmnopqrstuvwxyz") & set(fault.zh.replace("tag:yaml.org,2002:int", "").replace("Tab", ""))


def test_a_condition_of_the_console_is_checked_too() -> None:
    with pytest.raises(Exception, match="unknown_field"):
        condition_from({"is": "flag", "field": "no.such"})
    with pytest.raises(Exception, match="schema"):
        condition_from({"is": "perhaps"})
    assert condition_from({"is": "flag", "field": "hazmat.leak"}) is not None


def test_cycles_are_found_in_large_graphs_without_recursion() -> None:
    chain = {str(i): [str(i + 1)] for i in range(50_000)}
    assert find_cycle(chain) == ()
    assert len(find_cycle({**chain, "50000": ["0"]})) == 50_001


def test_the_directory_names_fifteen_towns_and_two_zones() -> None:
    assert len(towns_by_adcode()) == 17
    assert towns_by_adcode()["320707108"] == "town-ganma"
    assert departments()["emergency-bureau"].zh == "应急管理局"


def test_plan_is_a_value(tmp_path: Path) -> None:
    assert isinstance(load_text(written()), Plan)
    assert hash(load_text(written())) == hash(plan())


def test_a_un_number_that_does_not_exist_is_named_with_its_line_and_field() -> None:
    text = SKELETON.read_text("utf-8").replace("{is: flag, field: hazmat_present, value: false}", "{is: one_of, field: hazmat.un, values: ['1005', '9999']}")
    reading = read_text(text, file="plan.yaml")
    line = next(n for n, row in enumerate(text.splitlines(), 1) if "9999" in row)
    assert [(f.file, f.line, f.field, f.code) for f in reading.faults] == [("plan.yaml", line, "applies.of[1].values[1]", "unknown_un")]


@pytest.mark.parametrize(("before", "after", "zh"), [
    ("value: false", "vlaue: false", "没有字段“vlaue”"),
    ("version: 1", "version: one", "应为整数，却是文字"),
    ("due_min: 5 ", "due_min: -5 ", "不得小于 0"),
    ("status: draft", "status: drft", "“drft”不在取值范围内"),
    ("kind: special ", "# kind: special ", "缺少字段“kind”"),
])
def test_a_fault_of_shape_is_told_in_chinese_too(before: str, after: str, zh: str) -> None:
    text = SKELETON.read_text("utf-8")
    assert before in text
    (fault,) = read_text(text.replace(before, after, 1)).faults
    assert zh in fault.zh and fault.line > 1, fault


@pytest.mark.parametrize(("condition", "below"), [
    ({"is": "one_of", "field": "hazmat.class", "values": ["2,3"]}, "values[0]"),
    ({"is": "one_of", "field": "hazmat.class", "values": ["3", "2.7"]}, "values[1]"),
    ({"is": "one_of", "field": "hazmat.guide", "values": ["999"]}, "values[0]"),
    ({"is": "one_of", "field": "hazmat.container", "values": ["tanker"]}, "values[0]"),
    ({"is": "one_of", "field": "family", "values": ["roads"]}, "values[0]"),
    ({"is": "under", "codes": ["12H"], "families": ["roadtraffic"]}, "families[0]"),
    ({"is": "warned", "kinds": ["typhoon", "taifun"]}, "kinds[1]"),
])  # fmt: skip
def test_a_value_that_no_incident_can_have_is_refused_since_the_plan_would_silently_never_match_by_it(condition: dict[str, object], below: str) -> None:
    (fault,) = faults_of(written(supports=[condition]))
    assert (fault.code, fault.field) == ("unknown_value", f"supports[0].{below}")
