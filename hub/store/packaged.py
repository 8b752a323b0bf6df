"""The data files that come with the product (hub/data/*.yaml), read once. Editing happens in the store, never in these files."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

from hub.domain.access import Policy, parse_policy


@lru_cache(maxsize=32)
def packaged(name: str) -> Any:
    """The decoded document of hub/data/`name`.yaml. Treat it as read-only: everybody gets the same object."""
    return yaml.load(files("hub").joinpath("data", f"{name}.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader)


@lru_cache(maxsize=1)
def packaged_policy() -> Policy:
    """Roles, acts and topics as the product ships them."""
    return parse_policy(packaged("roles"))
