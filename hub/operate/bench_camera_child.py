# mypy: ignore-errors
"""A real RTSP server with known pictures; run by the system's Python, which has gi. It prints its port and serves until its input closes.

Every stream carries the burnt-in clock of `streams/strip.py` (48 cells). Mounts: see MOUNTS.
"""

import signal
import struct
import sys
import time

import gi  # of the system, not of our environment

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

RATE = 25
RAW = "appsrc name=src is-live=true format=time block=false max-buffers=8 leaky-type=downstream ! videoconvert ! video/x-raw,format=I420 ! "
X264 = "x264enc {options} bitrate={kbps} key-int-max={gop} byte-stream=true ! video/x-h264,profile={profile} ! h264parse config-interval={sets} ! "
PAY = "rtph264pay name=pay0 pt=96 config-interval={sets}"


def h264(options="speed-preset=ultrafast tune=zerolatency", gop=25, kbps=1000, profile="baseline", sets=-1):
    """A launch line for H.264."""
    return RAW + (X264 + PAY).format(options=options, gop=gop, kbps=kbps, profile=profile, sets=sets)


TONE = "appsrc name=snd is-live=true format=time block=false ! audioconvert ! audioresample ! "
MOUNTS = {
    "/h264": (h264(), 640, 360),
    "/gop2": (h264(gop=50), 640, 360),
    "/bframes": (h264("speed-preset=veryfast bframes=2 b-adapt=false rc-lookahead=4 sliced-threads=false", profile="main"), 640, 360),
    "/slices": (h264("speed-preset=ultrafast tune=zerolatency sliced-threads=true threads=4"), 640, 360),
    "/h265": (RAW + "x265enc speed-preset=ultrafast tune=zerolatency key-int-max=25 bitrate=1000 ! h265parse config-interval=-1 ! "
              "rtph265pay name=pay0 pt=96 config-interval=-1", 640, 360),
    "/aac": (h264() + " " + TONE + "audio/x-raw,rate=48000,channels=1 ! voaacenc bitrate=64000 ! aacparse ! rtpmp4gpay name=pay1 pt=97", 640, 360),
    "/g711": (h264() + " " + TONE + "audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay name=pay1 pt=8", 640, 360),
    "/hd": (h264(kbps=2000), 1280, 720),
    "/small": (h264(kbps=400), 640, 360),
    "/turning": (h264(kbps=400), 640, 360),
    "/sps": (RAW + "videoscale name=scale ! capsfilter name=caps caps=video/x-raw,width=640,height=360 ! "
             + X264.format(options="speed-preset=ultrafast tune=zerolatency", kbps=1000, gop=25, profile="baseline", sets=-1)
             + PAY.format(sets=-1), 640, 360),
}

STILL = ("/small", "/turning")
"""What these show stands still but for one row of blocks in twenty: a ground that moves altogether is a camera that somebody moves, and is called so."""


def cells(ms):
    """The 48 cells of the burnt-in clock as luma."""
    value = ms & ((1 << 42) - 1)
    check = sum((value >> s) & 63 for s in range(0, 42, 6)) & 63
    return [235 if (value << 6 | check) >> (47 - n) & 1 else 16 for n in range(48)]


class Pictures:
    """Feeds an appsrc with I420 pictures at their times: a textured ground, of which every `moving`-th row of blocks moves, and the clock strip on top.

    One that turns is black while `dark` is set.
    """

    dark = False

    def __init__(self, src, width, height, moving=1, turns=False):
        self.src, self.width, self.height, self.n, self.moving, self.turns = src, width, height, 0, moving, turns
        src.set_property("caps", Gst.Caps.from_string(f"video/x-raw,format=I420,width={width},height={height},framerate={RATE}/1"))
        row = bytes((x * 7 + (x // 16) * 31) % 160 + 40 for x in range(width * 2))
        self.rows = [row[s:s + width] for s in range(0, width, 4)]
        self.chroma = bytes([120]) * (width * height // 4) + bytes([136]) * (width * height // 4)
        self.began = time.monotonic()
        self.timer = GLib.timeout_add(1000 // RATE, self.push)

    def push(self):
        """One picture, and when the next is due: one that came late is followed the sooner, so that a busy machine has as many a second,
        at twice the pace at most: a burst is what the way to the hub may answer by leaving pictures out."""
        strip = max(4, self.height // 24)
        line = bytearray(self.width)
        for n, luma in enumerate(cells(time.time_ns() // 1_000_000)):
            a, b = n * self.width // 48, (n + 1) * self.width // 48
            line[a:b] = bytes([luma]) * (b - a)
        chroma = self.chroma
        if self.turns and Pictures.dark:
            body, chroma = bytes([16]) * (self.width * (self.height - strip)), bytes([128]) * len(chroma)
        else:
            body = b"".join(self.rows[(y // 12 + (0 if y // 12 % self.moving else self.n)) % len(self.rows)] for y in range(strip, self.height))
        buffer = Gst.Buffer.new_wrapped(bytes(line) * strip + body + chroma)
        buffer.pts = int((time.monotonic() - self.began) * Gst.SECOND)
        buffer.duration = Gst.SECOND // RATE
        self.n += 1
        if self.src.emit("push-buffer", buffer) == Gst.FlowReturn.OK:
            due_s = self.began + (self.n + 1) / RATE - time.monotonic()
            self.timer = GLib.timeout_add(max(500 // RATE, round(due_s * 1000)), self.push)
        return False


class Tone:
    """Feeds an appsrc with a sawtooth of 16-bit mono sound at 8 kHz, 40 ms a buffer."""

    def __init__(self, src):
        self.src = src
        src.set_property("caps", Gst.Caps.from_string("audio/x-raw,format=S16LE,rate=8000,channels=1,layout=interleaved"))
        self.body = b"".join(struct.pack("<h", (n % 20) * 1000 - 9500) for n in range(320))
        self.n = 0
        self.timer = GLib.timeout_add(40, self.push)

    def push(self):
        """One buffer."""
        buffer = Gst.Buffer.new_wrapped(self.body)
        buffer.pts, buffer.duration = self.n * Gst.SECOND // 25, Gst.SECOND // 25
        self.n += 1
        return self.src.emit("push-buffer", buffer) == Gst.FlowReturn.OK


class Factory(GstRtspServer.RTSPMediaFactory):
    """A shared stream."""

    def __init__(self, launch, width, height, path):
        super().__init__()
        self.size, self.change, self.moving, self.turns = (width, height), path == "/sps", 20 if path in STILL else 1, path == "/turning"
        self.set_launch(f"( {launch} )")
        self.set_shared(True)
        self.connect("media-configure", self.configure)

    def configure(self, _factory, media):
        """Start pushing pictures; on the changing mount, another size after three seconds and so on."""
        element = media.get_element()
        feeds = [Pictures(element.get_by_name("src"), *self.size, self.moving, self.turns)]
        if element.get_by_name("snd"):
            feeds.append(Tone(element.get_by_name("snd")))
        media.connect("unprepared", lambda _m: [GLib.source_remove(feed.timer) for feed in feeds])
        if self.change:
            caps = element.get_by_name("caps")
            sizes = iter((320, 180) if n % 2 == 0 else (640, 360) for n in range(1000))

            def turn():
                width, height = next(sizes)
                caps.set_property("caps", Gst.Caps.from_string(f"video/x-raw,width={width},height={height}"))
                return True

            GLib.timeout_add(3000, turn)


def turn():
    """What turns is black from now on, or no longer."""
    Pictures.dark = not Pictures.dark
    return True


def main():
    """Serve until standard input closes."""
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(sys.argv[1] if len(sys.argv) > 1 else "0")
    mounts = server.get_mount_points()
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("user", "media.factory.access", True)
    permissions.add_permission_for_role("user", "media.factory.construct", True)
    if len(sys.argv) > 2:
        auth = GstRtspServer.RTSPAuth()
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "user")
        auth.add_digest(*sys.argv[2].split(":"), token)
        server.set_auth(auth)
    for path, (launch, width, height) in MOUNTS.items():
        factory = Factory(launch, width, height, path)
        factory.set_permissions(permissions)
        mounts.add_factory(path, factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGUSR1, turn)
    loop = GLib.MainLoop()
    GLib.io_add_watch(sys.stdin.fileno(), GLib.IO_HUP | GLib.IO_IN, lambda *_: loop.quit())
    loop.run()


main()
