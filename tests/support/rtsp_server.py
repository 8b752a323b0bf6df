"""The RTSP camera of the tests: gst-rtsp-server as a child process on a free port (see rtsp_child.py for its mounts)."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import TracebackType

from tests.support.ports import free_port

SYSTEM_PYTHON = "/usr/bin/python3"


class RtspServer:
    """`with RtspServer() as camera: camera.url("/h264")`; `kill()` ends it at once, `start()` brings it back on the same port."""

    def __init__(self, credentials: str | None = None) -> None:
        self.port = free_port()
        self._credentials = credentials
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start (again, on the same port); returns when it listens."""
        command = [SYSTEM_PYTHON, str(Path(__file__).with_name("rtsp_child.py")), str(self.port), *([self._credentials] if self._credentials else [])]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        """End it without a farewell."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process = None

    def url(self, mount: str, credentials: str | None = None) -> str:
        """The address of one of its streams."""
        return f"rtsp://{credentials + '@' if credentials else ''}127.0.0.1:{self.port}{mount}"

    def __enter__(self) -> RtspServer:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()
