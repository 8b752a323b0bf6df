"""The documents of proof claim only what a test shows: each test they name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


@pytest.mark.parametrize("name", ["threats.md", "dengbao.md"])
def test_every_test_that_a_document_names_exists(name: str) -> None:
    named = NAMED.findall((ROOT / "docs" / name).read_text(encoding="utf-8"))
    assert len(named) >= 20
    assert [file for file in re.findall(r"`(tests/[\w/]+\.py)`", (ROOT / "docs" / name).read_text(encoding="utf-8")) if not _source(file)] == []
    missing = [f"{file}::{test}" for file, test in named if not re.search(rf"def {test}\(", _source(file))]
    assert missing == []


def test_every_clause_names_a_test() -> None:
    rows = [line for line in (ROOT / "docs" / "dengbao.md").read_text(encoding="utf-8").splitlines() if line.startswith("| 8.1")]
    assert len(rows) >= 15
    assert [row for row in rows if not NAMED.search(row)] == []


def test_every_threat_names_a_test_or_says_that_it_has_none() -> None:
    rows = [line for line in (ROOT / "docs" / "threats.md").read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    rows = [row for row in rows if not row.startswith("| threat |")]
    assert len(rows) >= 40
    assert [row for row in rows if not NAMED.search(row) and "no test" not in row] == []


def _source(file: str) -> str:
    path = ROOT / file
    return path.read_text(encoding="utf-8") if path.is_file() else ""
