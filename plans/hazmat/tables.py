"""Reads the data files of this package once and hands them out as values. The only I/O of hazmat support."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import yaml

from plans.hazmat.model import Sourced, Spilled, Table1Line, Table3Line, Words

KM_TO_M = "printed km x 1000"
AS_PRINTED = "as printed"


@cache
def rows(name: str) -> tuple[Mapping[str, str], ...]:
    """The lines of `data/NAME.csv` by column; lines that start with # are comments."""
    text = files("plans.hazmat").joinpath("data", f"{name}.csv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return tuple(MappingProxyType(row) for row in csv.DictReader(lines))


@cache
def rules() -> Mapping[str, Any]:
    """`data/rules.yaml` as plain values (treat it as frozen)."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = files("plans.hazmat").joinpath("data", "rules.yaml").read_bytes()
    values = yaml.load(text, Loader=loader)  # noqa: S506 a safe loader, in C where it is
    return MappingProxyType(values)


@cache
def _notes() -> Mapping[str, Words]:
    return MappingProxyType({row["code"]: Words(row["zh"], row["en"]) for row in rows("notes")})


def said(code: str, **values: object) -> Words:
    """The sentence of `notes.csv` in both languages, its {names} filled in."""
    words = _notes()[code]
    return Words(words.zh.format(**values), words.en.format(**values)) if values else words


def erg_edition() -> str:
    """The edition every ERG value here is from."""
    return str(rules()["erg"]["edition"])


def _table1_line(row: Mapping[str, str]) -> Table1Line:
    un, qualifier = row["un"], _qualifier(row)

    def cell(column: str, plus: bool) -> Sourced | None:
        if not row[column]:
            return None
        size, what = column.removesuffix("_m").split("_")
        conversion = AS_PRINTED if what == "isolate" else KM_TO_M
        name = f"UN{un}{qualifier} {size} spill, {what}"
        return Sourced(value=float(row[column]), unit="m", table="Table 1", edition=erg_edition(), row=name, conversion=conversion, plus=plus)

    small = [value for what in ("isolate", "day", "night") if (value := cell(f"small_{what}_m", False))]
    return Table1Line(
        un=un, material=row["material"], guide=row["guide"], spilled=Spilled(row["spilled"]), hazard_zone=row["hazard_zone"],
        small_isolate=small[0], small_day=small[1], small_night=small[2], large_isolate=cell("large_isolate_m", False),
        large_day=cell("large_day_m", row["day_plus"] == "1"), large_night=cell("large_night_m", row["night_plus"] == "1"),
        table3=row["table3"] == "1", repaired=row["repaired"],
    )  # fmt: skip


def _qualifier(row: Mapping[str, str]) -> str:
    spilled = {"land": ", spilled on land", "water": ", spilled in water", "": ""}[row["spilled"]]
    return spilled + (f", hazard zone {row['hazard_zone']}" if row["hazard_zone"] else "")


@cache
def table1() -> Mapping[str, tuple[Table1Line, ...]]:
    """Table 1 by number: the first line of the book first, then the lines for water, other hazard zones and other materials."""
    lines: dict[str, list[Table1Line]] = {}
    for row in (*rows("table1"), *rows("table1_more")):
        lines.setdefault(row["un"], []).append(_table1_line(row))
    return MappingProxyType({un: tuple(group) for un, group in lines.items()})


@cache
def table3() -> Mapping[str, tuple[Table3Line, ...]]:
    """Table 3 by number."""
    lines: dict[str, list[Table3Line]] = {}
    for row in rows("table3"):
        lines.setdefault(row["un"], []).append(_table3_line(row))
    return MappingProxyType({un: tuple(group) for un, group in lines.items()})


def _table3_line(row: Mapping[str, str]) -> Table3Line:
    plus = row["plus"].split()
    where = f"UN{row['un']} {row['container'].replace('_', ' ')}"

    def cell(column: str) -> Sourced:
        return Sourced(
            value=float(row[f"{column}_m"]), unit="m", table="Table 3", edition=erg_edition(), plus=column in plus,
            row=f"{where}, {column.replace('_', ' ')}", conversion=AS_PRINTED if column == "isolate" else KM_TO_M,
        )  # fmt: skip

    names = ("isolate", "day_low", "day_moderate", "day_high", "night_low", "night_moderate", "night_high")
    return Table3Line(un=row["un"], container=row["container"], **{name: cell(name) for name in names})
