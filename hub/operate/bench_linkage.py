"""From an agent's incident report being published to the first decoded live frame of the right camera in a signed-in operator's Chromium.

Everything is real and on this machine: `tocsin up` with the embedded broker as a child, four plants whose cameras encode H.264 at an enrolled
agent, one browser on the incident list in which nobody clicks. The plants take turns, so that a camera's stream has stopped when its turn
comes again and only the agent is warm; the picture that counts is of the plant that the report names.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from hub.clock import parse_utc
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

ROUNDS: Final = 24
LIMIT_P95_MS: Final = 1500
PLANTS: Final = 4
LINGER_S: Final = 11.5
"""A little more than the relay goes on after the last viewer."""
PAUSE_S: Final = LINGER_S / (PLANTS - 1)
AGENT = "bench-plant"
KINDS: Final = {"incident.opened": "opened", "camera.linked": "linked", "view.started": "asked"}
"""Steps on the way, by the change that says that they were taken."""
CHANGES_JS: Final = """async (after) => await (await fetch(`/api/v1/changes?after=${after}&limit=500`)).json()"""
LON, LAT = 119.13, 34.89
LIVE_JS: Final = """(id) => { const tile = document.querySelector(`[data-test=tile][data-camera="${id}"]`)
  return tile && tile.dataset.liveAt ? Number(tile.dataset.liveAt) : null }"""
DISMISS_JS: Final = """async (id) => (await fetch(`/api/v1/incidents/${id}/false-alarm`, {method: 'POST', body: JSON.stringify({reason: 'bench'}),
  headers: {'content-type': 'application/json', 'x-tocsin': 'console'}})).status"""


async def run(progress: Callable[[str], None], size: int = 0) -> dict[str, Any]:
    """p50 and p95 in milliseconds of published → live frame, and when the steps between were chained. `size`: how many rounds, 0 for 24."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
        folder = Path(name)
        secret = await _plant(folder)
        port, mqtt = free_port(), free_port()
        process = await hub("--port", str(port), "--broker-port", str(mqtt), "--data-dir", name, log=folder / "log")
        try:
            await wait_ready(port, process)
            link = await _link(folder / "log")
            times, steps = await _rounds(progress, folder, mqtt, secret, link, size or ROUNDS)
        finally:
            await end(process)
    return {"report_to_frame_p50_ms": round(quantile(times, 0.5), 1), "report_to_frame_p95_ms": round(quantile(times, 0.95), 1),
            "report_to_frame_max_ms": round(max(times), 1), "limit_p95_ms": LIMIT_P95_MS, "rounds": len(times),
            **{f"report_to_{name}_p50_ms": round(quantile(values, 0.5), 1) for name, values in steps.items() if values}}


async def _plant(folder: Path) -> str:
    """Enterprises far from each other, each with a camera, and their agent; gives the agent's secret."""
    secret = new_secret()
    async with Store(Settings(data_dir=str(folder)).database_url) as store, store.transaction() as tx:
        await put_agent(tx, agent_id=AGENT, name=AGENT, kind="field", department_id="emergency-bureau", secret=secret)
        for n in range(PLANTS):
            plant, lon = f"bench-{n}", _lon(n)
            enterprise = EnterpriseView(id=plant, zh=f"测试企业{n}（演示）", en=f"bench plant {n} (demo)", lon=lon, lat=LAT, demo=True)
            await save_enterprise(tx, enterprise, by="system:bench")
            await save_camera(tx, f"{AGENT}/tank-{n}", CameraPlace(enterprise_id=plant, lon=lon, lat=LAT), by="system:bench")
    return secret


def _lon(n: int) -> float:
    """Where plant `n` is: too far from the others for a report at one to link the cameras of another."""
    return LON + n * 0.2


async def _rounds(progress: Callable[[str], None], folder: Path, mqtt: int, secret: str, link: str, rounds: int) -> tuple[list[float], dict[str, list[float]]]:
    import aiomqtt

    from agents.cameras import Cameras
    from streams.publisher import MediaLink

    file = folder / "cameras.yaml"
    lines = [f"  - {{id: tank-{n}, url: 'synthetic:?size=1280x720&rate=25&gop_s=1&seed={n}', preview_s: 2}}\n" for n in range(PLANTS)]
    file.write_text("cameras:\n" + "".join(lines), encoding="utf-8")
    topics = Topics()
    times: list[float] = []
    steps: dict[str, list[float]] = {name: [] for name in KINDS.values()}
    async with _screen(link, progress) as page, Cameras(file, MediaLink(agent_id=AGENT, host="127.0.0.1", port=mqtt, password=secret)) as cameras, \
            aiomqtt.Client("127.0.0.1", mqtt, identifier=AGENT, username=AGENT, password=secret) as client:
        async with asyncio.timeout(30):
            while not all(camera.health == "online" for camera in cameras.presence()):  # noqa: ASYNC110 told by threads
                await asyncio.sleep(0.1)
        told = Presence(online=True, at=datetime.now(UTC), cameras=cameras.presence())
        await client.publish(topics.up(AGENT, "presence"), encode(told), qos=1, retain=True)
        await asyncio.sleep(2)
        for n in range(rounds):
            progress(f"round {n + 1} of {rounds}")
            taken, after = await _one(page, client, topics, n % PLANTS)
            times.append(taken)
            for name, value in after.items():
                steps[name].append(value)
            await asyncio.sleep(PAUSE_S)
    return times, steps


async def _one(page: Any, client: Any, topics: Topics, n: int) -> tuple[float, dict[str, float]]:
    """One report; milliseconds until the plant's camera was live on the screen and until each step. Then the incident is dismissed."""
    before = (await page.evaluate(CHANGES_JS, 0)).get("head", 0)
    report = Report(id=new_id(), kind=ReportKind.INITIAL, occurred_at=datetime.now(UTC), title="储罐区异味（演示）", event_types=("12D02",),
                    place=Place(text="储罐区", lon=_lon(n), lat=LAT, enterprise_id=f"bench-{n}"))
    payload = encode(report)
    published_ms = time.time() * 1000
    await client.publish(topics.up(AGENT, "report"), payload, qos=1)
    async with asyncio.timeout(20):
        while (live_ms := await page.evaluate(LIVE_JS, f"{AGENT}/tank-{n}")) is None or live_ms < published_ms:  # noqa: ASYNC110 asked of a browser
            await asyncio.sleep(0.05)
    status = await page.evaluate(DISMISS_JS, report.id)
    if status != 200:
        raise RuntimeError(f"the incident could not be dismissed: {status}")
    return float(live_ms - published_ms), await _steps(page, before, published_ms)


async def _steps(page: Any, before: int, published_ms: float) -> dict[str, float]:
    """When the first change of each kind since `before` was chained, in milliseconds after the report was published."""
    found: dict[str, float] = {}
    for change in (await page.evaluate(CHANGES_JS, before))["items"]:
        name = KINDS.get(change["kind"])
        if name is not None and name not in found:
            found[name] = parse_utc(change["at"]).timestamp() * 1000 - published_ms
    return found
