"""A command beside the hub that is given the wrong folder says so, and leaves nothing there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hub.cli import main
from hub.errors import Unavailable
from hub.store import Store
from tests.support.ports import free_port

COMMANDS = (
    "daily board", "daily zero education-bureau", "daily status town-ganma", "daily digest", "account list", "account link desk", "account close desk", "account forget-factor desk",
    "agent-code plant-1 --department emergency-bureau", "plan check", "plan list", "plan backtest", "plan terminate X --reason y", "audit verify",
    "audit sign", "audit key", "audit export audit.jsonl", "backup hub.tocsin --passphrase-file passphrase",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_made_where_there_is_no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "passphrase").write_text("a-long-enough-passphrase", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["tocsin", *command.split(), "--data-dir", "elsewhere"])

    with pytest.raises(SystemExit) as ended:
        main()

    said = capsys.readouterr().err
    assert ended.value.code == 2, said
    assert "elsewhere" in said
    assert "--data-dir" in said
    assert [left.name for left in tmp_path.iterdir()] == ["passphrase"]


@pytest.mark.parametrize("url", ["sqlite:////nonexistent/tocsin.db", "postgresql://tocsin:guess-me@127.0.0.1:{port}/tocsin"])
async def test_a_store_that_cannot_be_opened_is_named_without_its_password(url: str) -> None:
    url = url.format(port=free_port())
    with pytest.raises(Unavailable, match="store_unavailable") as caught:
        async with Store(url):
            pass
    said = caught.value.zh + caught.value.en
    assert url.partition("://")[0] in said
    assert "guess-me" not in said
