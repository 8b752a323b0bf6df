"""Advisory detectors on preview pictures: motion without a model, and any ONNX model through OpenCV.

An advisory is a hint for a person. It never opens an incident, never changes a camera's health and never leaves the agent as a report:
the hub shows it as a hint on the camera's tile and in the timeline of the incidents that link it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from hub.errors import Rejected

if TYPE_CHECKING:
    import numpy as np

    Picture = np.ndarray[Any, Any]


class Advisory(Struct, frozen=True, kw_only=True):
    """What a detector thinks it saw. `score` 0–1; `box` is left, top, width, height as shares of the picture, or None for all of it."""

    kind: str
    score: float
    detector: str
    box: tuple[float, float, float, float] | None = None


class Detector(Protocol):
    """Looks at one preview picture (BGR, uint8) of one camera after the other; keeps what it must remember of that camera."""

    name: str

    def examine(self, picture: Picture) -> list[Advisory]:
        """What is to be said of this picture, best first."""
        ...


class MotionDetector:
    """Motion: the largest region that differs from a slowly following background by more than its own noise.

    `min_share`: the least share of the picture that must move (own choice 0.004: a person at 30 m in 320 × 180).
    """

    name = "motion"

    def __init__(self, min_share: float = 0.004, follow: float = 0.1) -> None:
        self._min_share, self._follow = min_share, follow
        self._background: Picture | None = None

    def examine(self, picture: Picture) -> list[Advisory]:
        """One advisory for the largest moving region, or none; a change of the whole picture's light is no motion."""
        import cv2
        import numpy as np

        gray = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), (0, 0), 2).astype(np.float32)
        if self._background is None or self._background.shape != gray.shape:
            self._background = gray
            return []
        change = gray - self._background
        change -= np.median(change)
        self._background = self._background + self._follow * (gray - self._background)
        limit = max(12.0, 6 * float(np.median(np.abs(change))))
        count, _, facts, _ = cv2.connectedComponentsWithStats((np.abs(change) > limit).astype(np.uint8))
        if count < 2:
            return []
        x, y, w, h, area = (int(n) for n in facts[1:][facts[1:, cv2.CC_STAT_AREA].argmax()])
        rows, columns = gray.shape
        share = area / gray.size
        if share < self._min_share:
            return []
        return [Advisory(kind="motion", score=min(1.0, share * 20), detector=self.name, box=(x / columns, y / rows, w / columns, h / rows))]


class OnnxDetector:
    """Any classifier in ONNX (one output of scores, one per label) through OpenCV's dnn module: smoke, flame, helmets.

    `labels` in the order of the scores; labels starting with `_` are never advised. Raises Rejected where the model cannot be loaded.
    """

    def __init__(self, name: str, model: Path, labels: tuple[str, ...], *, size: tuple[int, int] = (224, 224), least_score: float = 0.6) -> None:
        import cv2

        self.name = name
        self._labels, self._size, self._least = labels, size, least_score
        try:
            self._net = cv2.dnn.readNetFromONNX(str(model))
        except cv2.error as error:
            raise Rejected("model_unreadable", f"无法加载模型 {model.name}", f"cannot load the model {model.name}", field="model") from error

    def examine(self, picture: Picture) -> list[Advisory]:
        """The labels whose probability reaches `least_score`, best first. Raises Rejected where the model does not fit what is said of it."""
        import cv2
        import numpy as np

        try:
            self._net.setInput(cv2.dnn.blobFromImage(picture, 1 / 255, self._size, swapRB=True))
            scores = np.asarray(self._net.forward(), np.float64).ravel()
        except cv2.error as error:
            width, height = self._size
            raise Rejected("model_mismatch", f"模型不接受 {width}×{height} 的画面", f"the model takes no picture of {width}×{height}", field="size") from error
        if scores.size != len(self._labels):
            raise Rejected("model_mismatch", f"模型输出 {scores.size} 个分数，标签有 {len(self._labels)} 个",
                           f"the model gives {scores.size} scores for {len(self._labels)} labels", field="labels")
        if scores.min() < 0 or abs(scores.sum() - 1) > 0.01:
            scores = np.exp(scores - scores.max())
            scores /= scores.sum()
        found = [Advisory(kind=label, score=float(score), detector=self.name) for label, score in zip(self._labels, scores, strict=True)
                 if score >= self._least and not label.startswith("_")]
        return sorted(found, key=lambda advisory: -advisory.score)
