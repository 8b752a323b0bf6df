"""A plan as data: frozen values, decoded once from YAML by `plans.load` and valid ever after.

Nothing here reads a file or the clock. Distances are metres, offsets minutes, degrees WGS-84; every text stands in Chinese and English.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from plans.facts import Colour, Grade

Identifier = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
EventCode = Annotated[str, Meta(pattern=r"^1[0-9]?[A-Z0-9]{0,3}$")]
Phrase = Annotated[str, Meta(min_length=1, max_length=2000)]
Metres = Annotated[float, Meta(ge=0, le=200_000)]
Minutes = Annotated[int, Meta(ge=0, le=60 * 24 * 60)]
Lon = Annotated[float, Meta(ge=-180, le=180)]
Lat = Annotated[float, Meta(ge=-90, le=90)]
Weight = Annotated[float, Meta(ge=0, le=10)]


class PlanKind(StrEnum):
    """general: the district's overall plan; special: one kind of incident; department: one bureau's; onsite_card: one substance."""

    GENERAL = "general"
    SPECIAL = "special"
    DEPARTMENT = "department"
    ONSITE_CARD = "onsite_card"


class PlanStatus(StrEnum):
    """The life of a plan version."""

    DRAFT = "draft"
    REVIEWED = "reviewed"
    IN_FORCE = "in_force"
    SUPERSEDED = "superseded"


STATUS_STEPS: Mapping[PlanStatus, frozenset[PlanStatus]] = {
    PlanStatus.DRAFT: frozenset({PlanStatus.REVIEWED}),
    PlanStatus.REVIEWED: frozenset({PlanStatus.DRAFT, PlanStatus.IN_FORCE}),
    PlanStatus.IN_FORCE: frozenset({PlanStatus.SUPERSEDED}),
    PlanStatus.SUPERSEDED: frozenset(),
}


class Level(StrEnum):
    """Response level; I is the highest."""

    I = "I"  # noqa: E741  the levels' own names
    II = "II"
    III = "III"
    IV = "IV"


LEVEL_RANK: Mapping[Level, int] = {Level.I: 4, Level.II: 3, Level.III: 2, Level.IV: 1}


class Stage(StrEnum):
    """The on-scene stages in their order: 接警 识别 警戒 侦检 处置 洗消 移交 恢复 评估."""

    RECEIVE = "receive"
    IDENTIFY = "identify"
    CORDON = "cordon"
    DETECT = "detect"
    HANDLE = "handle"
    DECONTAMINATE = "decontaminate"
    HAND_OVER = "hand_over"
    RESTORE = "restore"
    EVALUATE = "evaluate"


STAGE_ORDER: Mapping[Stage, int] = {stage: i for i, stage in enumerate(Stage)}


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Common settings: frozen, and a misspelt field is an error."""


class Text(_Part, frozen=True):
    """The same thing said in Chinese and in English."""

    zh: Phrase
    en: Phrase


# -- conditions ------------------------------------------------------------------------------------------------------------------------


class _Condition(_Part, frozen=True, tag_field="is"):
    """A condition; the tag `is` names which."""


class _Leaf(_Condition, frozen=True):
    """A condition on facts; `weight` says how much it speaks for the plan (None: the default of its kind)."""

    weight: Weight | None = msgspec.field(default=None, name="weight")


class Always(_Condition, frozen=True, tag="always"):
    """Holds for every incident."""


class AllOf(_Condition, frozen=True, tag="all"):
    """Every one of them holds."""

    of: Annotated[tuple[Condition, ...], Meta(min_length=1, max_length=64)]


class AnyOf(_Condition, frozen=True, tag="any"):
    """At least one of them holds."""

    of: Annotated[tuple[Condition, ...], Meta(min_length=1, max_length=64)]


class Not(_Condition, frozen=True, tag="not"):
    """It does not hold; adds nothing to the score."""

    of: Condition


class Under(_Leaf, frozen=True, tag="under", kw_only=True):
    """An event type is one of `codes` or stands below it, or the event's family is one of `families`."""

    codes: tuple[EventCode, ...]
    families: tuple[str, ...] = ()


class OneOf(_Leaf, frozen=True, tag="one_of", kw_only=True):
    """A text or code fact is one of `values` (a code or hazard class also when it stands below one)."""

    field: str
    values: Annotated[tuple[str, ...], Meta(min_length=1)]


class Flag(_Leaf, frozen=True, tag="flag", kw_only=True):
    """A yes-or-no fact has `value`."""

    field: str
    value: bool = True


class AtLeast(_Leaf, frozen=True, tag="at_least", kw_only=True):
    """A number is `value` or more."""

    field: str
    value: Annotated[float, Meta(ge=0)]


class AtMost(_Leaf, frozen=True, tag="at_most", kw_only=True):
    """A number is `value` or less."""

    field: str
    value: Annotated[float, Meta(ge=0)]


class GradeAtLeast(_Leaf, frozen=True, tag="grade_at_least", kw_only=True):
    """The incident's grade is `grade` or graver."""

    grade: Grade


class Inside(_Leaf, frozen=True, tag="inside", kw_only=True):
    """The place lies in a geofence: a simple ring of (lon, lat), not closed."""

    name: Phrase
    polygon: Annotated[tuple[tuple[Lon, Lat], ...], Meta(min_length=3, max_length=2000)]


class Near(_Leaf, frozen=True, tag="near", kw_only=True):
    """The place lies within `within_m` of a point."""

    name: Phrase
    lon: Lon
    lat: Lat
    within_m: Metres


class RoadSection(_Leaf, frozen=True, tag="road_section", kw_only=True):
    """The place is on `road`, between two kilometre posts where given."""

    road: Phrase
    from_km: Annotated[float, Meta(ge=0)] | None = None
    to_km: Annotated[float, Meta(ge=0)] | None = None


class Months(_Leaf, frozen=True, tag="months", kw_only=True):
    """The month lies in the season, which may run over the turn of the year."""

    first: Annotated[int, Meta(ge=1, le=12)]
    last: Annotated[int, Meta(ge=1, le=12)]


class Hours(_Leaf, frozen=True, tag="hours", kw_only=True):
    """The local hour lies in [first, last], which may run over midnight."""

    first: Annotated[int, Meta(ge=0, le=23)]
    last: Annotated[int, Meta(ge=0, le=23)]


class Warned(_Leaf, frozen=True, tag="warned", kw_only=True):
    """A weather warning of one of `kinds` (any kind where empty) is in force, of `colour` or graver."""

    kinds: tuple[str, ...] = ()
    colour: Colour = Colour.BLUE


Leaf = Under | OneOf | Flag | AtLeast | AtMost | GradeAtLeast | Inside | Near | RoadSection | Months | Hours | Warned
Condition = (
    Always
    | AllOf
    | AnyOf
    | Not
    | Under
    | OneOf
    | Flag
    | AtLeast
    | AtMost
    | GradeAtLeast
    | Inside
    | Near
    | RoadSection
    | Months
    | Hours
    | Warned
)


def leaves(condition: Condition, path: str = "") -> Iterator[tuple[str, Leaf]]:
    """Every leaf of a condition tree with its path below the root (`.of[0].of`)."""
    match condition:
        case Always():
            return
        case AllOf() | AnyOf():
            for i, child in enumerate(condition.of):
                yield from leaves(child, f"{path}.of[{i}]")
        case Not():
            yield from leaves(condition.of, f"{path}.of")
        case _:
            yield path, condition


def fields_of(leaf: Leaf) -> tuple[str, ...]:
    """The facts a leaf looks at; the first one is what a person would be asked for."""
    match leaf:
        case Under():
            return ("event_types", "family")
        case OneOf() | Flag() | AtLeast() | AtMost():
            return (leaf.field,)
        case GradeAtLeast():
            return ("grade",)
        case Inside() | Near():
            return ("place.position",)
        case RoadSection():
            return ("place.road", "place.road_km") if leaf.from_km is not None or leaf.to_km is not None else ("place.road",)
        case Months():
            return ("month",)
        case Hours():
            return ("hour",)
        case Warned():
            return ("weather.warnings",)


# -- the parts of a plan -----------------------------------------------------------------------------------------------------------------


class Source(_Part, frozen=True):
    """Where the plan comes from: the document, its edition (date or number), who issued it, and the clauses used."""

    document: Phrase
    edition: Phrase
    issuing_body: Phrase
    clauses: tuple[str, ...] = ()


class LevelRule(_Part, frozen=True):
    """One response level: what calls for it, in words and as a condition, and who puts it in force."""

    level: Level
    criteria: Condition
    text: Text
    activated_by: Text


class Role(_Part, frozen=True):
    """A part to play, held by a department; `local-town` is bound to the town of the place at activation."""

    id: Identifier
    department: Identifier
    duty: Text


class TaskStart(StrEnum):
    """From when a task's due offset counts."""

    ACTIVATION = "activation"
    TERMINATION = "termination"


class Task(_Part, frozen=True):
    """One thing to do. `action`, `role` and `object` together say when two plans mean the same task.

    `due_min` counts from `starts`; `after` names tasks of this plan; `from_level` is the mildest level at which it is wanted;
    it is left out only when `when` is known not to hold.
    """

    id: Identifier
    action: Identifier
    object: Identifier
    role: Identifier
    due_min: Minutes
    stage: Stage
    text: Text
    after: tuple[Identifier, ...] = ()
    evidence: Text | None = None
    from_level: Level = Level.IV
    starts: TaskStart = TaskStart.ACTIVATION
    when: Condition | None = None


class Notice(_Part, frozen=True):
    """A message to send: to roles, to the public where `public`, at the latest `within_min` after activation."""

    id: Identifier
    to: tuple[Identifier, ...]
    within_min: Minutes
    text: Text
    public: bool = False
    from_level: Level = Level.IV
    when: Condition | None = None


class ResourceWant(_Part, frozen=True):
    """What to ask for: a capability (as the resource register names it), how much, by when, and which role asks."""

    id: Identifier
    capability: Identifier
    quantity: Annotated[float, Meta(gt=0)]
    unit: Phrase
    role: Identifier
    within_min: Minutes
    text: Text
    from_level: Level = Level.IV
    when: Condition | None = None


class ZoneKind(StrEnum):
    """What an area on the map is for."""

    ISOLATION = "isolation"
    PROTECTIVE = "protective"
    CORDON = "cordon"
    CONTROL = "control"
    STAGING = "staging"


class Zone(_Part, frozen=True):
    """An area to draw. Either `radius_m` with its `source`, a `polygon`, or `computed` (by the hazmat distances of the substance)."""

    id: Identifier
    kind: ZoneKind
    text: Text
    radius_m: Metres | None = None
    polygon: tuple[tuple[Lon, Lat], ...] = ()
    computed: bool = False
    source: str = ""
    when: Condition | None = None


class ExitCondition(_Part, frozen=True):
    """Something that must be so before a stage (or the response) ends; `tasks` are those whose completion shows it."""

    id: Identifier
    text: Text
    tasks: tuple[Identifier, ...] = ()


class SceneStage(_Part, frozen=True):
    """One on-scene stage with what must hold to leave it."""

    stage: Stage
    goal: Text
    exit: tuple[ExitCondition, ...]


class WorkingGroup(_Part, frozen=True):
    """A group of the on-scene command post: its lead and members by role."""

    id: Identifier
    title: Text
    lead: Identifier
    members: tuple[Identifier, ...] = ()
    from_level: Level = Level.IV


class Form(_Part, frozen=True):
    """A form that the response fills in."""

    id: Identifier
    title: Text
    role: Identifier


class Grants(_Part, frozen=True):
    """Who may see the incident (roles): lead, assist, informed; and who may open its cameras."""

    lead: tuple[Identifier, ...] = ()
    assist: tuple[Identifier, ...] = ()
    informed: tuple[Identifier, ...] = ()
    video: tuple[Identifier, ...] = ()


class AutomaticRule(_Part, frozen=True):
    """When the plan goes into force by itself (always announced; a person may revoke it within `revocable_min`)."""

    when: Condition
    level: Level
    text: Text
    revocable_min: Minutes = 30


class Plan(_Part, frozen=True, kw_only=True):
    """One version of one plan."""

    id: Identifier
    version: Annotated[int, Meta(ge=1)]
    title: Text
    kind: PlanKind
    status: PlanStatus
    source: Source
    valid_from: date
    valid_until: date | None = None
    assumptions: tuple[Text, ...] = ()
    applies: Condition
    supports: tuple[Condition, ...] = ()
    levels: tuple[LevelRule, ...] = ()
    roles: tuple[Role, ...] = ()
    tasks: Annotated[tuple[Task, ...], Meta(max_length=500)] = ()
    notices: tuple[Notice, ...] = ()
    resources: tuple[ResourceWant, ...] = ()
    zones: tuple[Zone, ...] = ()
    on_scene: tuple[SceneStage, ...] = ()
    groups: tuple[WorkingGroup, ...] = ()
    forms: tuple[Form, ...] = ()
    grants: Grants = Grants()
    automatic: AutomaticRule | None = None
    termination: tuple[ExitCondition, ...] = ()

    def role(self, role_id: str) -> Role:
        """The role of that id. Raises KeyError."""
        for role in self.roles:
            if role.id == role_id:
                return role
        raise KeyError(role_id)


def in_force(plan: Plan, on: date) -> bool:
    """Whether the plan is in force on that day (first and last day included)."""
    return plan.status is PlanStatus.IN_FORCE and plan.valid_from <= on and (plan.valid_until is None or on <= plan.valid_until)


def conditions(plan: Plan) -> Iterator[tuple[str, Condition]]:
    """Every condition of a plan with the path of the field it stands in."""
    yield "applies", plan.applies
    for i, support in enumerate(plan.supports):
        yield f"supports[{i}]", support
    for i, rule in enumerate(plan.levels):
        yield f"levels[{i}].criteria", rule.criteria
    for name in ("tasks", "notices", "resources", "zones"):
        for i, part in enumerate(getattr(plan, name)):
            if part.when is not None:
                yield f"{name}[{i}].when", part.when
    if plan.automatic is not None:
        yield "automatic.when", plan.automatic.when


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a plan file, for editors; a test keeps `catalogue/schema.json` equal to it."""
    schema = msgspec.json.schema(Plan)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Tocsin plan", **schema}
