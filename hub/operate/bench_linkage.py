"""From an agent's incident report being published to the first decoded live frame of the right camera in a signed-in operator's Chromium.

Everything is real and on this machine: `tocsin up` with the embedded broker as a child, a camera that encodes H.264 at an enrolled agent, one
browser on the incident list in which nobody clicks. Between rounds the camera's stream stops, so that only the agent is warm.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from hub.domain.camera import CameraPlace, EnterpriseView
from hub.ids import new_id
from hub.operate.bench_fairness import quantile
from hub.operate.bench_latency import _link, _screen
from hub.operate.bench_servers import end, free_port, hub
from hub.operate.bench_start import wait_ready
from hub.settings import Settings
from hub.store import Store
from hub.store.agents import new_secret, put_agent
from hub.store.cameras import save_camera, save_enterprise
from hub.wire import Place, Presence, Report, ReportKind, Topics, encode

ROUNDS: Final = 8
LIMIT_P95_MS: Final = 1500
LINGER_S: Final = 11.5
"""A little more than the relay goes on after the last viewer."""
AGENT, CAMERA = "bench-plant", "tank"
LON, LAT = 119.13, 34.89
LIVE_JS: Final = """(id) => { const tile = document.querySelector(`[data-test=tile][data-camera="${id}"]`)
  return tile && tile.dataset.liveAt ? Number(tile.dataset.liveAt) : null }"""
DISMISS_JS: Final = """async (id) => (await fetch(`/api/v1/incidents/${id}/false-alarm`, {method: 'POST', body: JSON.stringify({reason: 'bench'}),
  headers: {'content-type': 'application/json', 'x-tocsin': 'console'}})).status"""


async def run(progress: Callable[[str], None], size: int = 0) -> dict[str, Any]:
    """p50 and p95 in milliseconds of published → live frame. `size`: how many rounds, 0 for eight."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
        folder = Path(name)
        secret = await _plant(folder)
        port, mqtt = free_port(), free_port()
        process = await hub("--port", str(port), "--broker-port", str(mqtt), "--data-dir", name, log=folder / "log")
        try:
            await wait_ready(port, process)
            link = await _link(folder / "log")
            times = await _rounds(progress, folder, mqtt, secret, link, size or ROUNDS)
        finally:
            await end(process)
    return {"report_to_frame_p50_ms": round(quantile(times, 0.5), 1), "report_to_frame_p95_ms": round(quantile(times, 0.95), 1),
            "report_to_frame_max_ms": round(max(times), 1), "limit_p95_ms": LIMIT_P95_MS, "rounds": len(times)}


async def _plant(folder: Path) -> str:
    """An enterprise with one camera, and its agent; gives the agent's secret."""
    secret = new_secret()
    async with Store(Settings(data_dir=str(folder)).database_url) as store, store.transaction() as tx:
        await save_enterprise(tx, EnterpriseView(id="bench", zh="测试企业（演示）", en="bench plant (demo)", lon=LON, lat=LAT, demo=True), by="system:bench")
        await put_agent(tx, agent_id=AGENT, name=AGENT, kind="field", department_id="emergency-bureau", enterprise_id="bench", secret=secret)
        await save_camera(tx, f"{AGENT}/{CAMERA}", CameraPlace(enterprise_id="bench", lon=LON, lat=LAT), by="system:bench")
    return secret


async def _rounds(progress: Callable[[str], None], folder: Path, mqtt: int, secret: str, link: str, rounds: int) -> list[float]:
    import aiomqtt

    from agents.cameras import Cameras
    from streams.publisher import MediaLink

    file = folder / "cameras.yaml"
    file.write_text(f"cameras:\n  - id: {CAMERA}\n    url: 'synthetic:?size=1280x720&rate=25&gop_s=1'\n    preview_s: 2\n", encoding="utf-8")
    topics = Topics()
    times: list[float] = []
    async with _screen(link, progress) as page, Cameras(file, MediaLink(agent_id=AGENT, host="127.0.0.1", port=mqtt, password=secret)) as cameras, \
            aiomqtt.Client("127.0.0.1", mqtt, identifier=AGENT, username=AGENT, password=secret) as client:
        async with asyncio.timeout(30):
            while cameras.presence()[0].health != "online":  # noqa: ASYNC110 told by threads
                await asyncio.sleep(0.1)
        told = Presence(online=True, at=datetime.now(UTC), cameras=cameras.presence())
        await client.publish(topics.up(AGENT, "presence"), encode(told), qos=1, retain=True)
        await asyncio.sleep(2)
        for n in range(rounds):
            progress(f"round {n + 1} of {rounds}")
            times.append(await _one(page, client, topics))
            await asyncio.sleep(LINGER_S)
    return times


async def _one(page: Any, client: Any, topics: Topics) -> float:
    """One report and the milliseconds until its camera was live on the screen; then the incident is dismissed."""
    report = Report(id=new_id(), kind=ReportKind.INITIAL, occurred_at=datetime.now(UTC), title="储罐区异味（演示）", event_types=("12D02",),
                    place=Place(text="储罐区", lon=LON, lat=LAT, enterprise_id="bench"))
    payload = encode(report)
    published_ms = time.time() * 1000
    await client.publish(topics.up(AGENT, "report"), payload, qos=1)
    async with asyncio.timeout(20):
        while (live_ms := await page.evaluate(LIVE_JS, f"{AGENT}/{CAMERA}")) is None or live_ms < published_ms:  # noqa: ASYNC110 asked of a browser
            await asyncio.sleep(0.05)
    status = await page.evaluate(DISMISS_JS, report.id)
    if status != 200:
        raise RuntimeError(f"the incident could not be dismissed: {status}")
    return float(live_ms - published_ms)
