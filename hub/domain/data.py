"""The data files of the product, read once and handed to the rules as values. Reading a packaged file is the only I/O near the core."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import yaml


@cache
def packaged(name: str) -> Any:
    """The content of `hub/data/NAME.yaml` as plain values (treat it as frozen)."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(files("hub").joinpath("data", f"{name}.yaml").read_bytes(), Loader=loader)  # noqa: S506 a safe loader, in C where it is
