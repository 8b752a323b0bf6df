"""A hub that cannot start says why in one sentence of each language: whoever reads it stands before a dark screen."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.app import running
from hub.errors import Rejected, Unavailable
from hub.operate.alone import alone
from hub.settings import Settings, load_settings
from hub.store import Store
from tests.support.ports import free_port
from tests.support.stores import fresh_sqlite


def of_a_newer_release(folder: Path) -> dict[str, Any]:
    fresh_sqlite(folder / "tocsin.db")
    with sqlite3.connect(folder / "tocsin.db") as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    return {}


def no_database(folder: Path) -> dict[str, Any]:
    (folder / "tocsin.db").write_text("no database at all, " * 100)
    return {}


def a_file(folder: Path) -> dict[str, Any]:
    (folder / "file").touch()
    return {"data_dir": str(folder / "file")}


def no_certificate(folder: Path) -> dict[str, Any]:
    return {"tls_cert_file": str(folder / "none.pem")}


def of_nowhere(_folder: Path) -> dict[str, Any]:
    return {"web_host": "no-such-host.invalid"}


def a_wrong_way_for_agents(_folder: Path) -> dict[str, Any]:
    return {"broker": "mqtt://127.0.0.1:1", "agents_broker": "hub.example:8883"}


@pytest.mark.parametrize(("prepare", "code", "field"), [
    (of_a_newer_release, "newer_schema", "store_url"), (no_database, "store_unreadable", "store_url"), (a_file, "settings", "data_dir"),
    (no_certificate, "settings", "tls_cert_file"), (of_nowhere, "settings", "web_port"), (a_wrong_way_for_agents, "settings", "agents_broker"),
], ids=lambda value: value.__name__ if callable(value) else "")
async def test_what_keeps_a_hub_from_starting_is_named(tmp_path: Path, prepare: Callable[[Path], dict[str, Any]], code: str, field: str) -> None:
    given: dict[str, Any] = {"data_dir": str(tmp_path), "web_port": 0, "broker_port": 0} | prepare(tmp_path)
    with pytest.raises(Rejected) as refused:
        async with running(Settings(**given), only=frozenset({"web"})):
            pass
    assert (refused.value.code, refused.value.field) == (code, field)
    assert "\n" not in refused.value.message and refused.value.zh != refused.value.en


def test_a_second_hub_on_the_same_data_is_refused_and_the_parts_of_one_are_not(tmp_path: Path) -> None:
    with alone(tmp_path, ("ingest", "respond")):
        with alone(tmp_path, ("web",)):
            pass
        with pytest.raises(Rejected) as refused, alone(tmp_path, ("web", "respond")):
            pass
        assert (refused.value.code, refused.value.field) == ("already_running", "data_dir")
    with alone(tmp_path, ("ingest", "respond", "web")):
        pass


@pytest.mark.parametrize("url", ["foo://host/x", "nonsense", "postgresql://u:sEcReT@host:abc/x"])
async def test_a_store_that_is_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(Rejected) as refused:
        Store(url)
    assert refused.value.field == "store_url" and "sEcReT" not in refused.value.message


async def test_a_database_that_is_away_is_named_without_its_password() -> None:
    with pytest.raises(Unavailable) as away:
        async with Store(f"postgresql://u:sEcReT@127.0.0.1:{free_port()}/x"):
            pass
    assert "127.0.0.1" in away.value.message and "sEcReT" not in str(away.value) + away.value.message


@pytest.mark.parametrize("content", [b'local_zone = "Mars/Olympus"\n', b"\xff\xfe\n", b'local_zone = "../../etc/passwd"\n'])
def test_settings_that_cannot_be_read_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.toml").write_bytes(content)
    with pytest.raises(Rejected):
        load_settings(tmp_path / "x.toml", {})
