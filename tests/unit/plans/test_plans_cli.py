"""`tocsin plans …` as people and programs call it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from plans import bench
from plans.cli import app
from plans.load import load_text
from tests.support.plan_library import raw_plan, task

REPORT = {
    "id": "0197",
    "kind": "initial",
    "occurred_at": "2026-11-23T14:05:00+08:00",
    "event_types": ["12H01"],
    "place": {"text": "G204", "adcode": "320707108"},
    "hazmat": [{"un": "1005", "leak": True}],
}


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=given)


def as_json(*arguments: str, given: str | None = None) -> Any:
    result = run(*arguments, "--json", given=given)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def file_of(tmp_path: Path, name: str = "p.yaml", **more: Any) -> Path:
    file = tmp_path / name
    file.write_text(yaml.safe_dump(raw_plan(**more), allow_unicode=True), "utf-8")
    return file


def test_list_names_every_plan() -> None:
    listed = as_json("list")
    assert {"general", "hazmat-road-transport", "card-ammonia"} <= {p["id"] for p in listed}
    assert "hazmat-road-transport" in json.dumps(listed)
    assert run("list").exit_code == 0


def test_show_prints_yaml_that_can_be_read_back() -> None:
    assert load_text(run("show", "gas").stdout).id == "gas"


def test_an_unknown_plan_is_named() -> None:
    result = run("show", "no-such-plan")
    assert result.exit_code == 2
    assert "no-such-plan" in result.stderr


def test_match_reads_a_report_of_the_wire_from_standard_input() -> None:
    result = as_json("match", given=json.dumps(REPORT))
    assert [m["plan_id"] for m in result["matches"]][:2] == ["hazmat-road-transport", "card-ammonia"]


def test_match_reads_plain_facts_from_a_file_and_prints_the_question(tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    file.write_text('{"event_types": ["12H00"]}', "utf-8")
    assert as_json("match", str(file))["missing_fact"]["field"] == "hazmat_present"
    assert "dangerous goods" in run("match", str(file)).stdout


def test_match_explains_one_plan() -> None:
    result = json.loads(run("match", "--plan", "gas", given='{"event_types": ["12H00"]}').stdout)
    assert result["state"] == "unsatisfied"


@pytest.mark.parametrize("given", ["", "[]", "{", '{"no_such_fact": 1}', '{"hour": "noon"}', '{"occurred_at": "yesterday"}'])
def test_bad_facts_end_with_a_sentence_and_code_two(given: str) -> None:
    result = run("match", given=given)
    assert result.exit_code == 2
    assert result.stderr.strip()
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("given", [{"hazmat": [{"un": "1005"}, {"un": "9999"}]}, REPORT | {"hazmat": [{"un": "1005"}, {"un": "9999"}]}])
def test_a_number_that_no_table_knows_is_named_with_its_field(given: dict[str, object], tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    file.write_text(json.dumps(given), "utf-8")
    for result in (run("match", given=json.dumps(given)), run("preview", "gas", "--facts", str(file))):
        assert result.exit_code == 2
        assert "9999" in result.stderr
        assert result.stderr.strip().endswith("[hazmat[1].un]")


def test_a_number_is_taken_as_plates_write_it_and_the_tables_add_its_class() -> None:
    result = as_json("match", given='{"event_types": ["12H00"], "hazmat": [{"un": "UN 1005"}]}')
    card = next(m for m in result["matches"] if m["plan_id"] == "card-ammonia")
    assert card["state"] == "satisfied"


def test_preview_shows_what_would_be_given() -> None:
    activation = as_json("preview", "hazmat-road-transport", "general", "--level", "III")
    assert len(activation["tasks"]) > 30
    assert activation["level"] == "III"
    assert run("preview", "gas").exit_code == 0


def test_check_of_the_catalogue_finds_no_errors() -> None:
    report = as_json("check")
    assert report["plans"] >= 17
    assert {f["severity"] for f in report["findings"]} == {"note"}


def test_check_ends_with_one_where_there_are_errors(tmp_path: Path) -> None:
    file_of(tmp_path, valid_until="2026-01-02")
    result = run("check", "--folder", str(tmp_path))
    assert result.exit_code == 1
    assert "source_expired" in run("check", "--folder", str(tmp_path), "--json").stdout


def test_check_takes_the_district_as_json(tmp_path: Path) -> None:
    file = tmp_path / "district.json"
    file.write_text(json.dumps({"today": "2026-11-23", "posts": {}}), "utf-8")
    result = run("check", "--district", str(file), "--json")
    assert result.exit_code == 1
    assert "post_empty" in {f["code"] for f in json.loads(result.stdout)["findings"]}


def test_a_broken_folder_names_file_line_and_field(tmp_path: Path) -> None:
    file_of(tmp_path, tasks=[task("a", after=["b"]), task("b", after=["a"])])
    result = run("list", "--folder", str(tmp_path))
    assert result.exit_code == 2
    assert "p.yaml:" in result.stderr
    assert "tasks[0].after: task_cycle" in result.stderr


def test_backtest_of_the_shipped_cases() -> None:
    report = as_json("backtest")
    assert report["found_share"] == 1.0
    assert run("backtest").exit_code == 0


def test_backtest_of_supplied_json_lines_of_reports(tmp_path: Path) -> None:
    file = tmp_path / "cases.jsonl"
    file.write_text(json.dumps({"id": 1, "report": REPORT, "expected": ["gas"]}) + "\n", "utf-8")
    result = run("backtest", str(file), "--json")
    assert result.exit_code == 1, "what was expected is missed"
    report = json.loads(result.stdout)
    assert report["results"][0]["missed"] == ["gas"]
    assert report["confusion"] == [["gas", "hazmat-road-transport", 1]]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("c.yaml", "cases:\n- {id: a, facts: {}}\n- {facts: {}}\n", "c.yaml:3: cases[1]: schema"),
        ("c.yaml", "cases:\n- id: a\n  facts:\n    hazmat:\n    - un: '9998'\n", "c.yaml:5: cases[0].facts.hazmat[0].un: unknown_un"),
        ("c.jsonl", '{"id": 1, "report": {"hazmat": [{"un": "7777"}]}}', "c.jsonl:1: report.hazmat[0].un: unknown_un"),
        ("c.yaml", "cases:\n- id: a\n  facts: {no_such_fact: 1}\n", "c.yaml:3: cases[0].facts.no_such_fact: schema"),
        ("c.yaml", "cases:\n- {id: a, level: IX}\n", "c.yaml:2: cases[0].level: schema"),
        ("c.yaml", "cases:\n- id: a\n  report: {occurred_at: yesterday}\n", "c.yaml:3: cases[0].report: bad_report"),
        ("c.yaml", "", "c.yaml:1: $: yaml_shape"),
        ("c.yaml", "a: &a [x, x]\nb: &b [*a, *a]\ncases: [*b]\n", "c.yaml:1: $: yaml_alias"),
        ("c.jsonl", '{"id": "a"}\n{bad\n[]\n', "c.jsonl:2: $: json_syntax"),
        ("c.jsonl", '{"id": "a"}\n{bad\n[]\n', "c.jsonl:3: $: schema"),
        ("c.jsonl", "\n", "c.jsonl:1: $: no_cases"),
        ("c.jsonl", '{"id": "a", "facts": {}}\n{"id": "a", "facts": {}}\n', "c.jsonl:2: id: duplicate_id"),
        ("c.yaml", "cases:\n- {id: a, facts: {}}\n- {id: b}\n", "c.yaml:3: cases[1].facts: facts_or_report"),
    ],
)
def test_a_bad_case_is_named_with_file_line_and_field(tmp_path: Path, name: str, text: str, said: str) -> None:
    file = tmp_path / name
    file.write_text(text, "utf-8")
    result = run("backtest", str(file))
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_backtest_tells_what_is_to_be_looked_at_in_both_languages_and_whole(tmp_path: Path) -> None:
    file = tmp_path / "c.jsonl"
    cases = [{"id": 1, "facts": {"event_types": ["12G02"]}, "expected": ["fire"]}, {"id": "两车追尾", "facts": {"event_types": ["12H00"]}, "expected": ["gone-plan"]},
             {"id": 3, "facts": {"event_types": ["99Z99"]}}]
    file.write_text("".join(json.dumps(case) + "\n" for case in cases), "utf-8")
    result = run("backtest", str(file))
    assert result.exit_code == 1 and "…" not in result.stdout
    assert "漏 missed: gone-plan" in result.stdout and "no plan 'gone-plan' is in force" in result.stdout and "没有事件类型 99Z99" in result.stdout
    assert "all expected plans found 1/2" in result.stdout and "应有预案全部找到 1/2" in result.stdout
    assert not any(line.startswith("1\t") for line in result.stdout.splitlines()), "what went well is in the sums"


def test_a_check_tells_whole_sentences_however_narrow_the_screen(tmp_path: Path) -> None:
    file_of(tmp_path, valid_until="2026-01-02")
    said = run("check", "--folder", str(tmp_path)).stdout
    assert "已于 2026-01-02 失效" in said and "expired on 2026-01-02" in said and "…" not in said
    assert "错误 error\tsource_expired" in said and said.index("错误 error") < said.index("提示 note")


def test_a_district_that_cannot_be_read_is_named_with_its_file(tmp_path: Path) -> None:
    file = tmp_path / "district.json"
    file.write_text('{"today": "nope"}', "utf-8")
    for name in (file, tmp_path / "missing.json"):
        result = run("check", "--district", str(name))
        assert result.exit_code == 2 and str(name) in result.stderr


def test_a_case_of_yaml_may_be_a_report_of_the_wire(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("cases:\n- id: 7\n  report: {occurred_at: 2026-01-01T23:00:00+08:00, event_types: [12G02]}\n  expected: [fire]\n", "utf-8")
    assert as_json("backtest", str(file))["results"][0]["missed"] == []


def test_a_folder_that_is_not_there_is_named_and_no_empty_library(tmp_path: Path) -> None:
    for command in ("list", "check", "backtest"):
        result = run(command, "--folder", str(tmp_path / "nope"))
        assert result.exit_code == 2
        assert "nope:1: $: unreadable" in result.stderr


def test_export_and_import_round_trip(tmp_path: Path) -> None:
    out = tmp_path / "gas.yaml"
    assert run("export", "gas", "--out", str(out)).exit_code == 0
    assert run("import", str(out), "--into", str(tmp_path / "mine")).exit_code == 0
    again = tmp_path / "mine" / "gas-v1.yaml"
    assert load_text(again.read_text("utf-8")) == load_text(out.read_text("utf-8"))
    assert run("export", "gas").stdout == out.read_text("utf-8")


def test_an_import_with_one_bad_file_writes_nothing(tmp_path: Path) -> None:
    good = file_of(tmp_path, "good.yaml")
    bad = file_of(tmp_path, "bad.yaml", plan_id="gas", tasks=[task("a", role="nobody")])
    into = tmp_path / "mine"
    result = run("import", str(good), str(bad), "--into", str(into))
    assert result.exit_code == 2
    assert "unknown_role" in result.stderr
    assert list(into.iterdir()) == []


def test_an_import_of_a_version_that_is_there_already_is_refused(tmp_path: Path) -> None:
    good = file_of(tmp_path)
    into = str(tmp_path / "mine")
    assert run("import", str(good), "--into", into).exit_code == 0
    result = run("import", str(good), "--into", into)
    assert result.exit_code == 2
    assert "duplicate_plan" in result.stderr


def test_compare_prints_the_differences(tmp_path: Path) -> None:
    one, two = file_of(tmp_path, "1.yaml"), file_of(tmp_path, "2.yaml", version=2)
    assert as_json("compare", str(one), str(two)) == [{"field": "version", "before": 1, "after": 2}]
    assert run("compare", str(one), str(two)).exit_code == 0


def test_schema_is_json() -> None:
    assert json.loads(run("schema").stdout)["title"] == "Tocsin plan"


def test_the_benchmark_s_plans_and_incidents_are_reproducible_and_varied() -> None:
    incidents = bench.some_incidents(50)
    assert incidents == bench.some_incidents(50)
    assert len(set(incidents)) > 45
    base = [load_text(run("export", "gas").stdout), load_text(run("export", "fire").stdout)]
    many = bench.narrowed(base, 20)
    assert many == bench.narrowed(base, 20)
    assert len({p.id for p in many}) == 20
    assert len({p.applies for p in many}) == 20
