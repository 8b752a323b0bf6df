"""Advisory detectors: motion, and an ONNX model through OpenCV."""

from __future__ import annotations

import json
import struct
import time
from pathlib import Path

import numpy as np
import pytest

from agents.cameras import CameraGroup, read_cameras
from hub.errors import Rejected
from hub.wire import troubles_of
from streams.motion import Detector, MotionDetector, OnnxDetector
from streams.publisher import MediaLink
from tests.support.ports import free_port
from tests.support.scenes import Place


def test_a_truck_driving_through_is_motion_and_says_where() -> None:
    detector: Detector = MotionDetector()
    still = np.full((180, 320, 3), 90, np.uint8)
    for _ in range(3):
        assert detector.examine(still) == []
    moved = still.copy()
    moved[100:140, 160:240] = 200
    (found,) = detector.examine(moved)
    assert found.kind == "motion" and found.box is not None
    assert abs(found.box[0] - 0.5) < 0.05 and abs(found.box[1] - 100 / 180) < 0.05


def test_noise_and_a_cloud_before_the_sun_are_no_motion() -> None:
    place, detector = Place("yard", 5), MotionDetector()
    base = place.day(1).astype(np.float32)
    rng = np.random.default_rng(1)
    for n in range(8):
        picture = np.clip(base + rng.normal(0, 4, base.shape) - 5 * n, 0, 255).astype(np.uint8)
        assert detector.examine(picture) == []


def field(number: int, kind: int, body: bytes | int) -> bytes:
    """One protobuf field: varint (0) or length-delimited (2)."""
    def varint(value: int) -> bytes:
        out = b""
        while value > 127:
            out, value = out + bytes((value & 127 | 128,)), value >> 7
        return out + bytes((value,))

    head = varint(number << 3 | kind)
    return head + (varint(body) if isinstance(body, int) else varint(len(body)) + body)


def tiny_model(path: Path) -> Path:
    """An ONNX model that averages each colour over the picture and takes a softmax: it says which of red, green and blue prevails."""
    def value(name: bytes, *shape: int) -> bytes:
        dims = b"".join(field(1, 2, field(1, 0, size)) for size in shape)
        return field(1, 2, name) + field(2, 2, field(1, 2, field(1, 0, 1) + field(2, 2, dims)))

    def node(kind: bytes, inputs: list[bytes], output: bytes, attributes: bytes = b"") -> bytes:
        return field(1, 2, b"".join(field(1, 2, name) for name in inputs) + field(2, 2, output) + field(4, 2, kind) + attributes)

    weights = field(1, 0, 3) + field(1, 0, 3) + field(2, 0, 1) + field(8, 2, b"w") + field(9, 2, struct.pack("<9f", 9, 0, 0, 0, 9, 0, 0, 0, 9))
    axis = field(5, 2, field(1, 2, b"axis") + field(3, 0, 1) + field(20, 0, 2))
    graph = (node(b"GlobalAveragePool", [b"x"], b"p") + node(b"Flatten", [b"p"], b"f", axis) + node(b"MatMul", [b"f", b"w"], b"s")
             + node(b"Softmax", [b"s"], b"y", axis) + field(2, 2, b"g") + field(5, 2, weights)
             + field(11, 2, value(b"x", 1, 3, 32, 32)) + field(12, 2, value(b"y", 1, 3)))
    path.write_bytes(field(1, 0, 7) + field(8, 2, field(1, 2, b"") + field(2, 0, 13)) + field(7, 2, graph))
    return path


def test_an_onnx_model_joins_through_the_same_interface(tmp_path: Path) -> None:
    detector: Detector = OnnxDetector("fire", tiny_model(tmp_path / "m.onnx"), ("flame", "_grass", "_sky"), size=(32, 32))
    red, green = np.zeros((180, 320, 3), np.uint8), np.zeros((180, 320, 3), np.uint8)
    red[..., 2], green[..., 1] = 220, 220
    (found,) = detector.examine(red)
    assert (found.kind, found.detector) == ("flame", "fire")
    assert found.score > 0.9
    assert detector.examine(green) == []


def test_a_model_that_does_not_fit_its_labels_is_named(tmp_path: Path) -> None:
    detector = OnnxDetector("fire", tiny_model(tmp_path / "m.onnx"), ("flame", "smoke"), size=(32, 32))
    with pytest.raises(Rejected) as caught:
        detector.examine(np.zeros((180, 320, 3), np.uint8))
    assert caught.value.code == "model_mismatch"


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"not a model")
    with pytest.raises(Rejected) as caught:
        OnnxDetector("fire", tmp_path / "x.onnx", ("flame",))
    assert caught.value.code == "model_unreadable"


def test_a_model_that_does_not_fit_is_named_at_its_camera_which_goes_on_without_it(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    models = [{"name": "fire", "model": str(tiny_model(tmp_path / "m.onnx")), "labels": labels, "size": [32, 32]} for labels in (["a", "b"], ["blue", "green", "red"])]
    file = tmp_path / "cameras.yaml"
    file.write_text(json.dumps({"cameras": [{"id": "a", "url": "synthetic:?size=160x96&rate=25&gop_s=0.2", "preview_s": 0.5, "motion": True,
                                             "onnx": [*models, {"name": "smoke", "model": str(tmp_path / "broken.onnx"), "labels": ["s"]}]}]}))
    setups, _ = read_cameras(file)
    group = CameraGroup(setups, MediaLink(agent_id="plant", host="127.0.0.1", port=free_port()))
    group.start()
    try:
        (unit,), until = group.units.values(), time.monotonic() + 30
        while time.monotonic() < until and (unit.health.state == "connecting" or "model_mismatch" not in (unit.presence().measure or "")):
            time.sleep(0.05)
        said = unit.presence()
        assert said.health == "online" and {"model_mismatch", "model_unreadable"} <= set(troubles_of(said.health, said.measure))
    finally:
        group.stop()
