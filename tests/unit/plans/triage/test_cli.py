"""`tocsin triage` as a command: one text, JSON lines, and bad input named by line."""

from __future__ import annotations

import json

import typer
from typer.testing import CliRunner

from plans.triage.cli import triage

_APP = typer.Typer()
_APP.command()(triage)
_RUN = CliRunner()


def test_one_text_gives_one_json_object() -> None:
    done = _RUN.invoke(_APP, ["--json", "--plans"], input="加油站着火，1人受伤")
    draft = json.loads(done.stdout)

    assert done.exit_code == 0
    assert draft["family"] == "hazmat_facility"
    assert draft["casualties"]["injured"] == 1
    assert draft["plans"][-1] == "general"


def test_lines_give_one_draft_each_and_bad_ones_are_named() -> None:
    lines = [json.dumps({"id": "a", "text": "渔船沉没"}), "{", json.dumps({"id": 7, "text": "列车脱轨"}), json.dumps({"text": ""}), ""]
    done = _RUN.invoke(_APP, ["--lines"], input="\n".join(lines) + "\n")
    drafts = [json.loads(line) for line in done.stdout.splitlines()]
    errors = [json.loads(line) for line in done.stderr.splitlines()]

    assert [(d["id"], d["family"]) for d in drafts] == [("a", "waterway"), ("7", "rail")]
    assert [(e["line"], e["error"]) for e in errors] == [(2, "bad_line"), (4, "empty_text")]
    assert done.exit_code == 1


def test_a_byte_order_mark_before_the_first_line_costs_no_line() -> None:
    done = _RUN.invoke(_APP, ["--lines"], input=b'\xef\xbb\xbf{"id": "a", "text": "\xe7\x81\xab\xe7\x81\xbe"}\r\n')

    assert json.loads(done.stdout)["id"] == "a"
    assert done.exit_code == 0


def test_five_megabytes_are_refused_with_a_name() -> None:
    done = _RUN.invoke(_APP, ["--json"], input="火灾" * 900_000)

    assert done.exit_code == 1
    assert json.loads(done.stderr)["error"] == "too_long"


def test_a_huge_line_is_refused_and_the_next_one_read() -> None:
    done = _RUN.invoke(_APP, ["--lines"], input=json.dumps({"text": "火" * 900_000}) + "\n" + json.dumps({"text": "山火"}) + "\n")

    assert json.loads(done.stderr)["line"] == 1
    assert json.loads(done.stdout)["family"] == "forest_fire"


def test_bytes_that_are_no_text_are_refused() -> None:
    done = _RUN.invoke(_APP, ["--json"], input=b"\xff\xfe\x00")

    assert done.exit_code == 1
    assert json.loads(done.stderr)["error"] == "not_utf8"


def test_a_lone_surrogate_is_no_crash() -> None:
    done = _RUN.invoke(_APP, ["--lines"], input='{"text": "火灾\\ud800起火"}\n{"text": "火灾"}\n')

    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert '"fire"' in done.stdout
