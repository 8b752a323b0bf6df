"""The doctor finds each thing that is wrong and says what to do about it."""

from __future__ import annotations

import socket
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hub.domain.calendar import Calendar
from hub.operate import doctor
from hub.operate.ca import Authority, web_certificate
from hub.operate.finding import Finding, State
from hub.operate.heads import HeadKeeper
from hub.operate.keys import signer
from hub.settings import Settings
from hub.store import Store
from hub.store.duty_data import save_document
from tests.support.chains import grow, sqlite_superuser

NOW = datetime.now(UTC)


def worst(found: list[Finding]) -> State:
    states = [one.state for one in found]
    assert all(one.do for one in found if one.state is not State.OK), "whatever is not well says what to do"
    return State.BAD if State.BAD in states else State.WARN if State.WARN in states else State.OK


@pytest.fixture
async def hub(tmp_path: Path) -> Settings:
    tmp_path.chmod(0o700)
    settings = Settings(data_dir=str(tmp_path), broker_port=0)
    async with Store(settings.database_url) as store:
        await grow(store, 10)
        await HeadKeeper(store, settings, signer(tmp_path)).step()
    return settings


async def test_a_hub_in_order_is_in_order(hub: Settings) -> None:
    found = [one async for one in doctor.examine(hub, datetime.now(UTC))]
    assert {one.part for one in found} == {"settings", "secrets", "clock", "disk", "certificates", "broker", "holidays", "store", "chain"}
    assert [one for one in found if one.state is State.BAD] == []


async def test_a_change_that_was_passed_over_is_found_with_who_failed_and_what_to_do(hub: Settings) -> None:
    async with Store(hub.database_url) as store, store.transaction() as tx:
        await tx.conn.exec_driver_sql("INSERT INTO reactor (name, cursor, failures) VALUES ('matching', 7, 2), ('linkage', 7, 0)")
    (found,) = [one async for one in doctor.examine(hub, datetime.now(UTC)) if one.part == "reactors"]
    assert found.state is State.WARN and found.do and "matching" in found.zh and "2" in found.en


async def test_recordings_whose_files_another_machine_has_are_found(hub: Settings, tmp_path: Path) -> None:
    async def found() -> list[Finding]:
        return [one async for one in doctor.examine(hub, datetime.now(UTC)) if one.part == "recordings"]

    async with Store(hub.database_url) as store, store.transaction() as tx:
        for id, view in (("there", "{}"), ("gone", '{"deleted_at":"2026-11-23T05:00:00.000Z"}'), ("away", "{}")):
            await tx.conn.exec_driver_sql(f"INSERT INTO recording_segment (recording_id, n, sha256, size_bytes, view) VALUES ('{id}', 1, '', 1, '{view}')")
    (tmp_path / "recordings" / "there").mkdir(parents=True)
    (one,) = await found()
    assert one.state is State.WARN and one.do and one.zh.startswith("1 ") and str(tmp_path / "recordings") in one.en
    (tmp_path / "recordings" / "away").mkdir()
    assert await found() == []


async def test_a_readable_key_and_a_known_password_are_found(hub: Settings, tmp_path: Path) -> None:
    (tmp_path / "secrets" / "hub-signing-key.pem").chmod(0o644)
    assert worst(doctor.check_secrets(hub)) is State.BAD
    (tmp_path / "secrets" / "hub-signing-key.pem").chmod(0o600)
    password = tmp_path / "mqtt-password"
    password.write_text("changeme")
    password.chmod(0o600)
    assert worst(doctor.check_secrets(Settings(data_dir=str(tmp_path), broker_password_file=str(password)))) is State.BAD
    password.write_text("long-and-random-enough-1")
    assert worst(doctor.check_secrets(Settings(data_dir=str(tmp_path), broker_password_file=str(password)))) is State.OK
    assert worst(doctor.check_secrets(Settings(data_dir=str(tmp_path), broker_password_file="/nowhere"))) is State.BAD


async def test_a_clock_that_went_back_or_is_not_kept_in_step_is_found(hub: Settings) -> None:
    now = datetime.now(UTC)
    assert worst(doctor.check_clock(hub, now, True)) is State.OK
    assert worst(doctor.check_clock(hub, now, False)) is State.WARN
    assert worst(doctor.check_clock(hub, now - timedelta(days=1), True)) is State.BAD
    assert worst(doctor.check_clock(hub, datetime(1970, 1, 1, tzinfo=UTC), True)) is State.BAD


async def test_a_chain_that_was_cut_or_rewritten_is_found_at_once(hub: Settings, tmp_path: Path) -> None:
    conn, run = sqlite_superuser(tmp_path / "tocsin.db")
    run("DELETE FROM change WHERE seq > 5", ())
    run("DELETE FROM change_body WHERE seq > 5", ())
    conn.close()
    found = await doctor.check_store(hub)
    assert [one.part for one in found if one.state is State.BAD] == ["chain"]


async def test_a_store_that_is_missing_damaged_or_of_another_release_is_found(hub: Settings, tmp_path: Path) -> None:
    assert worst(await doctor.check_store(Settings(data_dir=str(tmp_path / "new")))) is State.WARN
    with sqlite3.connect(tmp_path / "tocsin.db") as conn:
        conn.execute("UPDATE alembic_version SET version_num = '9999'")
    conn.close()
    assert worst(await doctor.check_store(hub)) is State.BAD
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "tocsin.db").write_bytes(b"not a database" * 1000)
    assert worst(await doctor.check_store(Settings(data_dir=str(tmp_path / "bad")))) is State.BAD


def test_certificates_that_end_are_found(tmp_path: Path) -> None:
    certificate, key = web_certificate(tmp_path, ["localhost"], NOW)
    settings = Settings(data_dir=str(tmp_path), tls_cert_file=certificate, tls_key_file=key)
    assert worst(doctor.check_certificates(settings, NOW)) is State.OK
    assert worst(doctor.check_certificates(settings, NOW + timedelta(days=370))) is State.WARN
    assert worst(doctor.check_certificates(settings, NOW + timedelta(days=400))) is State.BAD
    Path(key).write_text("no key")
    assert worst(doctor.check_certificates(settings, NOW)) is State.BAD
    assert Authority.open(tmp_path) is not None


def test_a_web_that_is_open_without_tls_is_found() -> None:
    assert worst(doctor.check_settings(Settings())) is State.OK
    assert worst(doctor.check_settings(Settings(web_host="0.0.0.0", public_url="http://10.0.0.1"))) is State.WARN
    assert worst(doctor.check_settings(Settings(broker_host="0.0.0.0"))) is State.WARN
    assert worst(doctor.check_settings(Settings(broker="mqtt://10.0.0.9:1883"))) is State.WARN
    assert worst(doctor.check_settings(Settings(local_zone="Mars/Olympus"))) is State.BAD


def test_a_broker_that_does_not_answer_is_found() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        assert worst(doctor.check_broker(Settings(broker=f"mqtt://127.0.0.1:{port}"))) is State.WARN
        sock.listen()
        assert worst(doctor.check_broker(Settings(broker_port=port))) is State.OK


def test_a_year_without_a_holiday_table_is_found() -> None:
    shipped = Calendar()
    assert worst(doctor.check_holidays(datetime(2026, 3, 1, tzinfo=UTC), shipped)) is State.OK
    assert worst(doctor.check_holidays(datetime(2031, 3, 1, tzinfo=UTC), shipped)) is State.WARN
    entered = Calendar(complete_years=frozenset({2031}))
    assert worst(doctor.check_holidays(datetime(2031, 3, 1, tzinfo=UTC), entered)) is State.OK


async def test_the_table_that_the_district_entered_counts_and_the_shipped_one_where_there_is_no_store(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path))
    assert (await doctor.calendar_of(settings)).complete_years == frozenset()
    async with Store(settings.database_url) as store, store.transaction() as tx:
        await save_document(tx, "calendar_overrides", {"zone": "Asia/Shanghai", "complete_years": [2031], "days": [], "periods": []}, by="person:a", reason="补录")
    assert (await doctor.calendar_of(settings)).complete_years == {2031}
