"""Who may be hurt and what would have to be closed, with their places: what the map shows around a release. Positions say how far they can be trusted."""

from __future__ import annotations

from msgspec import Struct

from hub.domain.access import HUB, Action
from hub.web.route import Ask, Route
from plans.hazmat.model import Receptor


class Receptors(Struct, frozen=True, kw_only=True):
    """Every receptor whose place is known; invented ones (`demo`) only where the hub runs the demo district."""

    items: list[Receptor]


async def listing(ask: Ask) -> Receptors:
    """Villages, schools, hospitals, junctions: everybody and everything with a known place."""
    from plans.hazmat import receptors

    ask.require(Action.HAZMAT_READ, HUB)
    known = receptors.known(include_demo=ask.hub.settings.demo)
    return Receptors(items=[one for one in known if one.point is not None])


ROUTES = [
    Route("GET", "/api/v1/receptors", listing, Action.HAZMAT_READ, returns=Receptors, zh="保护目标", en="who may be hurt, with places"),
]
