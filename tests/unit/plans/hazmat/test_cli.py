"""`tocsin hazmat lookup` and `zones` as a duty officer types them, and the comparison script."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from plans.hazmat import tables
from plans.hazmat.cli import app

SCRIPT = Path(__file__).resolve().parents[4] / "scripts" / "compare_erg.py"
ZONES = ["zones", "--lon", "119.112", "--lat", "34.865", "--at", "2026-11-23T06:00:00Z"]


def _run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


def test_lookup_prints_the_substance_with_guide_and_edition() -> None:
    code, output = _run("lookup", "268/1005")
    assert code == 0
    assert "UN1005 液氨" in output and "guide 125 (ERG 2024)" in output


def test_lookup_as_json_can_be_read_by_a_program() -> None:
    code, output = _run("lookup", "液氯", "--json")
    assert code == 0
    assert json.loads(output)[0]["substance"]["un"] == "1017"


def test_a_number_that_does_not_exist_ends_with_2_and_nothing_found_with_1() -> None:
    code, output = _run("lookup", "9999")
    assert code == 2 and "unknown_un" in output
    code, output = _run("lookup", "不存在的物质名")
    assert code == 1 and "111" in output


def test_zones_prints_distances_with_sources_and_the_way_in() -> None:
    code, output = _run(*ZONES, "--un", "1005", "--wind", "东南风2级", "--container", "road_tanker", "--leak")
    assert code == 0
    assert "150 m (ERG 2024, Table 3" in output and "东南" in output and "[DEMO]" in output


def test_a_load_of_which_only_the_diamond_is_seen_is_found_by_class_and_colour() -> None:
    code, output = _run("placard", "第3类")
    assert code == 0 and output.startswith("3\t红色") and "guide 127" in output
    code, output = _run("placard", "--colour", "黄", "--json")
    assert code == 0 and {one["class_"] for one in json.loads(output)} == {"5.1", "5.2", "7"}
    assert len(_run("placard")[1].splitlines()) == len(tables.rows("placards"))
    code, output = _run("placard", "99")
    assert code == 2 and "unknown_placard" in output
    code, output = _run(*ZONES, "--placard", "2.3", "--leak")
    assert code == 0 and "guide 123" in output


def test_a_small_leak_from_a_tanker_and_a_hazard_zone_can_be_told_as_the_book_asks() -> None:
    base = [*ZONES, "--leak", "--container", "road_tanker"]
    assert "60 m (ERG 2024, Table 1, UN1017 small spill" in _run(*base, "--un", "1017", "--spill", "small")[1]
    assert "hazard zone D large spill, day; printed km x 1000" in _run(*base, "--un", "1953", "--hazard-zone", "D")[1]
    assert _run(*base, "--un", "1953", "--hazard-zone", "E")[0] == 2


def test_what_is_only_written_alike_is_said_to_be_so() -> None:
    code, output = _run("lookup", "amonia")
    assert code == 0 and "写法相近" in output and "UN1005" in output
    assert "写法相近" not in _run("lookup", "ammonia")[1]


def test_both_distances_around_a_fire_are_printed() -> None:
    _, output = _run(*ZONES, "--un", "1005", "--fire", "--container", "road_tanker", "--leak")
    assert "isolate a fire: 1600 m" in output and "evacuate a fire: 1600 m" in output


def test_zones_as_json_is_the_whole_card() -> None:
    code, output = _run(*ZONES, "--un", "1005", "--leak", "--json")
    assert code == 0
    assert json.loads(output)["zones"][0]["polygon"]["type"] == "Polygon"


@pytest.mark.parametrize(("arguments", "code"), [(["--wind", "999°"], "bad_wind_direction"), (["--un", "1"], "unknown_un"), (["--quantity-kg", "-5"], "bad_quantity"),
                                                   (["--placard", "99"], "unknown_placard")])
def test_zones_refuses_what_cannot_be(arguments: list[str], code: str) -> None:
    status, output = _run(*ZONES, *arguments)
    assert status == 2 and code in output


def _write(path: Path, columns: list[str], rows: list[list[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([columns, *rows])


@pytest.fixture
def extracted(tmp_path: Path) -> Path:
    """A folder as a text extraction leaves it, made from the product's tables with the known damage put back."""
    rows = []
    for row in tables.rows("table1"):
        cells = [row[f"{size}_{what}_m"] for size in ("small", "large") for what in ("isolate", "day", "night")]
        name, note = row["material"], "Refer to Table 3" if row["table3"] == "1" else ""
        if "11.0+" in row["repaired"] and "30" not in row["repaired"]:
            cells = [("" if row[f"{part}_plus"] == "1" and i == at else c) for i, c in enumerate(cells) for at, part in [(4 if i == 4 else 5, "day" if i == 4 else "night")]]
            note = "PARSE_GAP"
        elif "30 from" in row["repaired"]:
            cells[5] = "30"
        elif "shifted" in row["repaired"]:
            name, note, cells = f"{name} 300 m (1000 ft)", "PARSE_GAP", [*cells[1:4], "", "", ""]
        rows.append([row["un"], name, row["guide"], *cells, note])
    _write(tmp_path / "table1.csv", ["un", "name", "guide", "small_iso_m", "small_day_m", "small_night_m", "large_iso_m", "large_day_m", "large_night_m", "large_note"], rows)
    columns = ("day_low", "day_moderate", "day_high", "night_low", "night_moderate", "night_high")
    third = [[r["un"], "x", r["container"], r["isolate_m"], *(str(int(r[f"{c}_m"]) / 1000) for c in columns)] for r in tables.rows("table3")]
    _write(tmp_path / "table3.csv", ["un", "name", "container", "iso_m", "day_low_km", "day_mod_km", "day_high_km", "night_low_km", "night_mod_km", "night_high_km"], third)
    index = [[r["un"], r["name_en"], r["guide"] + ("P" if r["polymerises"] == "1" else ""), r["polymerises"], r["inhalation"]] for r in tables.rows("erg_materials")]
    _write(tmp_path / "un_guide.csv", ["un", "name", "guide", "polymerization_hazard_any", "tih"], index)
    return tmp_path


def _compare(folder: Path) -> tuple[int, dict[str, list[dict[str, str]]]]:
    done = subprocess.run([sys.executable, str(SCRIPT), str(folder), "--json"], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, json.loads(done.stdout) if done.stdout else {}


def test_the_comparison_lists_the_rows_damaged_in_an_extraction(extracted: Path) -> None:
    code, outcome = _compare(extracted)
    assert code == 0 and not outcome["different"]
    damaged = {row["un"] for row in outcome["damaged"] if row["table"] == "1"}
    gaps = {"1259", "1589", "2190", "2195", "2202", "2420", "2480", "2481", "2483", "2548", "2901", "3057", "3281"}
    assert damaged == gaps | {"3303", "3306", "3307", "3310"}
    assert {row["un"].split()[0] for row in outcome["damaged"] if row["table"] == "3"} == {"1017", "1079"}


def test_the_comparison_fails_when_a_number_differs_even_in_a_damaged_row(extracted: Path) -> None:
    text = (extracted / "table1.csv").read_text(encoding="utf-8")
    changed = text.replace("1259,Nickel carbonyl,131,100,1400", "1259,Nickel carbonyl,131,100,1500").replace("124,60,300,1500", "124,60,300,1600")
    (extracted / "table1.csv").write_text(changed, encoding="utf-8")
    code, outcome = _compare(extracted)
    assert code == 1
    assert {row["un"] for row in outcome["different"]} == {"1017", "1259"}


def test_the_comparison_says_when_a_folder_cannot_be_read(tmp_path: Path) -> None:
    assert _compare(tmp_path)[0] == 2
