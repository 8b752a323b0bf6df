"""docs/agent.md names every setting, command, inject and file that the agent knows."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.main import get_command

from agents import cli
from agents.settings import AgentSettings

TEXT = (Path(__file__).parents[3] / "docs" / "agent.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", AgentSettings.__struct_fields__)
def test_every_setting_is_documented(name: str) -> None:
    assert f"`{name}`" in TEXT


@pytest.mark.parametrize(("group", "app"), [("agent", cli.agent), ("report", cli.report), ("drill", cli.drill)])
def test_every_command_is_documented(group: str, app: typer.Typer) -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert commands
    for name in commands:
        assert f"tocsin {group} {name}" in TEXT
