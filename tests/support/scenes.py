"""Labelled camera pictures made of numbers: three kinds of places, by day, at night, in rain, with headlights, and every way a camera fails.

Drawn by other means than the product's own synthetic camera, so that the detectors are not measured on what they were built with.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

Picture = np.ndarray[Any, Any]
WIDTH, HEIGHT = 640, 360
KINDS = ("street", "yard", "hall")


class Place:
    """One camera's view. `picture(n, …)` is the n-th picture of it: things move, light changes, the sensor has noise."""

    def __init__(self, kind: str, seed: int) -> None:
        self.rng = np.random.default_rng(seed * 31 + KINDS.index(kind))
        self.kind, self.seed = kind, seed
        self._other: Place | None = None
        wide = WIDTH * 2
        self.base = {"street": self._street, "yard": self._yard, "hall": self._hall}[kind](wide).astype(np.float32)
        self.lamps = [(int(self.rng.integers(0, wide)), int(self.rng.integers(30, HEIGHT * 2 // 3))) for _ in range(7)]
        self.lamps += [(WIDTH // 4 + 150, 90), (WIDTH // 4 + 470, 140)]  # two in sight at least

    def _texture(self, wide: int, fine: float, coarse: float) -> Picture:
        rng = self.rng
        small = cv2.resize(rng.normal(0, 1, (HEIGHT // 10, wide // 10)).astype(np.float32), (wide, HEIGHT), interpolation=cv2.INTER_CUBIC)
        return rng.normal(0, fine, (HEIGHT, wide)).astype(np.float32) + coarse * small

    def _street(self, wide: int) -> Picture:
        rng, picture = self.rng, np.full((HEIGHT, wide, 3), 185, np.float32)
        x = 0
        while x < wide:
            w, top = int(rng.integers(50, 150)), int(rng.integers(30, 170))
            picture[top:250, x:x + w] = rng.integers(60, 190, 3)
            for wy in range(top + 8, 235, 22):
                for wx in range(x + 6, x + w - 10, 18):
                    picture[wy:wy + 12, wx:wx + 9] = rng.integers(20, 110)
            x += w
        picture[250:] = 92
        for sx in range(0, wide, 60):
            cv2.line(picture, (sx, 300), (sx + 30, 302), (205, 205, 205), 3)
        return picture + self._texture(wide, 4, 7)[..., None]

    def _yard(self, wide: int) -> Picture:
        rng, picture = self.rng, np.full((HEIGHT, wide, 3), 150, np.float32)
        picture[210:] = (88, 100, 96)
        for _ in range(16):
            x, r, top = int(rng.integers(0, wide)), int(rng.integers(14, 60)), int(rng.integers(60, 190))
            shade = float(rng.integers(70, 235))
            cv2.rectangle(picture, (x - r, top), (x + r, 225), (shade, shade, shade), -1)
            cv2.line(picture, (x - r, top), (x - r, 225), (shade * 0.5,) * 3, 2)
            cv2.ellipse(picture, (x, top), (r, r // 3), 0, 0, 360, (min(255, shade + 25),) * 3, -1)
        for _ in range(30):
            a, b = rng.integers(0, wide, 2)
            cv2.line(picture, (int(a), int(rng.integers(150, 230))), (int(b), int(rng.integers(150, 230))), (70, 75, 80), 2)
        return picture + self._texture(wide, 5, 8)[..., None]

    def _hall(self, wide: int) -> Picture:
        rng, picture = self.rng, np.full((HEIGHT, wide, 3), 120, np.float32)
        for x in range(0, wide, int(rng.integers(40, 80))):
            cv2.rectangle(picture, (x, 0), (x + 6, HEIGHT), (70, 72, 75), -1)
        for _ in range(60):
            x, y = int(rng.integers(0, wide)), int(rng.integers(90, 320))
            w, h = int(rng.integers(14, 60)), int(rng.integers(10, 46))
            cv2.rectangle(picture, (x, y), (x + w, y + h), tuple(float(c) for c in rng.integers(30, 225, 3)), -1)
            cv2.rectangle(picture, (x, y), (x + w, y + h), (25, 25, 25), 1)
        return picture + self._texture(wide, 3, 6)[..., None]

    def _raw(self, n: int, shift: tuple[int, int] = (0, 0)) -> Picture:
        left, top = WIDTH // 4 + shift[0], shift[1]
        picture = np.roll(self.base, -top, axis=0)[:, left:left + WIDTH].copy()
        for m in range(3):
            x = (n * (37 + 11 * m) + m * 211) % (WIDTH + 80) - 60
            cv2.rectangle(picture, (x, 262 + 22 * m), (x + 46, 280 + 22 * m), (30.0 + 70 * m, 60.0, 200.0 - 60 * m), -1)
        return picture

    def finish(self, picture: Picture, noise: float = 2.5) -> Picture:
        """Sensor noise and eight bits."""
        return np.clip(picture + self.rng.normal(0, noise, picture.shape[:2])[..., None], 0, 255).astype(np.uint8)

    def day(self, n: int) -> Picture:
        """By day; light wanders by a fifth."""
        return self.finish(self._raw(n) * (1 + 0.2 * np.sin(n / 5)))

    def night(self, n: int) -> Picture:
        """At night: a tenth to a fifth of the light, lamps with their halos, more noise."""
        picture = self._raw(n) * (0.14 + 0.04 * np.sin(n))
        return self.finish(self._lamps(picture), 4)

    def _lamps(self, picture: Picture) -> Picture:
        glow = np.zeros((HEIGHT, WIDTH), np.float32)
        for x, y in self.lamps:
            cv2.circle(glow, (x - WIDTH // 4, y), 5, 255, -1)
        return picture * (1 + cv2.GaussianBlur(glow, (0, 0), 45)[..., None] / 10) + glow[..., None] + cv2.GaussianBlur(glow, (0, 0), 12)[..., None]

    def rain(self, n: int) -> Picture:
        """Rain by day: paler, streaks everywhere."""
        picture = self._raw(n) * 0.75 + 40
        streaks = np.zeros((HEIGHT, WIDTH), np.float32)
        for _ in range(350):
            x, y = int(self.rng.integers(0, WIDTH)), int(self.rng.integers(0, HEIGHT))
            cv2.line(streaks, (x, y), (x - 3, y + int(self.rng.integers(8, 22))), float(self.rng.integers(20, 60)), 1)
        return self.finish(picture + streaks[..., None], 3)

    def headlights(self, n: int) -> Picture:
        """At night with a lorry's headlights shining into the lens."""
        picture = self._lamps(self._raw(n) * 0.15)
        glow = np.zeros((HEIGHT, WIDTH), np.float32)
        x = 120 + (n * 53) % 400
        for dx in (-35, 35):
            cv2.circle(glow, (x + dx, 270), 14, 255, -1)
        return self.finish(picture + cv2.GaussianBlur(glow, (0, 0), 20)[..., None] * 1.5 + glow[..., None], 4)

    def black(self, n: int) -> Picture:
        """No light reaches the sensor, or a lens cap is on."""
        return self.finish(np.full((HEIGHT, WIDTH, 3), 4 + n % 9, np.float32), 1.5)

    def over_exposed(self, n: int) -> Picture:
        """The sun, a stuck iris or a welding torch: nearly everything is white."""
        return self.finish(self._raw(n) * (1.6 + 0.2 * (n % 3)) + 150)

    def covered(self, n: int) -> Picture:
        """A hand, a bag, paint, or a box close before the lens over nine tenths of the view."""
        how = n % 4
        if how == 0:
            return self.finish(np.full((HEIGHT, WIDTH, 3), (70, 90, 130 + n % 40), np.float32), 3)
        if how == 1:
            return self.finish(cv2.GaussianBlur(self.rng.normal(90, 500, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 60)[..., None].repeat(3, 2))
        ramp = np.linspace(40, 130, WIDTH, dtype=np.float32)[None, :, None].repeat(HEIGHT, 0).repeat(3, 2)
        if how == 2:
            return self.finish(ramp)
        picture = self._raw(n)
        picture[:, WIDTH // 12:] = ramp[:, WIDTH // 12:]
        return self.finish(picture)

    def blurred(self, n: int) -> Picture:
        """Out of focus: a blur of 5 to 9 pixels at 640."""
        return self.finish(cv2.GaussianBlur(self._raw(n), (0, 0), 5 + n % 5), 2)

    def moved(self, n: int) -> Picture:
        """Turned aside by 8 to 45 % of the view, and sometimes down."""
        aside = int(WIDTH * (0.08 + 0.05 * (n % 8))) * (1 if n % 2 else -1)
        return self.finish(self._raw(n, (max(-WIDTH // 4, min(WIDTH // 2, aside)), (n % 3) * 18)) * (1 + 0.1 * np.sin(n)))

    def turned(self, n: int) -> Picture:
        """Turned away altogether: nothing of the old view is left."""
        if self._other is None:
            self._other = Place(self.kind, self.seed + 1000)
        return self._other.day(n)

    def _flakes(self, count: int, largest: int) -> Picture:
        layer = np.zeros((HEIGHT, WIDTH), np.float32)
        for _ in range(count):
            cv2.circle(layer, (int(self.rng.integers(0, WIDTH)), int(self.rng.integers(0, HEIGHT))), int(self.rng.integers(1, largest)), 255, -1)
        return cv2.GaussianBlur(layer, (0, 0), 1.2)[..., None]

    def snow(self, n: int) -> Picture:
        """It snows by day: flakes near and far, a pale veil, the ground whitening."""
        picture = self._raw(n) * 0.65 + 60
        picture[250:] = picture[250:] * 0.5 + 90
        return self.finish(picture * (1 - self._flakes(260, 4) / 300) + self._flakes(260, 4) * 0.5, 3)

    def fog(self, n: int) -> Picture:
        """Fog: a fifth to a half of the contrast is left, the far (upper) part paler."""
        veil = np.linspace(0.2 + 0.05 * (n % 4), 0.5, HEIGHT, dtype=np.float32)[:, None, None]
        return self.finish(self._raw(n) * veil + 190 * (1 - veil), 2)

    def dim_night(self, n: int) -> Picture:
        """A very dark night with a few lamps: a thirtieth of the light."""
        return self.finish(self._lamps(self._raw(n) * (0.03 + 0.01 * np.sin(n))), 4)

    def artefacts(self, n: int) -> Picture:
        """By day, compressed until blocks show."""
        return recompressed(self.day(n), 8 + n % 6)

    def dated(self, n: int) -> Picture:
        """By day, with the name and the clock that the camera writes into its picture."""
        return overlaid(self.day(n), n)

    def upside_down(self, n: int) -> Picture:
        """Hung the wrong way round."""
        return np.ascontiguousarray(self.day(n)[::-1, ::-1])

    def grey(self, n: int) -> Picture:
        """A decoder without a stream, or a lost input: one shade of grey, with a sensor's or a cable's noise."""
        return self.finish(np.full((HEIGHT, WIDTH, 3), 110 + n % 30, np.float32), 1.5)

    def stripes(self, n: int) -> Picture:
        """A broken sensor's or cable's vertical stripes, flickering."""
        columns = self.rng.normal(120, 60, WIDTH // 4).repeat(4)
        return self.finish(np.broadcast_to(columns[None, :, None], (HEIGHT, WIDTH, 3)).astype(np.float32), 6)

    def half_black(self, n: int) -> Picture:
        """Half of the picture, or more, is gone: black to one side or below, the rest goes on."""
        picture = self._raw(n) * (1 + 0.1 * np.sin(n / 5))
        share = 0.5 + 0.1 * (n % 3)
        if n % 2:
            picture[:, :int(WIDTH * share)] = 3
        else:
            picture[int(HEIGHT * (1 - share)):] = 3
        return self.finish(picture, 1.5)


def colour_bars() -> Picture:
    """What an encoder shows that lost its input."""
    bars = [(255, 255, 255), (0, 255, 255), (255, 255, 0), (0, 255, 0), (255, 0, 255), (0, 0, 255), (255, 0, 0), (0, 0, 0)]
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for n, colour in enumerate(bars):
        picture[:, n * WIDTH // 8:(n + 1) * WIDTH // 8] = [c * 3 // 4 for c in colour]
    return picture


def overlaid(picture: Picture, n: int, *, height: float = 0.06, top: bool = True, plate: bool = False) -> Picture:
    """A picture with a name and a running clock (two seconds a picture) written into it: `height` of a line as a share of the picture."""
    out = picture.copy()
    scale, pixels = HEIGHT * height / 22, int(HEIGHT * height)
    y = int(pixels * 1.4) if top else HEIGHT - int(pixels * 0.5)
    at = 36_000 + 2 * n
    for words, x in ((f"2026-11-23 {at // 3600:02d}:{at // 60 % 60:02d}:{at % 60:02d}", 10), ("CAM 01", WIDTH - int(150 * scale))):
        if plate:
            cv2.rectangle(out, (x - 4, y - pixels), (x + int(11 * len(words) * scale * 1.7), y + 6), (0, 0, 0), -1)
        cv2.putText(out, words, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), 4)
        cv2.putText(out, words, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 2)
    return out


def recompressed(picture: Picture, quality: int) -> Picture:
    """A picture as it comes out of a JPEG of so much quality."""
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(data, cv2.IMREAD_COLOR)
