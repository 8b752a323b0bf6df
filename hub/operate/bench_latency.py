"""From an agent's publish to its receipt, and to the changed screen of a signed-in operator in a real Chromium, at 100 agents × 1 report/s.

Everything is real and on this machine: `tocsin up` with the embedded broker as a child, a hundred MQTT connections, one browser. Agents and
browser read the same clock. Each report opens an incident, so the list on the screen grows by a hundred rows a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from hub.errors import Rejected
from hub.operate.bench_fairness import Field, quantile
from hub.operate.bench_ingest import enrol, sample
from hub.operate.bench_servers import end, free_port, hub
from hub.operate.bench_start import wait_ready
from hub.wire import Topics

SECONDS: Final = 20
RATE: Final = 1.0
"""Reports a second of each of the hundred agents."""
LIMIT_RECEIPT_MS, LIMIT_SCREEN_MS = 250, 500
PATIENCE_S: Final = 15.0
"""How long after the last report a receipt or a row may still come before it counts as missing."""
BROWSERS: Final = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The shell comes first: it is the same engine without the frame of a window, and starts and draws at two thirds of the cost."""
FLAGS: Final = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-3d-apis", "--disable-background-networking"]
"""Without a GPU WebGL would be computed on the cores that are measured; without WebGL the console draws the district as an outline."""
WATCH_JS: Final = """() => {
  window.seenAt = {}
  const note = (node) => {
    const id = node.dataset && node.dataset.id
    if (id && !(id in window.seenAt)) window.seenAt[id] = Date.now()
  }
  const list = document.querySelector('[data-test=incidents]')
  new MutationObserver((records) => {
    for (const record of records) {
      if (record.type === 'attributes') note(record.target)
      for (const node of record.addedNodes) note(node)
    }
  }).observe(list, {childList: true, subtree: true, attributes: true, attributeFilter: ['data-id']})
}"""


async def run(progress: Callable[[str], None], size: int = 0) -> dict[str, Any]:
    """p50 and p99 in milliseconds of publish → receipt and publish → changed DOM. `size`: how many seconds of reports, 0 for twenty."""
    seconds = size or SECONDS
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
        folder = Path(name)
        passwords = await enrol(folder)
        port, mqtt = free_port(), free_port()
        process = await hub("--port", str(port), "--broker-port", str(mqtt), "--data-dir", name, log=folder / "log")
        try:
            await wait_ready(port, process)
            field = Reporters(mqtt, passwords)
            async with _screen(await _link(folder / "log"), progress) as page, field:
                progress("warming up")
                warm = await field.report(2)
                await _shown(page, set(warm), within_s=PATIENCE_S)
                progress(f"{len(passwords)} agents × {RATE:g} report/s for {seconds} s")
                field.receipts_ms.clear()
                published = await field.report(seconds)
                seen = await _shown(page, set(published), within_s=PATIENCE_S)
        finally:
            await end(process)
    return _figures(field, published, seen, len(passwords))


def _figures(field: Reporters, published: dict[str, float], seen: dict[str, float], agents: int) -> dict[str, Any]:
    screen = [(seen[id] - at * 1e3) for id, at in published.items() if id in seen]
    receipts = list(field.receipts_ms.values())
    if not screen or not receipts:
        raise RuntimeError("no report was receipted, or none reached the screen")
    return {
        "receipt_p50_ms": round(quantile(receipts, 0.5), 1), "receipt_p99_ms": round(quantile(receipts, 0.99), 1),
        "screen_p50_ms": round(quantile(screen, 0.5), 1), "screen_p99_ms": round(quantile(screen, 0.99), 1),
        "limit_receipt_p99_ms": LIMIT_RECEIPT_MS, "limit_screen_p99_ms": LIMIT_SCREEN_MS, "agents": agents, "reports": len(published),
        "without_receipt": len(published) - len(receipts), "not_on_screen": len(published) - len(screen),
    }


class Reporters(Field):
    """A hundred agents that each report at the same pace, whatever has become of their last report."""

    def __init__(self, mqtt: int, passwords: dict[str, str]) -> None:
        super().__init__(mqtt, passwords)
        self.receipts_ms: dict[str, float] = {}

    async def report(self, seconds: float) -> dict[str, float]:
        """Every agent files initial reports for so long; gives each report's id and the wall clock (s) just before it was published."""
        published: dict[str, float] = {}
        waits: set[asyncio.Task[None]] = set()
        loop = asyncio.get_running_loop()
        begin = loop.time()

        async def one(n: int, agent_id: str) -> None:
            for turn in range(int(seconds * RATE)):
                await asyncio.sleep(max(0.0, begin + (turn + n / len(self.clients)) / RATE - loop.time()))
                payload = sample(n)
                id = str(msgspec.json.decode(payload)["id"])
                receipted = self.waiting[id] = loop.create_future()
                published[id] = time.time()
                task = asyncio.create_task(self._receipted(id, receipted, time.perf_counter()))
                waits.add(task)
                await self.clients[agent_id].publish(Topics().up(agent_id, "report"), payload, qos=1)

        await asyncio.gather(*(one(n, id) for n, id in enumerate(self.clients)))
        await asyncio.gather(*waits)
        return published

    async def _receipted(self, id: str, receipted: asyncio.Future[None], began: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await receipted
            self.receipts_ms[id] = (time.perf_counter() - began) * 1e3


async def _link(log: Path, within_s: float = 20.0) -> str:
    """The one-time sign-in link that a first start prints."""
    async with asyncio.timeout(within_s):
        while True:
            text = await asyncio.to_thread(log.read_text, "utf-8", "replace")
            if found := re.search(r"https?://\S+/welcome/\S+", text):
                return found.group()
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def _screen(link: str, progress: Callable[[str], None]) -> AsyncIterator[Any]:
    """A page of a real Chromium, signed in by the one-time link, on the incident list, with an observer that notes when a row appears."""
    progress("signing in")
    try:
        from playwright.async_api import async_playwright
    except ImportError:
        raise Rejected("missing_program", "未安装 playwright：pip install 'tocsin[test]'",
                       "playwright is not installed: pip install 'tocsin[test]'") from None
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=chromium(), args=FLAGS)
        try:
            page = await (await browser.new_context(viewport={"width": 1440, "height": 900})).new_page()
            await page.goto(link)
            password = secrets.token_urlsafe(18)
            for field, value in (("account", "desk"), ("password", password), ("again", password)):
                await page.fill(f"[name={field}]", value)
            await page.click("button.main")
            await page.wait_for_selector("[data-test=condition].good")
            await page.wait_for_selector("[data-test=incidents]")
            await page.evaluate(WATCH_JS)
            yield page
        finally:
            await browser.close()


def chromium() -> str:
    """The browser's program: what CHROMIUM names, or the first of BROWSERS that is installed. Raises Rejected where there is none."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise Rejected("missing_program", "未安装 chromium，请用系统包管理器安装", "chromium is not installed; install it from the system's packages")
    return found


async def _shown(page: Any, wanted: set[str], *, within_s: float) -> dict[str, float]:
    """When (wall clock, ms) the rows appeared; waits for those that are wanted, and gives what there is at the end of its patience."""
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    while True:
        seen: dict[str, float] = await page.evaluate("() => window.seenAt")
        if wanted <= seen.keys() or loop.time() > until:
            return seen
        await asyncio.sleep(0.2)
