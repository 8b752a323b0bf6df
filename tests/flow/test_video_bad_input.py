"""Bad cameras beside a good one: each is named by a code on the feed, for the tile, and in the log, and the good one goes on."""

from __future__ import annotations

import logging
import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from hub.clock import SystemClock
from hub.domain.access import Role
from hub.domain.camera import CameraHealthChanged
from hub.store import changes_after
from hub.web import rollcall
from hub.web.guard import COOKIE
from streams.fragment import fragment, init_segment
from tests.support import plant
from tests.support.chunks import units
from tests.support.ports import free_port
from tests.support.web_hub import cookie_for, web_hub


@contextmanager
def tcp_server(serve: Callable[[socket.socket], object]) -> Iterator[int]:
    """A TCP server whose every connection is handed to `serve` in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            serve(connection)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=run, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


def send_junk(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + random.Random(1).randbytes(400_000))
    connection.shutdown(socket.SHUT_WR)
    connection.recv(4096)


def film(folder: Path) -> Path:
    """A file of 200 kbit/s."""
    config, made = units(100)
    path = folder / "film.mp4"
    path.write_bytes(init_segment(config, None) + b"".join(fragment(n, [unit]) for n, unit in enumerate(made, 1)))
    return path


async def test_each_bad_camera_is_named_on_the_feed_and_in_the_log_and_the_good_one_goes_on(
        tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.INFO)
    wanted = {"silent": ("timeout",), "junk": ("garbage",), "nobody": ("refused",), "torrent": ("flood",), "open-secret": ("password_in_url",)}
    over = threading.Event()
    with ExitStack() as stack:
        silent = stack.enter_context(tcp_server(lambda connection: over.wait(120)))
        junk = stack.enter_context(tcp_server(send_junk))
        stack.callback(over.set)
        quick = "    timeout_s: 1\n    longest_pause_s: 1\n    preview_s: 1\n"
        lines = (
            "  - id: good\n    url: 'synthetic:?size=160x90&rate=5&gop_s=1'\n    preview_s: 1\n"
            f"  - id: silent\n    url: rtsp://127.0.0.1:{silent}/x\n{quick}"
            f"  - id: junk\n    url: http://127.0.0.1:{junk}/x\n{quick}"
            f"  - id: nobody\n    url: rtsp://127.0.0.1:{free_port()}/x\n{quick}"
            f"  - id: torrent\n    url: {film(tmp_path)}\n    max_mbps: 0.1\n    preview_s: 1\n"
            "  - id: open-secret\n    url: 'synthetic:?size=160x90&rate=5&gop_s=1&password=geheim'\n    preview_s: 1\n")
        async with web_hub(tmp_path / "hub", SystemClock(), only=frozenset({"ingest", "respond", "web"})) as hub:
            secret = await plant.enrol(hub.services.store)
            await hub.services.registry.load()
            async with plant.cameras(hub, tmp_path, secret, lines) as cameras:
                await plant.show(hub, cameras, "plant-1/good")
                _, token = await cookie_for(hub.services.store, Role.OPERATOR, department="district-office")
                async with aiohttp.ClientSession(headers={"Cookie": f"{COOKIE}={token}"}) as client:
                    rows = await plant.named(hub, cameras, client, wanted)
                    async with client.post(hub.web_url + "/api/v1/rollcalls", headers={"X-Tocsin": "console"}) as answer:
                        called = {line["camera_id"]: line for line in (await answer.json())["lines"]}
                    monkeypatch.setattr(rollcall, "FRESH_S", 0.0)  # as where previews come rarely: whoever is there answers with a live picture
                    async with client.post(hub.web_url + "/api/v1/rollcalls", headers={"X-Tocsin": "console"}) as answer:
                        live = {line["camera_id"]: line["answered"] for line in (await answer.json())["lines"]}
                async with hub.services.store.read() as conn:
                    said = [c.read(CameraHealthChanged).camera for c in await changes_after(conn, 0, limit=1000) if c.kind == "camera.health_changed"]
    assert {id: rows[id]["camera"]["troubles"] for id in wanted} == {id: list(codes) for id, codes in wanted.items()}
    assert {"torrent", "good"} >= {camera.camera_id for camera in said if camera.troubles == ("flood",)} > set()
    assert {rows[id]["camera"].get("health", "connecting") for id in ("silent", "junk", "nobody")} <= {"connecting", "offline"}
    assert rows["good"]["camera"]["health"] == "online" and "troubles" not in rows["good"]["camera"]
    assert rows["good"]["preview_age_s"] < 10
    assert [(called[f"plant-1/{id}"]["answered"], called[f"plant-1/{id}"]["troubles"]) for id in ("silent", "nobody")] == [(False, ["timeout"]), (False, ["refused"])]
    assert called["plant-1/good"]["answered"]
    assert [live[f"plant-1/{id}"] for id in ("good", "silent", "nobody")] == [True, False, False]
    logged = " ".join(str(record.__dict__) for record in caplog.records)
    for said in ("'trouble': 'timeout'", "'trouble': 'garbage'", "'trouble': 'refused'", "camera floods", "password_in_url"):
        assert said in logged, said
    assert "geheim" not in logged
