"""The rules of duty as values: kinds, ladders, calendar, limits, templates, quiet hours and the digest's hour, read from data and checked. Pure.

`parse` is given documents (the packaged YAML, or a district's own in their place) and names every fault at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from types import MappingProxyType
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from hub.domain import calendar, clocks, digest, ladder
from hub.domain.calendar import Calendar, Override, SensitivePeriod, is_clock
from hub.domain.change import ChangeBody, change
from hub.domain.clocks import Limit
from hub.domain.data import packaged
from hub.domain.digest import DigestRule
from hub.domain.ladder import Ladder
from hub.domain.notice import MESSAGE_AGE, QuietRule, Template, wording_faults
from hub.domain.obligation import Kind
from hub.errors import Fault, Rejected, refusal
from hub.wire import explain

T = TypeVar("T")

CHANNELS: Final = ("console", "push", "mqtt")
"""What a step may name, in the order in which people read them: the screen, every further contact of the post, the department's agent."""
FILES: Final = ("obligation_kinds", "ladders", "calendar_overrides", "statutory_limits", "notice_templates", "quiet_rules", "digest_rule")


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
    digest: DigestRule

    def kind(self, name: str) -> Kind:
        """The kind of that name; raises Rejected `unknown_kind`."""
        found = self.kinds.get(name)
        if found is None:
            raise Rejected("unknown_kind", f"没有此类事项：{name}", f"there is no such kind of duty: {name}", field="kind")
        return found

    def ladder(self, name: str) -> Ladder:
        """The ladder of that name, or one without steps where the data no longer has it: the duty still locks."""
        return self.ladders.get(name) or Ladder(id=name, zh=name, en=name, steps=())

    @property
    def longest_notice(self) -> timedelta:
        """The longest that any notice waits: a step's, that of a return (bounded by this), a message's. A screen looks no further back."""
        minutes = [s.max_age_min for rung in self.ladders.values() for s in rung.steps] + [k.correction_min for k in self.kinds.values()]
        return max(MESSAGE_AGE, timedelta(minutes=max(minutes, default=0)))

    @property
    def alarmed(self) -> frozenset[str]:
        """The kinds of duty that the alarm of every screen tells of."""
        return frozenset(kind.id for kind in self.kinds.values() if kind.alarm)


def parse(documents: Mapping[str, Any]) -> DutyRules:
    """Read the documents of `FILES`; raises Rejected `duty_data` that names every fault found. A wording that a district's own lacks is the product's."""
    rules = DutyRules(
        kinds=_by_id(documents["obligation_kinds"], "kinds", Kind), ladders=_by_id(documents["ladders"], "ladders", Ladder),
        calendar=_calendar(documents["calendar_overrides"]),
        limits=_part(documents["statutory_limits"], "limits", tuple[Limit, ...]),
        role_posts=_by_name(documents["statutory_limits"], "role_posts", RolePost),
        templates={**_by_name(packaged("notice_templates"), "templates", Template), **_by_name(documents["notice_templates"], "templates", Template)},
        quiet=_part(documents["quiet_rules"], "rules", tuple[QuietRule, ...]),
        digest=_part(documents["digest_rule"], "digest", DigestRule),
    )
    if found := faults(rules):
        raise _bad(found)
    return rules


def faults(rules: DutyRules) -> list[Fault]:
    """Everything that is wrong in the parts and between them: ladders and templates that are named and missing, limits without a source."""
    found = [Fault(f"kinds.{k.id}.ladder", f"“{k.zh}”：没有催办阶梯 {k.ladder}", f"kind {k.id}: no ladder {k.ladder}")
             for k in rules.kinds.values() if k.ladder not in rules.ladders]
    for rung in rules.ladders.values():
        found += ladder.faults(rung, CHANNELS)
        found += [Fault(f"ladders.{rung.id}.steps.{n}.template", f"“{rung.zh}”第 {n + 1} 步：没有通知文字 {s.template}",
                        f"{rung.id} step {n + 1}: no template {s.template}")
                  for n, s in enumerate(rung.steps) if s.template not in rules.templates]
    for name, template in rules.templates.items():
        found += wording_faults(name, template)
    for n, rule in enumerate(rules.quiet):
        found += [Fault(f"rules.{n}.{field}", f"静默时段应为 HH:MM：{clock}", f"quiet hours must read HH:MM: {clock}")
                  for field, clock in (("starts", rule.starts), ("ends", rule.ends)) if not is_clock(clock) or clock == "24:00"]
    return found + calendar.faults(rules.calendar) + clocks.faults(rules.limits) + digest.faults(rules.digest)


def _bad(found: Sequence[Fault]) -> Rejected:
    return refusal("duty_data", found, zh="值班数据有误：", en="the duty data is wrong: ")


def _convert(path: str, value: Any, kind: type[T], *, strict: bool = True) -> T:
    """A value of a document as what it stands for; raises Rejected `duty_data` with the path of what does not fit."""
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        why = explain(error)
        raise _bad([Fault(".".join(part for part in (path, why.field) if part), f"{path}：{why.zh}", f"{path}: {why.en}")]) from None


def _part(document: Mapping[str, Any], name: str, kind: type[T]) -> T:
    """A part of a document that has to be there."""
    if name not in document:
        raise _bad([Fault(name, f"缺少必填项 {name}", f"the field {name} is required")])
    return _convert(name, document[name], kind)


def _by_id(document: Mapping[str, Any], part: str, kind: type[T]) -> Mapping[str, T]:
    """Rows by id; what a row leaves out of source, edition and valid_from is the document's."""
    common = {name: document[name] for name in ("source", "edition", "valid_from") if name in document}
    rows = _by_name(document, part, dict[str, Any])
    return _by_name({part: {name: {**common, **row, "id": name} for name, row in rows.items()}}, part, kind, strict=False)


def _by_name(document: Mapping[str, Any], part: str, kind: type[T], *, strict: bool = True) -> Mapping[str, T]:
    """Values by their names; what does not fit is named by its own path."""
    rows = _part(document, part, dict[str, Any])
    return MappingProxyType({name: _convert(f"{part}.{name}", row, kind, strict=strict) for name, row in rows.items()})


def _calendar(document: Mapping[str, Any]) -> Calendar:
    days = _convert("days", document.get("days") or [], tuple[Override, ...])
    return Calendar(
        zone=_part(document, "zone", str), overrides=MappingProxyType({d.day: d for d in days}),
        periods=_convert("periods", document.get("periods") or [], tuple[SensitivePeriod, ...]),
        complete_years=_convert("complete_years", document.get("complete_years") or (), frozenset[int]),
    )


@cache
def packaged_rules() -> DutyRules:
    """The rules as the product ships them."""
    return parse({name: packaged(name) for name in FILES})
