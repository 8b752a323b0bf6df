"""Is a camera showing what it should? Measures of preview pictures, thresholds as data, and a state with hysteresis.

Measuring uses OpenCV; deciding is pure (`judge`, `Health`): measures and times in, a state and the measure that says so out.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    import numpy as np

    Gray = np.ndarray[Any, Any]


class HealthState(StrEnum):
    """What a camera's picture is like; `connecting` and `offline` have none."""

    ONLINE = "online"
    CONNECTING = "connecting"
    FROZEN = "frozen"
    BLACK = "black"
    OVER_EXPOSED = "over_exposed"
    COVERED = "covered"
    OUT_OF_FOCUS = "out_of_focus"
    MOVED = "moved"
    OFFLINE = "offline"


class Thresholds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See `data/health.yaml`, which says what each is and where it comes from."""

    source: str
    edition: str
    valid_from: str
    black_p99: float
    black_peak: float
    over_exposed_share: float
    covered_texture_share: float
    covered_lost_share: float
    covered_match: float
    covered_band: float
    covered_beside: float
    out_of_focus_ratio: float
    out_of_focus_relative: float
    moved_match_elsewhere: float
    moved_gain: float
    turned_match: float
    turned_light_ratio: float
    weather_match: float
    turned_brightness: float
    frozen_changed_share: float
    frozen_block_change: float
    dark_brightness: float
    enter_after: dict[str, int]
    leave_after: int
    offline_after_s: float
    stale_periods: float
    reference_after: int


@cache
def thresholds() -> Thresholds:
    """The thresholds that come with the product."""
    import yaml

    return msgspec.convert(yaml.safe_load((Path(__file__).parent / "data" / "health.yaml").read_text("utf-8")), Thresholds)


class Measures(Struct, frozen=True, kw_only=True):
    """What one picture measures; shares and correlations from 0 (or −1) to 1, `p99` and `peak` in grey levels, None where there is nothing to compare."""

    p99: float
    peak: float
    brightness: float
    white_share: float
    texture_share: float
    sharpness: float
    changed_share: float | None = None
    lost_share: float | None = None
    match: float | None = None
    match_elsewhere: float | None = None
    sharpness_relative: float | None = None
    light_ratio: float | None = None
    black_band: float | None = None
    beside_band: float | None = None


SIZE: Final = (160, 90)
BLOCK: Final = 10
_EDGE: Final = (8, 8)
"""Rows left out at the top and bottom of the small picture: on-screen clocks and names change or stay whatever the camera sees."""


class View(Struct, frozen=True):
    """One picture prepared for comparing: small grey, its edges, which blocks have texture, how bright it is, and how much of it is black from
    one side."""

    gray: Any
    edges: Any
    texture: Any
    brightness: float
    sharpness: float
    black_band: float


def _trim(gray: Gray) -> Gray:
    return gray[_EDGE[0]:gray.shape[0] - _EDGE[1]]


def _blocks(values: Gray) -> Gray:
    rows, columns = values.shape[0] // BLOCK * BLOCK, values.shape[1] // BLOCK * BLOCK
    return values[:rows, :columns].reshape(rows // BLOCK, BLOCK, columns // BLOCK, BLOCK)


def view(picture: np.ndarray[Any, Any]) -> View:
    """Prepare a picture (BGR, any size) for measuring."""
    import cv2
    import numpy as np

    gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    small = _trim(cv2.resize(gray, SIZE, interpolation=cv2.INTER_AREA))
    smooth = cv2.GaussianBlur(small.astype(np.float32), (0, 0), 0.8)
    dx, dy = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    strength = cv2.magnitude(dx, dy)
    local = cv2.GaussianBlur(strength, (0, 0), 12) + 4.0
    edges = cv2.GaussianBlur(np.minimum(strength / local, 3.0), (0, 0), 1.2)
    texture = _blocks(smooth).std(axis=(1, 3))
    return View(small, edges, texture, float(smooth.mean()), _sharpness(gray), _black_band(small))


DARK: Final = 16
"""Grey levels up to which nothing is seen (our nights begin at 20)."""


def _black_band(small: Gray) -> float:
    """The share of the picture that is black throughout, from the left, the right or below to a straight edge; from above it would be the night sky.
    0 where it leaves less than a sixth: a night with one lamp, or covered altogether."""
    import numpy as np

    columns, rows = np.percentile(small, 99, axis=0) > DARK, np.percentile(small, 99, axis=1) > DARK
    share = max(_until_seen(columns), _until_seen(columns[::-1]), _until_seen(rows[::-1]))
    return share if share <= 5 / 6 else 0.0


def _until_seen(seen: Gray) -> float:
    return float(seen.argmax() / len(seen)) if seen.any() else 1.0


def _sharpness(gray: Gray) -> float:
    """Steepness of edges at 320 columns against a quarter of that, block by block: about 1 when sharp, whatever the contrast.

    The 70th percentile of the blocks that show something, so that neither a headlight's glow nor a foggy corner decides.
    """
    import cv2
    import numpy as np

    wide = _trim(cv2.resize(gray, (320, 180), interpolation=cv2.INTER_AREA)).astype(np.float32)
    wide = cv2.GaussianBlur(wide, (0, 0), 0.6)[:160]
    narrow = cv2.resize(wide, (80, 40), interpolation=cv2.INTER_AREA)
    fine, coarse = (_peaks(picture, size) for picture, size in ((wide, 32), (narrow, 8)))
    telling = coarse > 12.0
    return float(np.percentile(fine[telling] / coarse[telling], 70)) if telling.sum() >= 4 else 0.0


def _peaks(picture: Gray, size: int) -> Gray:
    """The steepest gradient of each block of `size` × `size`."""
    import cv2

    strength = cv2.magnitude(cv2.Sobel(picture, cv2.CV_32F, 1, 0), cv2.Sobel(picture, cv2.CV_32F, 0, 1))
    rows, columns = strength.shape
    peaks: Gray = strength.reshape(rows // size, size, columns // size, size).max(axis=(1, 3))
    return peaks


def measure(now: View, before: View | None = None, reference: View | None = None, *, limits: Thresholds | None = None) -> Measures:
    """Measure a picture by itself, against the one before it and against the reference view."""
    import numpy as np

    limits = limits or thresholds()
    facts: dict[str, float] = {}
    if before is not None and before.gray.shape == now.gray.shape:
        change = _blocks(np.abs(now.gray.astype(np.float32) - before.gray)).mean(axis=(1, 3))
        facts["changed_share"] = float((change > limits.frozen_block_change).mean())
    if reference is not None and reference.edges.shape == now.edges.shape:
        had = reference.texture > TEXTURE
        facts["lost_share"] = float((now.texture[had] <= TEXTURE).mean()) if had.any() else 0.0
        facts["match"], facts["match_elsewhere"] = _lasting(now, before, reference, limits)
        facts["sharpness_relative"] = now.sharpness / max(reference.sharpness, 1e-6)
        facts["black_band"] = now.black_band - reference.black_band
        facts["beside_band"] = now.brightness / (1 - now.black_band)
        facts["light_ratio"] = max(now.brightness + 1, reference.brightness + 1) / (min(now.brightness, reference.brightness) + 1)
    return Measures(p99=float(np.percentile(now.gray, 99)), peak=float(np.percentile(now.gray, PEAK)), brightness=now.brightness,
                    white_share=float((now.gray >= 245).mean()), texture_share=float((now.texture > TEXTURE).mean()), sharpness=now.sharpness, **facts)


TEXTURE: Final = 2.2
"""Grey levels of deviation inside a smoothed block of 10 × 10 from which it shows something (sensor noise of 4 leaves about 1)."""


PEAK: Final = 99.95
"""The percentile that is called the peak: six pixels of 160 × 74, less than one lamp."""


def _lasting(now: View, before: View | None, reference: View, limits: Thresholds) -> tuple[float, float]:
    """How the picture matches the reference; where it does not, and the one before did not well, by the edges that stood in both: snow falls
    elsewhere in each."""
    import numpy as np

    found = _matches(now.edges, reference.edges)
    if found[0] > limits.turned_match or before is None or before.edges.shape != now.edges.shape:
        return found
    if _matches(before.edges, reference.edges)[0] > limits.weather_match:
        return found
    return max(found, _matches(np.minimum(now.edges, before.edges), reference.edges))


def _matches(now: Gray, reference: Gray) -> tuple[float, float]:
    """Correlation of the edges with the reference in place (within 2 pixels of 160) and the best one with the view shifted."""
    import cv2
    import numpy as np

    rows, columns = now.shape
    my, mx = rows // 5, columns // 3
    padded = cv2.copyMakeBorder(reference, my, my, mx, mx, cv2.BORDER_REFLECT)
    core = now[my // 2:rows - my // 2, mx // 2:columns - mx // 2]
    scores = cv2.matchTemplate(padded, core, cv2.TM_CCOEFF_NORMED)
    cy, cx = my + my // 2, mx + mx // 2
    here = float(scores[cy - 2:cy + 3, cx - 2:cx + 3].max())
    elsewhere = scores.copy()
    elsewhere[cy - 3:cy + 4, cx - 3:cx + 4] = -1
    return here, float(np.max(elsewhere))


class Finding(Struct, frozen=True):
    """A state with the measure that says so, in words a person can check."""

    state: HealthState
    measure: str


def judge(m: Measures, limits: Thresholds | None = None) -> Finding:
    """What one picture is, the most telling failure first."""
    t = limits or thresholds()
    if m.p99 <= t.black_p99 and m.peak <= t.black_peak:
        return Finding(HealthState.BLACK, f"p99={m.p99:.0f}<={t.black_p99:.0f}")
    if m.white_share >= t.over_exposed_share:
        return Finding(HealthState.OVER_EXPOSED, f"white_share={m.white_share:.2f}>={t.over_exposed_share:.2f}")
    if m.changed_share is not None and m.changed_share <= t.frozen_changed_share:
        return Finding(HealthState.FROZEN, f"changed_share={m.changed_share:.3f}<={t.frozen_changed_share:.3f}")
    unlike = (m.match is None or m.match <= t.covered_match) and not _is_lit_night(m, t)
    if m.texture_share <= t.covered_texture_share and unlike and (m.lost_share is None or m.lost_share >= t.covered_lost_share):
        return Finding(HealthState.COVERED, f"texture_share={m.texture_share:.2f}<={t.covered_texture_share:.2f}")
    if m.black_band is not None and m.beside_band is not None and m.black_band >= t.covered_band and m.beside_band >= t.covered_beside:
        return Finding(HealthState.COVERED, f"black_band={m.black_band:.2f}>={t.covered_band:.2f}")
    if m.sharpness <= t.out_of_focus_ratio and (m.sharpness_relative is None or m.sharpness_relative <= t.out_of_focus_relative):
        return Finding(HealthState.OUT_OF_FOCUS, f"sharpness={m.sharpness:.2f}<={t.out_of_focus_ratio:.2f}")
    return _judge_place(m, t) or Finding(HealthState.ONLINE, f"sharpness={m.sharpness:.2f}")


def _is_lit_night(m: Measures, t: Thresholds) -> bool:
    """Does a lamp shine in a dark picture for which no reference of such light is known? Then too little is seen to say that it is covered."""
    unknown = m.light_ratio is None or m.light_ratio > t.turned_light_ratio
    return unknown and m.brightness < t.dark_brightness and m.peak - m.p99 >= t.black_peak


def _judge_place(m: Measures, t: Thresholds) -> Finding | None:
    """Moved: the reference fits better somewhere else, or nowhere at all although the light is about the same."""
    if m.match is None or m.match_elsewhere is None or m.light_ratio is None:
        return None
    gain = m.match_elsewhere - m.match
    if gain >= t.moved_gain and m.match_elsewhere >= t.moved_match_elsewhere:
        return Finding(HealthState.MOVED, f"match_elsewhere-match={gain:.2f}>={t.moved_gain:.2f}")
    if m.match <= t.turned_match and m.light_ratio <= t.turned_light_ratio and m.brightness >= t.turned_brightness:
        return Finding(HealthState.MOVED, f"match={m.match:.2f}<={t.turned_match:.2f}")
    return None


class Health:
    """The state of one camera over time. Pictures, troubles and ticks go in with their time; `state`, `since` and `measure` come out.

    References are kept one for bright and one for dark pictures; the first steady pictures of each light make one unless one is given. Until then the
    other one serves.
    """

    def __init__(self, preview_s: float, now: datetime, *, limits: Thresholds | None = None) -> None:
        self.limits = limits or thresholds()
        self.state = HealthState.CONNECTING
        self.since = now
        self.measure = ""
        self.references: dict[str, View] = {}
        self.measures: Measures | None = None
        self._preview_s = preview_s
        self._before: View | None = None
        self._picture_at: datetime | None = None
        self._trouble: tuple[str, datetime] | None = None
        self._recent: deque[Finding] = deque(maxlen=16)
        self._began = now

    def take(self, picture: np.ndarray[Any, Any], now: datetime) -> bool:
        """Judge a picture; True when the state changed."""
        current = view(picture)
        light = "dark" if current.brightness < self.limits.dark_brightness else "bright"
        reference = self.references.get(light) or next(iter(self.references.values()), None)
        self.measures = measure(current, self._before, reference, limits=self.limits)
        finding = judge(self.measures, self.limits)
        self._before, self._picture_at, self._trouble = current, now, None
        self._recent.append(finding)
        if light not in self.references and self._run(HealthState.ONLINE) >= self.limits.reference_after:
            self.references[light] = current
        return self._settle(finding, now)

    @property
    def doubtful(self) -> bool:
        """Did the last picture say something else than the state, which more pictures have to confirm?"""
        return bool(self._recent) and self._recent[-1].state is not self.state

    def _run(self, state: HealthState) -> int:
        count = 0
        for finding in reversed(self._recent):
            if finding.state is not state:
                break
            count += 1
        return count

    def _settle(self, finding: Finding, now: datetime) -> bool:
        if finding.state is self.state:
            self.measure = finding.measure
            return False
        run = self._run(finding.state)
        if finding.state is HealthState.ONLINE:
            needed = 1 if self.state in (HealthState.CONNECTING, HealthState.OFFLINE) else self.limits.leave_after
        else:
            needed = self.limits.enter_after.get(finding.state, 2)
        return run >= needed and self._enter(finding, now)

    def _enter(self, finding: Finding, now: datetime) -> bool:
        changed = self.state is not finding.state
        if changed:
            self.state, self.since = finding.state, now
        self.measure = finding.measure
        return changed

    def trouble(self, code: str, now: datetime) -> bool:
        """The source reports that it lost the camera (its code becomes the measure); True when the state changed."""
        if self._trouble is None:
            self._trouble = (code, now)
        self._trouble = (code, self._trouble[1])
        return self.tick(now)

    def tick(self, now: datetime) -> bool:
        """Time passes: without pictures a camera goes offline; True when the state changed. To be called about once a second."""
        if self._trouble is not None and now - self._trouble[1] >= timedelta(seconds=self.limits.offline_after_s):
            return self._lose(self._trouble[0], now)
        silent_s = (now - (self._picture_at or self._began)).total_seconds()
        if silent_s >= max(self.limits.offline_after_s, self.limits.stale_periods * self._preview_s):
            return self._lose(self._trouble[0] if self._trouble else "no_picture", now)
        return False

    def _lose(self, measure_text: str, now: datetime) -> bool:
        self._recent.clear()
        self._before = None
        return self._enter(Finding(HealthState.OFFLINE, measure_text), now)
