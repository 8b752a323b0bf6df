"""From an agent's report being published to the suggested plan standing on the desk's screen, in a signed-in operator's Chromium.

Everything is real and on this machine: `tocsin up` with the embedded broker as a child, an enrolled agent, one browser on the incident list in
which nobody clicks. Each round is a new incident of another kind; it is dismissed afterwards.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from hub.ids import new_id
from hub.operate.bench_fairness import quantile
from hub.operate.bench_latency import _link, _screen
from hub.operate.bench_linkage import DISMISS_JS
from hub.operate.bench_servers import end, free_port, hub
from hub.operate.bench_start import wait_ready
from hub.settings import Settings
from hub.store import Store
from hub.store.agents import new_secret, put_agent
from hub.wire import Hazmat, Place, Report, ReportKind, Topics, encode

ROUNDS: Final = 24
LIMIT_MS: Final = 1000
AGENT: Final = "bench-desk"
KINDS: Final = (("槽罐车侧翻（演示）", "12H00", "1005"), ("两车相撞（演示）", "12H00", None), ("厂房起火（演示）", "12G00", None), ("储罐泄漏（演示）", "12D02", "1017"))
SHOWN_JS: Final = """(id) => new Promise((told) => { const look = () => document.querySelector(`[data-id="${id}"] [data-test=suggested]`)
  ? requestAnimationFrame(() => told(Date.now())) : requestAnimationFrame(look); look() })"""
PLANS_JS: Final = "async () => (await (await fetch('/api/v1/plans')).json()).items.length"


async def run(progress: Callable[[str], None], size: int = 0) -> dict[str, Any]:
    """p50, p95 and the worst in milliseconds of published → plan on the screen. `size`: how many rounds, 0 for 24."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
        folder = Path(name)
        secret = new_secret()
        async with Store(Settings(data_dir=name).database_url) as store, store.transaction() as tx:
            await put_agent(tx, agent_id=AGENT, name=AGENT, kind="field", department_id="emergency-bureau", secret=secret)
        port, mqtt = free_port(), free_port()
        process = await hub("--port", str(port), "--broker-port", str(mqtt), "--data-dir", name, log=folder / "log")
        try:
            await wait_ready(port, process)
            times = await _rounds(progress, mqtt, secret, await _link(folder / "log"), size or ROUNDS)
        finally:
            await end(process)
    return {"report_to_plan_p50_ms": round(quantile(times, 0.5), 1), "report_to_plan_p95_ms": round(quantile(times, 0.95), 1),
            "report_to_plan_max_ms": round(max(times), 1), "limit_ms": LIMIT_MS, "rounds": len(times)}


async def _rounds(progress: Callable[[str], None], mqtt: int, secret: str, link: str, rounds: int) -> list[float]:
    import aiomqtt

    topics, times = Topics(), []
    async with _screen(link, progress) as page, aiomqtt.Client("127.0.0.1", mqtt, identifier=AGENT, username=AGENT, password=secret) as client:
        async with asyncio.timeout(30):
            while await page.evaluate(PLANS_JS) < 10:  # noqa: ASYNC110 asked of a browser
                await asyncio.sleep(0.2)
        for n in range(rounds + 1):
            progress(f"round {n} of {rounds}")
            took = await _one(page, client, topics, KINDS[n % len(KINDS)], n)
            if n:  # the first one compiles the library
                times.append(took)
    return times


async def _one(page: Any, client: Any, topics: Topics, kind: tuple[str, str, str | None], n: int) -> float:
    title, code, un = kind
    report = Report(id=new_id(), kind=ReportKind.INITIAL, occurred_at=datetime.now(UTC), title=f"{title} {n}", event_types=(code,),
                    place=Place(text="G204 赣马段", lon=119.05 + n * 0.01, lat=34.86), hazmat=(Hazmat(un=un, leak=True),) if un else ())
    shown = asyncio.ensure_future(page.evaluate(SHOWN_JS, report.id))
    published_ms = time.time() * 1000
    await client.publish(topics.up(AGENT, "report"), encode(report), qos=1)
    async with asyncio.timeout(30):
        shown_ms = float(await shown)
    if await page.evaluate(DISMISS_JS, report.id) != 200:
        raise RuntimeError("the incident could not be dismissed")
    return shown_ms - published_ms
