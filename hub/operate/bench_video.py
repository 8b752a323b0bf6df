"""Live video end to end: a real RTSP camera → the product's agent → Mosquitto → the hub → a real Chromium, or many WebSocket viewers.

Glass to glass is the wall clock burnt into each picture before it is encoded, read back from what the console's own player shows: no sensor and
no display, everything between them. One encoder feeds every RTSP session of a load (fifty encoders would be measured instead of the product);
each stream is a camera of its own at the agent. CPU is of whole process trees, 100 % is one core.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import psutil

from hub.operate.bench_camera import RtspServer
from hub.operate.bench_fairness import quantile
from hub.operate.bench_latency import _link, _screen
from hub.operate.bench_servers import end, free_port, hub, mosquitto
from hub.operate.bench_start import wait_ready
from hub.operate.secrets import own_secret
from hub.settings import Settings
from hub.store import Store
from hub.store.agents import credentials, new_secret, put_agent

GLASS_S: Final = 12
"""Seconds of pictures that each player's age is read from (25 a second)."""
LOAD_S: Final = 8.0
FIRST: Final = 12
"""How many cameras are opened for the first time, warm and cold each."""
LOADS: Final = ((1, 1), (1, 50), (10, 10), (20, 20), (50, 50))
"""Streams × viewers."""
SETTLE_S: Final = 2.0
LIMITS: Final = {"mse_p50_ms": 90, "webcodecs_p50_ms": 55, "first_warm_p95_ms": 100, "first_cold_p95_ms": 1200, "hub_cpu_pct_per_stream": 0.3,
                 "agent_cpu_pct_per_stream": 1.0, "lost_frames": 0}

READ_JS: Final = """
  const read = (row) => {
    let ms = 0, check = 0, sum = 0, group = 0
    const width = row.length / 4
    for (let n = 0; n < 48; n++) {
      const at = 4 * Math.floor((2 * n + 1) * width / 96)
      const bit = (row[at] + row[at + 1] + row[at + 2]) / 3 > 125 ? 1 : 0
      if (n < 42) { ms = ms * 2 + bit; group = group * 2 + bit; if (n % 6 === 5) { sum += group; group = 0 } }
      else check = check * 2 + bit
    }
    return (sum & 63) === check && ms > 0 ? ms : null
  }
  const tile = document.querySelector(`[data-test=tile][data-camera="${id}"]`)
  const [video, canvas] = [tile.querySelector('video'), tile.querySelector('canvas')]
"""
MSE_JS: Final = """async ({id, seconds}) => {""" + READ_JS + """
  const copy = document.createElement('canvas')
  const ages = []
  const until = performance.now() + seconds * 1000
  await new Promise((done) => {
    const one = () => {
      const now = Date.now()
      copy.width = video.videoWidth
      copy.height = 2
      const context = copy.getContext('2d', {willReadFrequently: true})
      context.drawImage(video, 0, Math.floor(video.videoHeight / 48), video.videoWidth, 2, 0, 0, video.videoWidth, 2)
      const clock = read(context.getImageData(0, 0, copy.width, 1).data)
      if (clock !== null) ages.push(now - clock)
      performance.now() < until ? video.requestVideoFrameCallback(one) : done()
    }
    video.requestVideoFrameCallback(one)
  })
  return ages
}"""
"""The age of each picture as the browser presents it: it is copied from the player's video to a canvas and its clock read there."""
CODECS_JS: Final = """async ({id, seconds}) => {""" + READ_JS + """
  const context = canvas.getContext('2d')
  const ages = []
  context.drawImage = function (...all) {
    CanvasRenderingContext2D.prototype.drawImage.apply(this, all)
    const now = Date.now()
    const clock = read(this.getImageData(0, Math.floor(canvas.height / 48), canvas.width, 1).data)
    if (clock !== null) ages.push(now - clock)
  }
  await new Promise((done) => setTimeout(done, seconds * 1000))
  delete context.drawImage
  return ages
}"""
"""The age of each picture as the player draws it on its canvas, where its clock is read."""
OPEN_JS: Final = """async ({id, width}) => {
  const tile = document.querySelector(`[data-test=tile][data-camera="${id}"]`)
  const turn = () => new Promise((done) => setTimeout(done, 0))
  let began = performance.now()
  tile.querySelector('[data-test=open]').click()
  for (let n = 0; n < 20 && !tile.querySelector('form.reason') && tile.dataset.state === 'preview'; n++) await turn()
  const form = tile.querySelector('form.reason')
  if (form) {
    const input = form.querySelector('input')
    input.value = 'bench'
    input.dispatchEvent(new Event('input'))
    await turn()
    began = performance.now()
    form.requestSubmit()
  }
  return await new Promise((done) => {
    let watched = null
    const late = setTimeout(() => finish(null), 15000)
    const looking = setInterval(look, 5)
    function finish(taken) {
      clearTimeout(late)
      clearInterval(looking)
      done(taken)
    }
    function one() {
      if (watched.videoWidth === width) finish(performance.now() - began)
      else watched.requestVideoFrameCallback(one)
    }
    function look() {
      const video = document.querySelector(`[data-test=tile][data-camera="${id}"] video`)
      if (!video || video === watched) return
      watched = video
      video.requestVideoFrameCallback(one)
    }
    look()
  })
}"""
"""From the click on a tile to its first decoded picture of the wanted width; null where none comes in 15 s."""
SAYS_JS: Final = """(id) => {
  const tile = document.querySelector(`[data-test=tile][data-camera="${id}"]`)
  return tile ? `${tile.dataset.state}: ${tile.innerText}` : 'there is no such tile'
}"""
CLOSE_JS: Final = """(id) => document.querySelector(`[data-test=tile][data-camera="${id}"] .tools button`).click()"""


async def run(progress: Callable[[str], None], size: int = 0) -> dict[str, Any]:
    """The figures of `tocsin bench video`. `size`: the most streams of a load, 0 for fifty."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name, RtspServer() as camera:
        async with Rig.open(Path(name), camera) as rig:
            glass = await _glass(rig, progress)
            table = [await _load(rig, streams, viewers, progress) for streams, viewers in LOADS if not size or max(streams, viewers) <= size]
    rows = {(row["streams"], row["viewers"]): row for row in table}
    return {**glass, **_headline(rows), "limits": LIMITS, "table": table}


def _headline(rows: dict[tuple[int, int], dict[str, Any]]) -> dict[str, Any]:
    """The figures that the aims name, each out of the load that it is defined at (None where that load was left out)."""
    def share(load: tuple[int, int], key: str) -> float | None:
        return round(rows[load][key] / load[0], 3) if load in rows else None

    one_many = rows.get((1, 50))
    return {
        "hub_cpu_pct_per_stream": share((50, 50), "hub_cpu_pct"), "agent_cpu_pct_per_stream": share((10, 10), "agent_cpu_pct"),
        "broker_cpu_pct_per_stream": share((50, 50), "broker_cpu_pct"), "hub_cpu_pct_1x50": one_many["hub_cpu_pct"] if one_many else None,
        "lost_frames": sum(row["lost_frames"] for row in rows.values()),
    }


# ── the parts that are measured ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Rig:
    """A camera, a broker and a hub that run; agents come and go."""

    folder: Path
    camera: RtspServer
    mqtt: int
    port: int
    hub: asyncio.subprocess.Process
    broker_pid: int
    secrets: dict[str, str]
    cookies: dict[str, str]

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, folder: Path, camera: RtspServer) -> AsyncIterator[Rig]:
        """Mosquitto with the product's configuration, and `tocsin up` on it."""
        settings = Settings(data_dir=str(folder))
        secrets = {name: new_secret() for name in ("glass", "first", "many", *(f"load-{streams}" for streams in {s for s, _ in LOADS}))}
        async with Store(settings.database_url) as store:
            async with store.transaction() as tx:
                for id, secret in secrets.items():
                    await put_agent(tx, agent_id=id, name=id, kind="field", department_id="emergency-bureau", secret=secret)
            async with store.read() as conn:
                stored = await credentials(conn)
        known = {child.pid for child in psutil.Process().children()}
        async with mosquitto(settings, own_secret(folder, "hub-mqtt"), stored) as mqtt:
            broker_pid = next(child.pid for child in psutil.Process().children() if child.pid not in known)
            port = free_port()
            process = await hub("--port", str(port), "--data-dir", str(folder), "--broker", f"mqtt://127.0.0.1:{mqtt}", log=folder / "log",
                                environment={"TOCSIN_BROKER_PASSWORD_FILE": str(folder / "secrets" / "hub-mqtt")})
            try:
                await wait_ready(port, process)
                yield cls(folder, camera, mqtt, port, process, broker_pid, secrets, {})
            finally:
                await end(process)

    @property
    def base(self) -> str:
        """Where the hub answers."""
        return f"http://127.0.0.1:{self.port}"

    @contextlib.asynccontextmanager
    async def agent(self, id: str, cameras: list[dict[str, Any]]) -> AsyncIterator[asyncio.subprocess.Process]:
        """`tocsin agent run` with these cameras."""
        import yaml

        folder = self.folder / id
        folder.mkdir()
        (folder / "agent.toml").write_text(f'agent_id = "{id}"\ndepartment = "emergency-bureau"\nmqtt_port = {self.mqtt}\nhub_url = "{self.base}"\n'
                                           'cameras_file = "cameras.yaml"\n')
        (folder / "cameras.yaml").write_text(yaml.safe_dump({"cameras": cameras}))
        (folder / "password").write_text(self.secrets[id])
        (folder / "password").chmod(0o600)
        with (folder / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(sys.executable, "-m", "hub", "agent", "run", "--folder", str(folder),
                                                           stdout=log, stderr=log)
        try:
            yield process
        finally:
            await end(process)

    async def online(self, agent: str, count: int, *, within_s: float = 60) -> None:
        """Wait until the hub says that so many cameras of the agent are well."""
        async with asyncio.timeout(within_s), aiohttp.ClientSession(cookies=self.cookies, cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
            while True:
                async with client.get(f"{self.base}/api/v1/cameras") as answer:
                    answer.raise_for_status()
                    items = (await answer.json())["items"]
                if sum(row["camera"]["agent_id"] == agent and row["camera"].get("health") == "online" for row in items) >= count:
                    return
                await asyncio.sleep(0.25)


# ── glass to glass, first pictures ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def _glass(rig: Rig, progress: Callable[[str], None]) -> dict[str, Any]:
    async with _screen(await _link(rig.folder / "log"), progress) as page:
        rig.cookies.update({one["name"]: one["value"] for one in await page.context.cookies()})
        with _Floor(rig.camera.url("/hd")) as floor:
            async with rig.agent("glass", [{"id": "hd", "url": rig.camera.url("/hd")}]):
                await rig.online("glass", 1)
                mse, codecs = await _ages(rig, page, progress)
        warm, cold = await _firsts(rig, page, progress)
    return {
        "mse_p50_ms": round(quantile(mse, 0.5), 1), "mse_p95_ms": round(quantile(mse, 0.95), 1),
        "webcodecs_p50_ms": round(quantile(codecs, 0.5), 1), "webcodecs_p95_ms": round(quantile(codecs, 0.95), 1),
        "encode_floor_ms": round(statistics.median(floor.ages), 1), "pictures": [len(mse), len(codecs), len(floor.ages)],
        "first_warm_p50_ms": round(quantile(warm, 0.5), 1), "first_warm_p95_ms": round(quantile(warm, 0.95), 1),
        "first_cold_p50_ms": round(quantile(cold, 0.5), 1), "first_cold_p95_ms": round(quantile(cold, 0.95), 1), "first_rounds": [len(warm), len(cold)],
    }


class _Floor:
    """What the camera's encoder and RTSP alone take: from the clock in a picture to when its last byte had come, by the agent's own reader."""

    def __init__(self, url: str) -> None:
        self.ages: list[float] = []
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="floor", daemon=True)

    def __enter__(self) -> _Floor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)

    def _run(self) -> None:
        import av

        from streams.address import Address
        from streams.encode import decoder
        from streams.fragment import Unit
        from streams.source import Source, Tracks
        from streams.strip import read_strip

        decode: Any = None
        for event in Source(Address(self._url, None)).events(self._stop):
            if isinstance(event, Tracks):
                decode = decoder(event.video)
            elif isinstance(event, Unit) and decode is not None:
                for frame in decode.decode(av.Packet(event.data)):
                    clock = read_strip(frame.to_ndarray(format="rgb24"))
                    if clock is not None:
                        self.ages.append(event.wall_ms - clock)


async def _ages(rig: Rig, page: Any, progress: Callable[[str], None]) -> tuple[list[float], list[float]]:
    """The ages of the pictures of one camera in the console's player: Media Source, then WebCodecs."""
    id = "glass/hd"
    await _to_wall(rig, page)
    await page.wait_for_selector(f'[data-test=tile][data-camera="{id}"]')
    if await page.evaluate(OPEN_JS, {"id": id, "width": 1280}) is None:
        raise RuntimeError("no picture came to the browser")
    await asyncio.sleep(SETTLE_S)
    progress("glass to glass: Media Source")
    mse = await page.evaluate(MSE_JS, {"id": id, "seconds": GLASS_S})
    await page.click(f'[data-test=tile][data-camera="{id}"] .tools button >> nth=1')
    await page.wait_for_function("(id) => document.querySelector(`[data-test=tile][data-camera=\"${id}\"]`).dataset.state === 'live'", arg=id)
    await asyncio.sleep(SETTLE_S)
    progress("glass to glass: WebCodecs")
    codecs = await page.evaluate(CODECS_JS, {"id": id, "seconds": GLASS_S})
    await page.evaluate(CLOSE_JS, id)
    return mse, codecs


async def _to_wall(rig: Rig, page: Any) -> None:
    await page.goto(f"{rig.base}/wall")
    await page.wait_for_selector("[data-test=wall]")
    await page.click("[data-test=wall] .tabs button >> nth=0")  # one tile: what stands among others shows the sub-stream


async def _firsts(rig: Rig, page: Any, progress: Callable[[str], None]) -> tuple[list[float], list[float]]:
    """From the click to the first decoded picture of cameras that nobody watched before.

    Warm: the stream is open at the agent for previews. Cold: only the sub-stream is, and the picture that counts is the main stream's.
    """
    main, sub = rig.camera.url("/hd"), rig.camera.url("/small")
    cameras: list[dict[str, Any]] = [{"id": f"warm-{n}", "url": main} for n in range(FIRST)]
    cameras += [{"id": f"cold-{n}", "url": main, "sub_url": sub, "keep_open": "sub"} for n in range(FIRST)]
    async with rig.agent("first", cameras):
        progress("first pictures")
        await rig.online("first", len(cameras))
        await _to_wall(rig, page)
        return [await _first(page, f"first/warm-{n}") for n in range(FIRST)], [await _first(page, f"first/cold-{n}") for n in range(FIRST)]


async def _first(page: Any, id: str) -> float:
    await page.fill(".search", id)
    await page.wait_for_function("(id) => { const all = document.querySelectorAll('[data-test=tile]'); return all[0]?.dataset.camera === id }", arg=id)
    taken = await page.evaluate(OPEN_JS, {"id": id, "width": 1280})
    if taken is None:
        said = await page.evaluate(SAYS_JS, id)
        raise RuntimeError(f"no picture of {id} came to the browser; its tile says: {said}")
    await page.evaluate(CLOSE_JS, id)
    return float(taken)


# ── loads ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _load(rig: Rig, streams: int, viewers: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """CPU, memory, transit and losses of so many streams, a fragment a picture, with so many viewers (each on one of them in turn)."""
    progress(f"{streams} streams × {viewers} viewers")
    agent = f"load-{streams}"
    cameras = [{"id": f"c{n}", "url": rig.camera.url("/hd")} for n in range(streams)]
    async with rig.agent(agent, cameras) as process:
        await rig.online(agent, streams)
        async with _viewers(rig, [f"{agent}/c{n % streams}" for n in range(viewers)]) as child:
            await asyncio.sleep(SETTLE_S)
            trees = {"agent": process.pid, "broker": rig.broker_pid, "hub": rig.hub.pid, "viewers": child.pid, "camera": rig.camera.pid or 0}
            before, began = {name: cpu_s(pid) for name, pid in trees.items()}, time.monotonic()
            _tell(child, "begin")
            await asyncio.sleep(LOAD_S)
            _tell(child, "end")
            seconds = time.monotonic() - began
            cpu = {f"{name}_cpu_pct": round((cpu_s(pid) - before[name]) / seconds * 100, 1) for name, pid in trees.items()}
            seen = await _answer(child)
            rss = {f"{name}_rss_mb": round(rss_mb(trees[name]), 1) for name in ("agent", "broker", "hub")}
    (rig.folder / agent).rename(rig.folder / f"{agent}-{viewers}")
    return {"streams": streams, "viewers": viewers, **cpu, **rss, "mbit_per_s": round(seen["bytes"] * 8 / seconds / 1e6, 1),
            "frames_per_s": round(seen["frames"] / viewers / seconds, 2), "lost_frames": seen["lost"] + len(seen["ended"]),
            "transit_p50_ms": seen["transit_p50_ms"], "transit_p95_ms": seen["transit_p95_ms"]}


@contextlib.asynccontextmanager
async def _viewers(rig: Rig, cameras: list[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """The viewers' process, once every one of them has live pictures."""
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", "hub.operate.bench_viewers", stdin=asyncio.subprocess.PIPE,
                                                 stdout=asyncio.subprocess.PIPE, limit=1 << 22)
    try:
        _tell(child, json.dumps({"base": rig.base, "cookies": rig.cookies, "cameras": cameras}))
        assert child.stdout is not None
        if await child.stdout.readline() != b"ready\n":
            raise RuntimeError("the viewers got no live pictures; the hub's log:\n" + (rig.folder / "log").read_text("utf-8", "replace")[-2000:])
        yield child
    finally:
        await end(child)


def _tell(child: asyncio.subprocess.Process, line: str) -> None:
    assert child.stdin is not None
    child.stdin.write(line.encode() + b"\n")


async def _answer(child: asyncio.subprocess.Process) -> dict[str, Any]:
    assert child.stdout is not None
    answer: dict[str, Any] = json.loads(await child.stdout.readline())
    return answer


def _tree(pid: int) -> Iterator[psutil.Process]:
    root = psutil.Process(pid)
    yield root
    yield from root.children(recursive=True)


def cpu_s(pid: int) -> float:
    """Processor seconds of a process and everything below it."""
    return float(sum(sum(process.cpu_times()[:2]) for process in _tree(pid)))


def rss_mb(pid: int) -> float:
    """Resident megabytes of a process and everything below it (pages that they share are counted for each)."""
    return float(sum(process.memory_info().rss for process in _tree(pid)) / 2**20)
