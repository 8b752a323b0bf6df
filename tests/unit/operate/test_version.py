"""The command line says which Tocsin it is."""

from __future__ import annotations

from typer.testing import CliRunner

from hub import __version__
from hub.cli import app


def test_the_version_is_said_and_nothing_else_happens() -> None:
    said = CliRunner().invoke(app, ["--version"])
    assert (said.exit_code, said.output.strip()) == (0, f"tocsin {__version__}")
