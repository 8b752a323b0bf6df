"""What the command line says where it is not understood, and where nobody reads on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub.cli import app
from tests.support.stores import fresh_sqlite


@pytest.mark.parametrize(("line", "zh", "en"), [
    (["up", "--nix"], "没有这个选项", "--nix"), (["up", "--port", "abc"], "值不对", "--port"), (["plans", "show"], "缺少必填", "plan_id"),
    (["report", "file", "--place"], "选项的用法不对", "--place"), (["nothing-such"], "命令用法不对", "nothing-such"),
])
def test_what_cannot_be_understood_is_said_in_both_languages(line: list[str], zh: str, en: str) -> None:
    said = CliRunner().invoke(app, line, env={"COLUMNS": "200"})
    assert said.exit_code == 2
    assert zh in said.stderr and en in said.stderr
    assert said.stderr.count(zh) == 1


def test_a_reader_who_goes_away_is_no_outage_of_the_store(tmp_path: Path) -> None:
    fresh_sqlite(tmp_path / "tocsin.db")
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run([sys.executable, "-W", "ignore", "-m", "hub", "plan", "list", "--data-dir", str(tmp_path)], stdout=write, stderr=subprocess.PIPE, text=True,
                              check=False, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    finally:
        os.close(write)
    assert "数据库" not in done.stderr and done.returncode in (0, 1), done.stderr
