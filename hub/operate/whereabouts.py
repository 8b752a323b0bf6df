"""Where the hub of a data folder is reached while it runs, for commands beside it.

A port or `--tls` given on the hub's command line stands in no settings.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from hub.operate.keys import write_private

if TYPE_CHECKING:
    from hub.app import Running
    from hub.settings import Settings

FILE: Final = "running.json"


class Whereabouts(Struct, frozen=True):
    """`web_url` without a path, empty where this process serves no web; `mqtt_port` of the embedded broker, 0 without one."""

    web_url: str
    mqtt_port: int


@contextlib.asynccontextmanager
async def noted(hub: Running) -> AsyncIterator[None]:
    """Note where the hub is for as long as it runs; what a kill leaves behind is written over by the next start."""
    path = hub.services.settings.data_path / FILE
    with contextlib.suppress(OSError):  # a full disk keeps no hub from running
        write_private(path, msgspec.json.encode(Whereabouts(hub.web_url, hub.mqtt_port)))
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def of(data: Path) -> Whereabouts | None:
    """Where the hub of this folder said it is; None where none runs."""
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode((data / FILE).read_bytes(), type=Whereabouts)
    return None


def web_url(settings: Settings) -> str:
    """The address for a link: the public one, else where the hub runs, else where it would."""
    running = of(settings.data_path)
    return settings.public_url or (running.web_url if running else "") or f"http://{settings.web_host}:{settings.web_port}"
