"""The rules of duty as values: kinds, ladders, calendar, limits, templates and quiet hours, read from data and checked. Pure.

`parse` is given documents (the packaged YAML, or a district's own in their place) and names every fault at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import Struct

from hub.domain import clocks, ladder
from hub.domain.calendar import Calendar, Override, SensitivePeriod
from hub.domain.change import ChangeBody, change
from hub.domain.clocks import Limit
from hub.domain.data import packaged
from hub.domain.ladder import Ladder
from hub.domain.notice import QuietRule, Template
from hub.domain.obligation import Kind
from hub.errors import Rejected

CHANNELS: Final = frozenset({"console", "push", "mqtt"})
"""What a step may name: the screen, every further contact of the post, the department's agent."""
FILES: Final = ("obligation_kinds", "ladders", "calendar_overrides", "statutory_limits", "notice_templates", "quiet_rules")


@change("obligation.rules_saved", zh="值班数据变更", en="the data of duties was changed")
class DutyDataSaved(ChangeBody, frozen=True, kw_only=True):
    """A document of duty data took the place of the one before (`packaged`: the product's own again), and why."""

    name: str
    packaged: bool
    reason: str


class RolePost(Struct, frozen=True):
    """Which post of which department owes what a role owes."""

    department: str
    post: str


class DutyRules(Struct, frozen=True, kw_only=True):
    """Everything that is data about duties."""

    kinds: Mapping[str, Kind]
    ladders: Mapping[str, Ladder]
    calendar: Calendar
    limits: tuple[Limit, ...]
    role_posts: Mapping[str, RolePost]
    templates: Mapping[str, Template]
    quiet: tuple[QuietRule, ...]

    def kind(self, name: str) -> Kind:
        """The kind of that name; raises Rejected `unknown_kind`."""
        found = self.kinds.get(name)
        if found is None:
            raise Rejected("unknown_kind", f"没有此类事项：{name}", f"there is no such kind of duty: {name}", field="kind")
        return found

    def ladder(self, name: str) -> Ladder:
        """The ladder of that name, or one without steps where the data no longer has it: the duty still locks."""
        return self.ladders.get(name) or Ladder(id=name, zh=name, en=name, steps=())


def parse(documents: Mapping[str, Any]) -> DutyRules:
    """Read the six documents of `FILES`; raises Rejected `duty_data` that names every fault found."""
    try:
        rules = DutyRules(
            kinds=_by_id(documents["obligation_kinds"], "kinds", Kind), ladders=_by_id(documents["ladders"], "ladders", Ladder),
            calendar=_calendar(documents["calendar_overrides"]),
            limits=msgspec.convert(documents["statutory_limits"]["limits"], tuple[Limit, ...]),
            role_posts=MappingProxyType(msgspec.convert(documents["statutory_limits"]["role_posts"], dict[str, RolePost])),
            templates=MappingProxyType(msgspec.convert(documents["notice_templates"]["templates"], dict[str, Template])),
            quiet=msgspec.convert(documents["quiet_rules"]["rules"], tuple[QuietRule, ...]),
        )
    except (msgspec.ValidationError, KeyError, TypeError) as error:
        raise _bad([str(error)]) from error
    if found := faults(rules):
        raise _bad(found)
    return rules


def faults(rules: DutyRules) -> list[str]:
    """Everything that is wrong between the parts: ladders and templates that are named and missing, limits without a source."""
    found = [f"kind {k.id}: no ladder {k.ladder}" for k in rules.kinds.values() if k.ladder not in rules.ladders]
    for rung in rules.ladders.values():
        found += ladder.faults(rung, CHANNELS)
        found += [f"{rung.id}: no template {s.template}" for s in rung.steps if s.template not in rules.templates]
    return found + clocks.faults(rules.limits)


def _bad(found: Sequence[str]) -> Rejected:
    text = "; ".join(found)
    return Rejected("duty_data", f"值班数据有误：{text}", f"the duty data is wrong: {text}")


def _by_id(document: Any, part: str, kind: type[Any]) -> Mapping[str, Any]:
    """Rows by id; what a row leaves out of source, edition and valid_from is the document's."""
    common = {name: document[name] for name in ("source", "edition", "valid_from") if name in document}
    return MappingProxyType({
        name: msgspec.convert({**common, **row, "id": name}, kind, strict=False) for name, row in document[part].items()
    })


def _calendar(document: Any) -> Calendar:
    days = msgspec.convert(document.get("days") or [], tuple[Override, ...])
    return Calendar(
        zone=document["zone"], overrides=MappingProxyType({d.day: d for d in days}),
        periods=msgspec.convert(document.get("periods") or [], tuple[SensitivePeriod, ...]),
        complete_years=frozenset(document.get("complete_years") or ()),
    )


@cache
def packaged_rules() -> DutyRules:
    """The rules as the product ships them."""
    return parse({name: packaged(name) for name in FILES})
