"""Photos on their way to the hub's own upload handlers: killed, cut, restarted, damaged, and whole in the end."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from agents.attachments import Uploader, attach
from agents.outbox import Outbox
from agents.scenes import everyday_report
from agents.settings import AgentSettings
from hub import wire
from hub.errors import Rejected
from hub.web import tus
from tests.support.faulty_link import FaultyLink
from tests.support.tus_hub import TusHub
from tests.support.until import until

PHOTO = random.Random(5).randbytes(1_500_000)


def a_report_with(outbox: Outbox, folder: Path, content: bytes = PHOTO, name: str = "现场.jpg") -> wire.Attachment:
    """File a report whose photo lies in the agent's folder and still has to go."""
    source = folder / name
    source.write_bytes(content)
    report = everyday_report(random.Random(1), datetime.now(UTC))
    attachment, upload = attach(folder, source, report.id)
    outbox.accept(msgspec.structs.replace(report, attachments=(attachment,)), [upload])
    source.unlink()  # the memory card is gone
    return attachment


@asynccontextmanager
async def an_uploader(outbox: Outbox, url: str, **more: object) -> AsyncIterator[Uploader]:
    values: dict[str, object] = {"agent_id": "plant-1", "hub_url": url, "upload_chunk_bytes": 65_536, "upload_retry_longest_s": 0.3}
    settings = AgentSettings(**(values | more))  # type: ignore[arg-type]
    uploader = Uploader(settings, outbox, "secret", dice=random.Random(2))
    task = asyncio.create_task(uploader.run())
    try:
        yield uploader
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_photo_reaches_the_hub_by_its_hash_and_leaves_the_agent(tmp_path: Path) -> None:
    async with TusHub(tmp_path / "hub") as hub:
        with closing(Outbox(tmp_path / "outbox.sqlite3")) as outbox:
            attachment = a_report_with(outbox, tmp_path)
            assert outbox.waiting().count == 1
            async with an_uploader(outbox, hub.url):
                await until(lambda: not outbox.uploads())
            path = tus.attachment_path(hub.folder, attachment.sha256)
            assert path is not None and path.read_bytes() == PHOTO
            assert hub.completed == [(attachment.sha256, "agent:plant-1")]
            assert not (tmp_path / "attachments" / attachment.sha256).exists()


async def test_an_agent_killed_in_the_middle_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with closing(Outbox(tmp_path / "outbox.sqlite3")) as outbox:
        attachment = a_report_with(outbox, tmp_path)
    async with TusHub(tmp_path / "hub") as hub, FaultyLink(hub.port, bandwidth_bps=1_500_000) as link:
        for kills in range(1, 4):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.support.uploader_child", str(tmp_path), f"http://127.0.0.1:{link.port}"
            )
            await until(lambda: len(hub.patches) >= 3 * kills, 20, "pieces on their way")  # noqa: B023
            process.send_signal(signal.SIGKILL)
            await process.wait()
        assert tus.attachment_path(hub.folder, attachment.sha256) is None
        with closing(Outbox(tmp_path / "outbox.sqlite3")) as outbox:
            async with an_uploader(outbox, hub.url):
                await until(lambda: not outbox.uploads(), 20)
        path = tus.attachment_path(hub.folder, attachment.sha256)
        assert path is not None and path.read_bytes() == PHOTO
        assert hub.patches.count(0) == 1, "only the first run began at the first byte"


async def test_a_hub_that_restarts_keeps_the_offset(tmp_path: Path) -> None:
    async with TusHub(tmp_path / "hub") as hub, FaultyLink(hub.port, bandwidth_bps=3_000_000) as link:
        with closing(Outbox(tmp_path / "outbox.sqlite3")) as outbox:
            attachment = a_report_with(outbox, tmp_path)
            async with an_uploader(outbox, f"http://127.0.0.1:{link.port}") as uploader:
                await until(lambda: len(hub.patches) >= 4)
                await hub.stop()
                await until(lambda: uploader.counts["upload_retries"] >= 1)
                await hub.start()
                await until(lambda: not outbox.uploads(), 20)
            assert tus.attachment_path(hub.folder, attachment.sha256) is not None
            assert hub.patches.count(0) == 1


@pytest.mark.parametrize("fault", ["reset", "cut"])
async def test_a_bad_link_only_delays_it(tmp_path: Path, fault: str) -> None:
    async with TusHub(tmp_path / "hub") as hub, FaultyLink(hub.port, bandwidth_bps=2_000_000) as link:
        with closing(Outbox(tmp_path / "outbox.sqlite3")) as outbox:
            attachment = a_report_with(outbox, tmp_path)
            async with an_uploader(outbox, f"http://127.0.0.1:{link.port}"):
                for rounds in range(1, 4):
                    await until(lambda: len(hub.patches) >= 3 * rounds, 20)  # noqa: B023
                    link.reset() if fault == "reset" else link.cut()
                    asyncio.get_running_loop().call_later(0.2, link.heal)
                await until(lambda: not outbox.uploads(), 30)
            assert tus.attachment_path(hub.folder, attachment.sha256) is not None


async def test_an_upload_that_the_hub_forgot_begins_anew(tmp_path: Path) -> None:
    async with TusHub(tmp_path / "hub") as hub:
        with closing(Outbox(tmp_path / "outbox.sqlite3")) as outbox:
            attachment = a_report_with(outbox, tmp_path)
            outbox.upload_at(attachment.sha256, f"{hub.url}/api/v1/attachments/{'0' * 32}")
            async with an_uploader(outbox, hub.url):
                await until(lambda: not outbox.uploads())
            assert tus.attachment_path(hub.folder, attachment.sha256) is not None


async def test_a_copy_that_rotted_on_the_agent_is_refused_by_name(tmp_path: Path) -> None:
    async with TusHub(tmp_path / "hub") as hub:
        with closing(Outbox(tmp_path / "outbox.sqlite3")) as outbox:
            attachment = a_report_with(outbox, tmp_path)
            (tmp_path / "attachments" / attachment.sha256).write_bytes(PHOTO[:-1] + b"!")
            async with an_uploader(outbox, hub.url):
                await until(lambda: not outbox.uploads())
            assert outbox.upload_states() == [(attachment.sha256, "现场.jpg", "refused", "file_changed")]
            assert tus.attachment_path(hub.folder, attachment.sha256) is None


async def test_a_file_beyond_the_limit_is_refused_and_the_next_one_goes(tmp_path: Path) -> None:
    async with TusHub(tmp_path / "hub", tus.Limits(max_bytes=1000)) as hub:
        with closing(Outbox(tmp_path / "outbox.sqlite3")) as outbox:
            a_report_with(outbox, tmp_path)
            small = a_report_with(outbox, tmp_path, b"small", "b.txt")
            async with an_uploader(outbox, hub.url):
                await until(lambda: not outbox.uploads())
            assert [(state, reason) for _, _, state, reason in outbox.upload_states()] == [("refused", "too_large"), ("done", None)]
            assert tus.attachment_path(hub.folder, small.sha256) is not None


async def test_wrong_credentials_wait_instead_of_losing_the_file(tmp_path: Path) -> None:
    async with TusHub(tmp_path / "hub") as hub:
        with closing(Outbox(tmp_path / "outbox.sqlite3")) as outbox:
            a_report_with(outbox, tmp_path)
            async with an_uploader(outbox, hub.url, agent_id="stranger") as uploader:
                await until(lambda: uploader.counts["upload_retries"] >= 2)
            assert len(outbox.uploads()) == 1


async def test_an_empty_file_goes_too(tmp_path: Path) -> None:
    async with TusHub(tmp_path / "hub") as hub:
        with closing(Outbox(tmp_path / "outbox.sqlite3")) as outbox:
            attachment = a_report_with(outbox, tmp_path, b"", "empty.txt")
            async with an_uploader(outbox, hub.url):
                await until(lambda: not outbox.uploads())
            assert tus.attachment_path(hub.folder, attachment.sha256) is not None


def test_a_file_that_cannot_be_read_is_refused_before_the_report(tmp_path: Path) -> None:
    with pytest.raises(Rejected) as caught:
        attach(tmp_path, tmp_path / "missing.jpg", "x")
    assert caught.value.code == "unreadable_file"
    assert list((tmp_path / "attachments").iterdir()) == []
