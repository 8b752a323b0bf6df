"""Compare the product's ERG tables with a folder of extracted tables and list the rows that are damaged there.

usage: compare_erg.py FOLDER [--json]     FOLDER holds table1.csv, table3.csv and un_guide.csv.
Exit 0: every row agrees or is a damage we know and repaired; 1: a row differs without a reason; 2: the folder cannot be read.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from plans.hazmat import lookup, tables
from plans.hazmat.model import Daylight, Sourced, WindClass

TABLE1 = ("small_iso_m", "small_day_m", "small_night_m", "large_iso_m", "large_day_m", "large_night_m")
CONTAINERS = {
    "Rail tank car": "rail_tank_car",
    "Highway tank truck or trailer": "highway_tank",
    "Agricultural nurse tank": "nurse_tank",
    "Multiple small cylinders": "small_cylinders",
    "Multiple ton cylinders": "ton_cylinders",
    "Multiple small cylinders or single ton cylinder": "small_cylinders_or_one_ton",
}


@dataclass
class Outcome:
    """What the comparison found; `damaged` rows are explained, `different` ones are not."""

    table1_equal: int = 0
    table3_equal: int = 0
    index_equal: int = 0
    damaged: list[dict[str, str]] = field(default_factory=list)
    different: list[dict[str, str]] = field(default_factory=list)


def _read(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8-sig", newline="") as handle:
        return list(csv.DictReader(handle))


def _printed(value: Sourced | None) -> str:
    return "" if value is None else f"{value.value:g}{'+' if value.plus else ''}"


def _damage(row: dict[str, str]) -> str:
    """What is visibly wrong with an extracted row, empty where nothing is."""
    signs = []
    if "PARSE_GAP" in row.get("large_note", ""):
        signs.append("flagged PARSE_GAP: the book prints 11.0+ km in the empty cells")
    if " m (" in row["name"] and "ft)" in row["name"]:
        signs.append("a distance stands in the name: the columns are shifted by one")
    if not row["name"].strip():
        signs.append("the name is missing")
    numbers = [int(row[c]) if row[c].isdigit() else None for c in TABLE1]
    if None not in numbers[4:6] and (numbers[5] or 0) < (numbers[4] or 0) and "shifted" not in "".join(signs):
        signs.append("night shorter than day: the cell belongs to the next row, the book prints 11.0+ km")
    return "; ".join(signs)


def _explains(row: dict[str, str], ours: list[str]) -> bool:
    """Whether the damage alone accounts for the difference: every cell that survived must still agree."""
    there = [row[c] for c in TABLE1]
    if " m (" in row["name"]:
        return there[:3] == ours[1:4]
    if there[5].isdigit() and there[4].isdigit() and int(there[5]) < int(there[4]):
        return there[:5] == ours[:5] and ours[5].endswith("+")
    return all(cell == own if cell else own.endswith("+") or not own for cell, own in zip(there, ours, strict=True))


def compare_table1(folder: Path, outcome: Outcome) -> None:
    seen = set()
    for row in _read(folder, "table1.csv"):
        un = row["un"]
        seen.add(un)
        lines = tables.table1().get(un)
        if not lines:
            outcome.different.append({"table": "1", "un": un, "there": str([row[c] for c in TABLE1]), "ours": "no such row"})
            continue
        line = lines[0]
        ours = [_printed(v) for v in (line.small_isolate, line.small_day, line.small_night, line.large_isolate, line.large_day, line.large_night)]
        there = [row[c] for c in TABLE1]
        damage = _damage(row)
        if ours == there and not damage and line.table3 == ("Table 3" in row["large_note"]):
            outcome.table1_equal += 1
        elif damage and _explains(row, ours):
            outcome.damaged.append({"table": "1", "un": un, "why": damage, "there": " ".join(c or "-" for c in there), "ours": " ".join(c or "-" for c in ours)})
        else:
            outcome.different.append({"table": "1", "un": un, "there": str(there), "ours": str(ours)})
    outcome.different += [{"table": "1", "un": un, "there": "no such row", "ours": "row"} for un in sorted(tables.table1().keys() - seen)]


def compare_table3(folder: Path, outcome: Outcome) -> None:
    ours = {(line.un, line.container): line for lines in tables.table3().values() for line in lines}
    columns = [(f"{light}_{wind[:3]}_km", light, wind) for light in ("day", "night") for wind in ("low", "moderate", "high")]
    for row in _read(folder, "table3.csv"):
        key = (row["un"], CONTAINERS.get(row["container"], row["container"]))
        line = ours.pop(key, None)
        if line is None:
            outcome.different.append({"table": "3", "un": row["un"], "there": row["container"], "ours": "no such row"})
            continue
        cells = [(round(float(row[name.replace("_hig_", "_high_")]) * 1000), line.protective(Daylight(light), WindClass(wind))) for name, light, wind in columns]
        lost_plus = [cell for there, cell in cells if there == cell.value and cell.plus]
        if any(there != cell.value for there, cell in cells) or float(row["iso_m"]) != line.isolate.value:
            outcome.different.append({"table": "3", "un": row["un"], "there": str(row), "ours": str([_printed(c) for _, c in cells])})
        elif lost_plus:
            why = f"11.0 stands for 11.0+ km in {len(lost_plus)} cells"
            outcome.damaged.append({"table": "3", "un": f"{row['un']} {key[1]}", "why": why, "there": "11.0", "ours": "11.0+"})
        else:
            outcome.table3_equal += 1
    outcome.different += [{"table": "3", "un": un, "there": "no such row", "ours": container} for un, container in sorted(ours)]


def compare_index(folder: Path, outcome: Outcome) -> None:
    for row in _read(folder, "un_guide.csv"):
        substance = lookup.substances().get(row["un"])
        guide = row["guide"].rstrip("P")
        if substance is None or guide not in {fact.value for fact in substance.guides} or substance.inhalation != (row["tih"] == "1"):
            outcome.different.append({"table": "index", "un": row["un"], "there": f"guide {row['guide']} tih {row['tih']}", "ours": str(substance and substance.guide)})
        elif row["name"].strip() not in substance.names_en:
            outcome.different.append({"table": "index", "un": row["un"], "there": row["name"], "ours": "name unknown"})
        else:
            outcome.index_equal += 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    outcome = Outcome()
    try:
        for compare in (compare_table1, compare_table3, compare_index):
            compare(arguments.folder, outcome)
    except (OSError, KeyError, ValueError) as error:
        print(f"{arguments.folder}: cannot be compared: {error!r}", file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps(asdict(outcome), ensure_ascii=False, indent=1))
    else:
        print(f"equal: Table 1 {outcome.table1_equal}, Table 3 {outcome.table3_equal}, index {outcome.index_equal}")
        for row in outcome.damaged:
            print(f"damaged there  Table {row['table']} UN{row['un']}: {row['why']}; there {row['there']}; product {row['ours']}")
        for row in outcome.different:
            print(f"DIFFERENT      Table {row['table']} UN{row['un']}: there {row['there']}; product {row['ours']}")
    return 1 if outcome.different else 0


if __name__ == "__main__":
    raise SystemExit(main())
