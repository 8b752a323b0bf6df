"""Settings, secrets, the lock of a folder, clock skew, words."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agents.running import is_running, sole_speaker
from agents.settings import AgentSettings, load_settings, read_password, read_secret, save_settings, tls_context, write_private
from agents.skew import SkewMeter
from agents.words import is_chinese
from hub.errors import Rejected, Unavailable


def test_settings_come_from_the_file_and_the_environment_wins(tmp_path: Path) -> None:
    save_settings(tmp_path, {"agent_id": "plant-1", "mqtt_port": 1884, "tls": False, "name": '石桥"新材料"', "ca_file": None})
    settings = load_settings(tmp_path, {"TOCSIN_AGENT_MQTT_PORT": "2000", "TOCSIN_AGENT_TLS": "true", "OTHER": "x"})
    assert (settings.agent_id, settings.mqtt_port, settings.tls, settings.name) == ("plant-1", 2000, True, '石桥"新材料"')


def test_yaml_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "agent.yaml").write_text("agent_id: plant-1\nresend_after_s: 5\n", encoding="utf-8")
    assert load_settings(tmp_path, {}).resend_after_s == 5


@pytest.mark.parametrize("text", [
    "agent_id = 'Not A Slug'", "agent_id = 'a'\nunknown = 1", "agent_id = 'a'\nresend_after_s = 31", "agent_id = 'a'\nmqtt_port = 0", "agent_id =",
])
def test_wrong_settings_are_refused_with_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "agent.toml").write_text(text, encoding="utf-8")
    with pytest.raises(Rejected) as caught:
        load_settings(tmp_path, {})
    assert caught.value.code == "wrong_setting" and caught.value.zh and caught.value.en


def test_a_folder_without_an_agent_says_how_one_is_enrolled(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="not_enrolled") as caught:
        load_settings(tmp_path, {})
    assert all(str(tmp_path) in said and "tocsin agent enroll" in said for said in (caught.value.zh, caught.value.en))


def test_secrets_are_written_for_the_owner_only_and_replaced_whole(tmp_path: Path) -> None:
    path = write_private(tmp_path / "password", "one\n")
    write_private(path, "two\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_secret(path) == "two"
    assert [one.name for one in tmp_path.iterdir()] == ["password"]


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("x", encoding="utf-8")
    path.chmod(0o640)
    with pytest.raises(Rejected) as caught:
        read_password(tmp_path, AgentSettings(agent_id="a"))
    assert caught.value.code == "secret_exposed"


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_a_missing_or_empty_secret_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        write_private(tmp_path / "password", content)
    with pytest.raises(Rejected) as caught:
        read_password(tmp_path, AgentSettings(agent_id="a"))
    assert caught.value.code == "secret_missing"


def test_without_tls_there_is_no_context_and_with_it_old_versions_are_out(tmp_path: Path) -> None:
    assert tls_context(tmp_path, AgentSettings(agent_id="a")) is None
    context = tls_context(tmp_path, AgentSettings(agent_id="a", tls=True))
    assert context is not None and context.minimum_version.name == "TLSv1_2" and context.check_hostname


def test_one_process_speaks_for_a_folder(tmp_path: Path) -> None:
    assert not is_running(tmp_path)
    with sole_speaker(tmp_path):
        assert is_running(tmp_path)
        with pytest.raises(Unavailable) as caught, sole_speaker(tmp_path):
            pass
        assert caught.value.code == "agent_running"
    assert not is_running(tmp_path)


def test_skew_is_taken_from_the_fastest_trip() -> None:
    meter = SkewMeter()
    hub = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
    assert meter.skew_ms is None and meter.rtt_ms is None
    meter.observe(hub, 10.0, hub + timedelta(seconds=90))
    meter.observe(hub, 0.2, hub + timedelta(seconds=61.1))
    assert meter.skew_ms == pytest.approx(61_000, abs=1)
    assert meter.rtt_ms == pytest.approx(200)


def test_an_agent_behind_the_hub_has_negative_skew() -> None:
    meter = SkewMeter()
    hub = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
    meter.observe(hub, 0.0, hub - timedelta(hours=24))
    assert meter.skew_ms == -86_400_000


@pytest.mark.parametrize(("environ", "chinese"), [
    ({}, True), ({"LANG": "zh_CN.UTF-8"}, True), ({"LANG": "en_GB.UTF-8"}, False), ({"LANG": "C.UTF-8"}, True),
    ({"LANG": "zh_CN.UTF-8", "TOCSIN_LANG": "en"}, False),
])
def test_the_language_follows_the_environment(environ: dict[str, str], chinese: bool) -> None:
    assert is_chinese(environ) is chinese
