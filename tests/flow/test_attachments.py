"""A photo of a report: broken off, resumed after the hub was killed, complete, and read by who may read the report."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import aiohttp

from tests.support.hub_child import HubChild
from tests.support.reports import report

TUS = {"Tus-Resumable": "1.0.0"}
CHUNK = {**TUS, "Content-Type": "application/offset+octet-stream"}


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


async def test_an_upload_that_broke_off_goes_on_after_a_kill_and_ends_whole(tmp_path: Path) -> None:
    hub = HubChild(tmp_path / "hub")
    secrets = await hub.enrol("a1", "b2")
    data = bytes(range(256)) * 4000
    sha = hashlib.sha256(data).hexdigest()
    sent = report(attachments=[{"sha256": sha, "name": "现场.jpg", "media_type": "image/jpeg", "size_bytes": len(data)}])
    async with aiohttp.ClientSession(headers=basic("a1", secrets["a1"])) as agent:
        await hub.start()
        async with agent.post(hub.url + "/api/v1/reports", json=sent) as answer:
            assert answer.status == 201, await answer.text()
        begin = {**TUS, "Upload-Length": str(len(data)), "Upload-Metadata": "sha256 " + base64.b64encode(sha.encode()).decode()}
        async with agent.post(hub.url + "/api/v1/attachments", headers=begin) as answer:
            assert answer.status == 201
            where = hub.url + answer.headers["Location"]
        async with agent.patch(where, data=data[:300_000], headers={**CHUNK, "Upload-Offset": "0"}) as answer:
            assert answer.status == 204
        await hub.kill()
        await hub.start()
        async with agent.head(where, headers=TUS) as answer:
            offset = int(answer.headers["Upload-Offset"])
        assert 0 < offset <= 300_000
        async with agent.patch(where, data=data[offset:], headers={**CHUNK, "Upload-Offset": str(offset)}) as answer:
            assert answer.status == 204
        async with agent.get(f"{hub.url}/api/v1/reports/{sent['id']}/status") as answer:
            assert (await answer.json())["status"] == "stored"
    async with aiohttp.ClientSession(headers=basic("b2", secrets["b2"])) as other:
        async with other.head(where, headers=TUS) as answer:
            assert answer.status == 404
        async with other.get(f"{hub.url}/api/v1/reports/{sent['id']}/attachments/{sha}") as answer:
            assert answer.status in (403, 404)
    assert (hub.folder / "attachments" / "sha256" / sha[:2] / sha).read_bytes() == data
    await hub.stop()
