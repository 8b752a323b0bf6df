"""No secret ships with the product, and a hub does not start with one that everybody knows."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path

import pytest

from hub.app import running
from hub.errors import Rejected
from hub.operate.secrets import KNOWN, given_secret, own_secret
from hub.settings import Settings

DEFAULTS = sorted(KNOWN | {"ADMIN", "Password", "short"})
ROOT = Path(__file__).parents[2]


def _file(folder: Path, value: str) -> str:
    path = folder / "password"
    path.write_text(value + "\n")
    path.chmod(0o600)
    return str(path)


async def _refused(settings: Settings) -> None:
    with pytest.raises(Rejected, match="known_secret"):
        async with running(settings, only=frozenset({"ingest"})):
            pass


@pytest.mark.parametrize("value", DEFAULTS)
async def test_a_hub_does_not_start_with_a_known_password(tmp_path: Path, value: str) -> None:
    file = _file(tmp_path, value)
    data = str(tmp_path / "hub")
    await _refused(Settings(data_dir=data, broker="mqtt://127.0.0.1:1", broker_password_file=file))
    await _refused(Settings(data_dir=data, store_url="postgresql://tocsin@127.0.0.1:1/tocsin", store_password_file=file))
    await _refused(Settings(data_dir=data, store_url=f"postgresql://tocsin:{value}@127.0.0.1:1/tocsin"))
    (tmp_path / "hub" / "secrets").mkdir(parents=True, exist_ok=True)
    own = tmp_path / "hub" / "secrets" / "hub-mqtt"
    own.write_text(value)
    own.chmod(0o600)
    await _refused(Settings(data_dir=data, broker_port=0))
    with pytest.raises(Rejected, match="known_secret"):
        given_secret(file, "备份 / backup")


async def test_the_command_says_so_and_ends_with_status_2(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hub", "up", "--data-dir", str(tmp_path / "hub"), "--port", "0", "--broker", "mqtt://127.0.0.1:1",
        env={"PATH": "/usr/bin:/bin", "TOCSIN_BROKER_PASSWORD_FILE": _file(tmp_path, "changeme"), "PYTHONPATH": str(ROOT)},
        cwd=tmp_path, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    _, err = await process.communicate()
    assert process.returncode == 2
    assert "众所周知的默认值" in err.decode()


def test_a_secret_that_others_can_read_is_refused_and_ours_is_made_at_random(tmp_path: Path) -> None:
    first, second = own_secret(tmp_path / "a", "hub-mqtt"), own_secret(tmp_path / "b", "hub-mqtt")
    assert first != second
    assert len(first) >= 40
    assert own_secret(tmp_path / "a", "hub-mqtt") == first
    (tmp_path / "a" / "secrets" / "hub-mqtt").chmod(0o640)
    with pytest.raises(Rejected, match="secret_readable"):
        own_secret(tmp_path / "a", "hub-mqtt")


def _scanner() -> object:
    spec = importlib.util.spec_from_file_location("secret_scan", ROOT / "scripts" / "secret_scan.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_scan_finds_each_kind_of_secret_and_the_repository_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    scan = _scanner()
    planted = [
        "-----BEGIN " + "PRIVATE KEY-----\n" + "MC4CAQAwBQYDK2VwBCIEIJ" * 3, "AKIA" + "IOSFODNN7EXAMPLE", "ghp_" + "a1B2" * 9, "npm_" + "a1B2" * 9,
        "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=" + "693a91f6-7abc-4bc4-97a0-0ec2sifa5aaa".replace("s", "5").replace("i", "1"),
        "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
        "postgresql://tocsin:" + "x9Kp2mQv7Lr4Tz8W" + "@db/tocsin", 'password = "' + "x9Kp2mQv7Lr4Tz8Wb" + '"',
    ]
    for text in planted:
        assert list(scan.findings(text)), text  # type: ignore[attr-defined]
        assert not list(scan.findings(f"{text.splitlines()[0]}  # secret-scan: an example"))  # type: ignore[attr-defined]
    for harmless in ('password_file = "/etc/tocsin/mqtt-password"', 'token = "the-session-token-of-a-person"', "mqtt://user:{password}@host"):
        assert not list(scan.findings(harmless)), harmless  # type: ignore[attr-defined]
    assert scan.main([]) == 0, capsys.readouterr().out  # type: ignore[attr-defined]
