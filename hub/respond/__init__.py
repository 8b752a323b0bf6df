"""The reactors on the change feed. A further one is one line in `reactors`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.domain.duty_rules import packaged_rules
from hub.respond.cameras import CameraBook
from hub.respond.duties import Duties
from hub.respond.leaving import Leaving
from hub.respond.linkage import Linkage
from hub.respond.matching import Matching
from hub.respond.merging import Merging
from hub.respond.reactor import Reactor
from hub.respond.reading import Reading
from hub.respond.responses import Responses
from hub.respond.sharing import Sharing
from hub.respond.waiting import Waiting
from hub.respond.zones import Zones

if TYPE_CHECKING:
    from hub.ingest.intake import Intake
    from hub.ingest.registry import Registry


def reactors(intake: Intake, registry: Registry, **parts: Any) -> list[Reactor]:
    """Every reactor of this process."""
    return [Waiting(intake, registry), Merging(), Sharing(), Duties(), Reading(packaged_rules()), Leaving(),
            Matching(packaged_rules()), Responses(), Zones(), CameraBook(), Linkage()]
