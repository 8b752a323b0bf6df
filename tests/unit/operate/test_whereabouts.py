"""A command beside the hub names the address that the hub really has, and the settings' own once it has ended."""

from pathlib import Path

from hub.app import running
from hub.operate.whereabouts import noted, of, web_url
from hub.settings import Settings


async def test_a_link_leads_to_the_port_that_the_hub_was_started_with(tmp_path: Path) -> None:
    beside = Settings(data_dir=str(tmp_path))
    async with running(Settings(data_dir=str(tmp_path), web_port=0, broker_port=0)) as hub, noted(hub):
        assert web_url(beside) == hub.web_url != "http://127.0.0.1:8800"
        assert of(tmp_path) is not None and of(tmp_path).mqtt_port == hub.mqtt_port  # type: ignore[union-attr]
        assert web_url(Settings(data_dir=str(tmp_path), public_url="https://hub.example.org")) == "https://hub.example.org"
    assert of(tmp_path) is None and web_url(beside) == "http://127.0.0.1:8800"


def test_what_a_kill_left_half_written_is_no_address(tmp_path: Path) -> None:
    (tmp_path / "running.json").write_bytes(b'{"web_url":')
    assert of(tmp_path) is None
