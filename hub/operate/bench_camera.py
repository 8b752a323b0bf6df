"""A real RTSP camera for benchmarks and tests: gst-rtsp-server as a child on a free port (bench_camera_child.py says which streams it has)."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from types import TracebackType

from hub.errors import Rejected

SYSTEM_PYTHON = "/usr/bin/python3"


class RtspServer:
    """`with RtspServer() as camera: camera.url("/h264")`; `kill()` ends it at once, `start()` brings it back on the same port."""

    def __init__(self, credentials: str | None = None, *, port: int = 0) -> None:
        self.port = port
        self._credentials = credentials
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start (again, on the same port after the first time); returns when it listens."""
        command = [SYSTEM_PYTHON, str(Path(__file__).with_name("bench_camera_child.py")), str(self.port), *([self._credentials] if self._credentials else [])]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # noqa: S603 our own script
        assert process.stdout is not None
        self._process, port = process, process.stdout.readline()
        if not port:
            self.kill()
            raise Rejected("missing_program", "未安装 gst-rtsp-server（gir1.2-gst-rtsp-server-1.0、python3-gi），请用系统包管理器安装",
                           "gst-rtsp-server (gir1.2-gst-rtsp-server-1.0, python3-gi) is not installed; install it from the system's packages")
        self.port = int(port)

    def turn(self) -> None:
        """From now on the stream `/turning` is black, or shows what it did before."""
        assert self._process is not None
        self._process.send_signal(signal.SIGUSR1)

    @property
    def pid(self) -> int | None:
        """Its process, None while it does not run."""
        return self._process.pid if self._process is not None else None

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
