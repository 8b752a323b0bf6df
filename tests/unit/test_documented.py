"""Whatever a newcomer can meet is written down: settings, routes, topics, fields, reasons, kinds of change, commands, plan fields."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hub import cli, wire
from hub.operate.bench import BENCHES
from hub.settings import Settings
from hub.web.app import all_routes

ROOT = Path(__file__).resolve().parents[2]
READMES = ("README.md", "README.zh-CN.md")


@cache
def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def ticked(name: str) -> set[str]:
    """Every word that stands in backticks in a document."""
    return {word for span in re.findall(r"`([^`\n]+)`", text(name)) for word in re.split(r"[^\w.-]+", span)}


def test_what_is_generated_is_what_the_code_says() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "scripts/write_docs.py"), "--check"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", [field.name for field in msgspec.structs.fields(Settings)])
def test_every_setting_is_documented(name: str) -> None:
    row = re.search(rf"^\| `{name}` \| [^|]+ \| (.+) \|$", text("docs/settings.md"), re.MULTILINE)
    assert row is not None
    assert len(row.group(1)) > 10


def test_every_route_is_documented_with_what_it_does() -> None:
    for route in all_routes():
        row = next((line for line in text("docs/routes.md").splitlines() if line.startswith(f"| `{route.method}` | `{route.path}` |")), None)
        assert row is not None, route.path
        assert route.zh or route.path.startswith("/api/v1/openapi"), f"{route.method} {route.path} has no Chinese summary"
        assert len(row.rsplit("|", 2)[1].strip()) > 5, f"{route.method} {route.path} does not say what it does"


def test_every_topic_is_documented() -> None:
    topics = wire.Topics("{hub}")
    wanted = [topics.up("{agent}", what) for what in ("report", "daily", "presence", "telemetry", "advisory")]
    wanted += [topics.down("{agent}", what) for what in ("receipt", "command")]
    wanted += [topics.media("{agent}", "{camera}", kind) for kind in wire.MediaKind]
    for topic in wanted:
        assert topic.replace(topics.root, "{root}") in text("docs/wire.md"), topic
    assert topics.root in text("docs/wire.md")


MESSAGES: tuple[Any, ...] = (
    wire.Report, wire.Place, wire.Casualties, wire.Hazmat, wire.Reporter, wire.Attachment, wire.Daily, wire.Receipt, wire.Presence, wire.Camera,
    wire.Telemetry, wire.Wind, wire.Advisory, wire.Command,
)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda kind: kind.__name__)
def test_every_field_of_a_message_is_documented(message: Any) -> None:
    assert {field.encode_name for field in msgspec.structs.fields(message)} <= ticked("docs/wire.md")


@pytest.mark.parametrize("kinds", [wire.ReportKind, wire.Crs, wire.ReceiptStatus, wire.CommandKind], ids=lambda kind: kind.__name__)
def test_every_value_of_a_closed_set_is_documented(kinds: Any) -> None:
    assert {str(kind) for kind in kinds} <= ticked("docs/wire.md")


def raised(file: str, within: set[str] | None = None) -> set[str]:
    """The codes of the errors that a module (or some functions of it) raises."""
    tree: ast.AST = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    parts = [tree] if within is None else [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) and n.name in within]
    assert parts, f"{file} has none of {within}"
    return {str(node.args[0].value) for part in parts for node in ast.walk(part)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Rejected", "Unavailable")
            and node.args and isinstance(node.args[0], ast.Constant)}


def test_every_reason_that_a_sender_can_be_given_is_documented() -> None:
    codes = raised("hub/wire.py") - {"malformed_media"}  # media gets no receipts
    codes |= raised("hub/domain/report.py") | raised("hub/domain/signature.py", {"check_report"})
    codes |= raised("hub/ingest/intake.py") | raised("hub/ingest/admit.py") | raised("hub/ingest/session.py")
    codes |= {"store_unavailable"} & raised("hub/store/writer.py")
    codes |= raised("hub/respond/daily.py", {"take"}) | raised("hub/store/daily.py", {"duty_for", "_again", "_file", "_check_correction", "_twice"})
    codes |= raised("hub/domain/daily.py", {"need_late_reason"})
    assert len(codes) > 25
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (?:rejected|unavailable|\(none)", text("docs/wire.md"), re.MULTILINE)
    documented = {code for row in rows for code in re.findall(r"\w+", row)}
    assert codes <= documented, codes - documented


def test_the_printed_schema_accepts_the_printed_report() -> None:
    import jsonschema

    example = re.search(r"-m \"(\{.*?\})\"\n```", text("docs/wire.md"), re.DOTALL)
    assert example is not None
    body = example.group(1).replace('\\"', '"').replace("$ID", "01978f3e-0000-7000-8000-000000000001")
    body = re.sub(r"\$\(date [^)]*\)", "2026-11-23T14:05:00+08:00", body)
    wire.decode_report(body.encode())
    schema = msgspec.json.decode(text("docs/wire.schema.json"))
    jsonschema.validate(msgspec.json.decode(body), {**schema, "anyOf": [{"$ref": "#/$defs/Report"}]})


def test_the_printed_examples_of_json_and_settings_are_taken(tmp_path: Path) -> None:
    from agents.cameras import read_cameras
    from agents.credentials import load_credentials
    from agents.enroll import Enrollment
    from agents.settings import write_private
    from agents.sources.measures import read_measures
    from hub.settings import load_settings

    def printed(document: str, pattern: str) -> str:
        found = re.search(pattern, text(document), re.DOTALL)
        assert found is not None, pattern
        return found.group(1)

    receipt = msgspec.json.decode(printed("docs/wire.md", r"```json\n(.*?)```"), type=wire.Receipt)
    assert (receipt.status, receipt.seq) == (wire.ReceiptStatus.STORED, 4711)
    enrolled = printed("docs/wire.md", r"\n# (\{\"agent_id\".*?), …\}\n") + "}"
    assert msgspec.json.decode(enrolled, type=Enrollment).mqtt.port == 1883
    credentials = write_private(tmp_path / "agents.json", printed("docs/agent.md", r"```json\n(.*?)```"))
    assert load_credentials(credentials).agents[0].agent_id == "plant-1"
    measures = write_private(tmp_path / "measures.json", printed("docs/agent.md", r"writes `(\{\"wind\".*?\})`;"))
    assert read_measures(measures, datetime.now(UTC), 600) is not None
    (tmp_path / "tocsin.toml").write_text(printed("docs/settings.md", r"```toml\n(.*?)```"), encoding="utf-8")
    assert load_settings(tmp_path / "tocsin.toml", {}).data_dir == "/var/lib/tocsin"
    (tmp_path / "secrets").mkdir()
    write_private(tmp_path / "secrets" / "tank.txt", "user:password")
    (tmp_path / "cameras.yaml").write_text(printed("docs/video.md", r"```yaml\n(.*?)```"), encoding="utf-8")
    cameras, remarks = read_cameras(tmp_path / "cameras.yaml")
    assert [camera.entry.id for camera in cameras] == ["tank-farm-east"]
    assert not remarks


def test_every_kind_of_frame_of_the_live_feed_is_documented() -> None:
    kinds = set(re.findall(r'"type": "(\w+)"', text("hub/web/live.py")))
    assert kinds
    assert kinds <= ticked("docs/wire.md")


@pytest.mark.parametrize("name", sorted({*cli.PARTS, "up", "schema", "openapi"}))
def test_every_command_is_documented(name: str) -> None:
    assert re.search(rf"^\| `tocsin {name}[ `]", text("docs/commands.md"), re.MULTILINE), f"tocsin {name} is promised by hub/cli.py and is not there"


def test_every_option_says_in_both_languages_what_it_means() -> None:
    from scripts.write_docs import all_commands

    said = {f"{path} {option.opts}": getattr(option, "help", None) or "" for path, command in all_commands() for option in command.params}
    assert len(said) > 200
    assert not {option: words for option, words in said.items() if not re.search(r"[\u4e00-\u9fff]", words) or not re.search(r"[A-Za-z]{2}", words)}


def test_every_field_of_a_plan_is_documented() -> None:
    from plans import model

    plan = model.Plan
    assert {field.encode_name for field in msgspec.structs.fields(plan)} <= ticked("docs/plans.md")


@pytest.mark.parametrize("readme", READMES)
def test_the_readme_names_the_two_commands_and_every_benchmark(readme: str) -> None:
    said = text(readme)
    assert "make run" in said
    assert "make test" in said
    for name in BENCHES:
        assert f"tocsin bench {name}" in said, name


def test_both_readmes_print_the_same_commands_links_and_benchmarks() -> None:
    def printed(readme: str) -> tuple[list[str], set[str], set[str]]:
        blocks = re.findall(r"```sh\n(.*?)```", text(readme), re.DOTALL)
        commands = [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()]
        return commands, set(re.findall(r"\]\(([^)]+)\)", text(readme))) - set(READMES), set(re.findall(r"`((?:tocsin|pytest|make|POST) [^`]+)`", text(readme)))

    assert printed(READMES[0]) == printed(READMES[1])


@pytest.mark.parametrize("readme", [*READMES, "CONTRIBUTING.md", *(f"docs/{p.name}" for p in sorted((ROOT / "docs").glob("*.md")))])
def test_links_within_the_project_lead_somewhere(readme: str) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text(readme)):
        if "://" not in target:
            assert ((ROOT / readme).parent / target).exists(), f"{readme}: {target}"


@pytest.mark.parametrize("readme", READMES)
def test_commands_in_the_readme_exist(readme: str) -> None:
    known = text("docs/commands.md")
    written = re.findall(r"(?:^|`)tocsin ((?:[a-z]+(?:-[a-z]+)*)(?: [a-z]+(?:-[a-z]+)*)?)", text(readme), re.MULTILINE)
    assert len(written) > 30
    for command in set(written):
        first, _, second = command.partition(" ")
        group = re.search(rf"^\| `tocsin {first} ", known, re.MULTILINE)
        assert f"| `tocsin {first}`" in known or (group and (not second or f"| `tocsin {first} {second}`" in known)), f"tocsin {command}"
