"""Plans from YAML and back: every fault is named with file, line and field, and a catalogue loads whole or not at all.

The only module of `plans` that reads plan files. YAML here is a plain subset: no anchors or aliases, no duplicate keys, no tags.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

import msgspec
import yaml

from hub.errors import Rejected, why_en, why_zh
from plans.facts import FIELDS, FieldKind, WarningKind
from plans.model import (
    AtLeast,
    AtMost,
    Condition,
    Flag,
    Inside,
    Leaf,
    OneOf,
    Plan,
    RoadSection,
    TaskStart,
    Under,
    Warned,
    conditions,
    leaves,
)
from plans.saying import in_chinese, syntax_in_chinese

MAX_FILE_BYTES = 1_000_000
MAX_DEPTH = 40
MAX_NODES = 60_000
LOCAL_TOWN = "local-town"
CATALOGUE = Path(__file__).parent / "catalogue"
SKELETON = Path(__file__).parent / "data" / "skeleton.yaml"

_Path = tuple[str | int, ...]
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}\Z")
_NUMBER = re.compile(r"[-+]?[0-9]{1,18}\.[0-9]{1,18}\Z")


class Fault(msgspec.Struct, frozen=True):
    """One thing wrong in a plan file: where it stands (line counts from 1) and what to do about it."""

    file: str
    line: int
    field: str
    code: str
    zh: str
    en: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field}: {self.code}: {self.zh} / {self.en}"


class PlanRejected(Rejected):
    """One or several plan files cannot be taken; nothing of them was. `faults` names each fault."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        first = faults[0]
        more_zh = f"（另有 {len(faults) - 1} 处）" if len(faults) > 1 else ""
        more_en = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        where = f"{first.file}:{first.line}"
        super().__init__(first.code, f"{where} {first.zh}{more_zh}", f"{where} {first.en}{more_en}", field=first.field)
        self.faults = tuple(faults)


class Department(msgspec.Struct, frozen=True):
    """A department that roles may be bound to."""

    id: str
    zh: str
    en: str
    adcode: str | None = None


class _Directory(msgspec.Struct, frozen=True):
    source: str
    edition: str
    valid_from: str
    departments: tuple[Department, ...]
    towns: tuple[Department, ...]


@cache
def _directory() -> _Directory:
    text = (Path(__file__).parent / "data" / "departments.yaml").read_text("utf-8")
    return msgspec.convert(yaml.safe_load(text), _Directory)


def departments() -> Mapping[str, Department]:
    """Departments and towns by id, as the data file names them."""
    return {d.id: d for d in (*_directory().departments, *_directory().towns)}


def towns_by_adcode() -> Mapping[str, str]:
    """Nine-digit adcode → department id of the town."""
    return {t.adcode: t.id for t in _directory().towns if t.adcode}


# -- YAML to plain values with lines ---------------------------------------------------------------


class _Broken(Exception):
    def __init__(self, line: int, field: str, code: str, zh: str, en: str) -> None:
        super().__init__(en)
        self.line, self.field, self.code, self.zh, self.en = line, field, code, zh, en

    def fault(self, file: str) -> Fault:
        return Fault(file, self.line, self.field, self.code, self.zh, self.en)


_UNPRINTABLE: re.Pattern[str] = yaml.reader.Reader.NON_PRINTABLE


def _check_characters(text: str) -> None:
    """Name a character that stands in no text (a NUL, half of a surrogate pair) before the parser stumbles over it without saying where."""
    found = _UNPRINTABLE.search(text)
    if found:
        code = f"U+{ord(found.group()):04X}"
        line, column = text.count("\n", 0, found.start()) + 1, found.start() - text.rfind("\n", 0, found.start())
        raise _Broken(line, "$", "yaml_character", f"第 {column} 个字符 {code} 不是可见文字，文件可能已损坏", f"character {column}, {code}, is no text; the file may be damaged")


def _starts_with_tab(text: str, line: int) -> bool:
    lines = text.splitlines()
    return line <= len(lines) and "\t" in lines[line - 1][: len(lines[line - 1]) - len(lines[line - 1].lstrip())]


def text_of(raw: bytes, *, file: str = "<text>") -> str:
    """The text of a plan's file, a byte order mark left out. Raises PlanRejected naming the line of the first byte that is no UTF-8."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise PlanRejected([Fault(file, line, "$", "not_utf8", "文件不是 UTF-8 编码，请另存为 UTF-8 后再试", "the file is not UTF-8; save it as UTF-8 and try again")]) from None


def _check_events(text: str) -> None:
    """Walk the parser's events (no recursion) and refuse what could grow: aliases, depth, too many nodes, several documents."""
    depth = nodes = documents = 0
    for event in yaml.parse(text, Loader=_LOADER):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _Broken(line, "$", "yaml_alias", "预案文件不允许使用锚点或别名", "anchors and aliases are not allowed in a plan file")
        if tag := getattr(event, "tag", None):
            raise _Broken(line, "$", "yaml_tag", f"预案文件不允许使用类型标签“{tag}”", f"the tag {tag!r} is not allowed in a plan file")
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _Broken(line, "$", "yaml_documents", "一个文件只能有一个预案", "one file holds one plan")
        nodes += isinstance(event, yaml.NodeEvent)
        if nodes > MAX_NODES:
            raise _Broken(line, "$", "yaml_too_large", f"节点超过 {MAX_NODES} 个", f"more than {MAX_NODES} nodes")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise _Broken(line, "$", "yaml_too_deep", f"嵌套超过 {MAX_DEPTH} 层", f"nested deeper than {MAX_DEPTH}")


def _scalar(node: yaml.Node) -> object:
    value = str(node.value)
    if isinstance(node, yaml.ScalarNode) and node.style in ('"', "'", "|", ">"):
        return value
    if value in ("", "~", "null"):
        return None
    if value in ("true", "false"):
        return value == "true"
    if _INTEGER.match(value):
        return int(value)
    if _NUMBER.match(value):
        return float(value)
    return value


def _plain(node: yaml.Node, path: _Path, lines: dict[_Path, int]) -> object:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        result: dict[str, object] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise _Broken(line, _dotted(path), "yaml_key", "键必须是文字", "a key must be text")
            key = str(key_node.value)
            if key in result:
                raise _Broken(line, _dotted((*path, key)), "yaml_duplicate_key", f"字段“{key}”重复", f"the field {key!r} stands twice")
            result[key] = _plain(value_node, (*path, key), lines)
            lines[(*path, key)] = line
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_plain(child, (*path, i), lines) for i, child in enumerate(node.value)]
    return _scalar(node)


def _dotted(path: _Path) -> str:
    text = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path)
    return text.lstrip(".") or "$"


_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")


def _path_of(dotted: str) -> _Path:
    """`$.tasks[3].due_min` → ("tasks", 3, "due_min")."""
    return tuple(
        int(i) if i.isdigit() else (name or i) for name, i in _STEP.findall(dotted if dotted.startswith((".", "[", "$")) else f".{dotted}")
    )


def _line_of(lines: Mapping[_Path, int], path: _Path) -> int:
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def line_of(lines: Mapping[_Path, int], dotted: str) -> int:
    """The line on which a field (`cases[2].facts.grade`), or what holds it, stands."""
    return _line_of(lines, _path_of(dotted))


# -- meaning: what types alone cannot say ----------------------------------------------------------


class _Found(msgspec.Struct, frozen=True):
    field: str
    code: str
    zh: str
    en: str


def _duplicates(plan: Plan) -> Iterable[_Found]:
    for name in ("tasks", "roles", "notices", "resources", "zones", "groups", "forms"):
        seen: set[str] = set()
        for i, part in enumerate(getattr(plan, name)):
            if part.id in seen:
                yield _Found(f"{name}[{i}].id", "duplicate_id", f"编号“{part.id}”重复", f"the id {part.id!r} stands twice")
            seen.add(part.id)
    for name, values in (("levels", [r.level for r in plan.levels]), ("on_scene", [s.stage for s in plan.on_scene])):
        for i, value in enumerate(values):
            if value in values[:i]:
                yield _Found(f"{name}[{i}]", "duplicate_id", f"“{value}”重复", f"{value!r} stands twice")


def _role_uses(plan: Plan) -> Iterable[tuple[str, str]]:
    for name in ("tasks", "resources", "forms"):
        for i, part in enumerate(getattr(plan, name)):
            yield f"{name}[{i}].role", part.role
    for i, notice in enumerate(plan.notices):
        for j, role in enumerate(notice.to):
            yield f"notices[{i}].to[{j}]", role
    for i, group in enumerate(plan.groups):
        yield f"groups[{i}].lead", group.lead
        for j, role in enumerate(group.members):
            yield f"groups[{i}].members[{j}]", role
    for tier in ("lead", "assist", "informed", "video"):
        for j, role in enumerate(getattr(plan.grants, tier)):
            yield f"grants.{tier}[{j}]", role


def _roles(plan: Plan, known: Mapping[str, Department]) -> Iterable[_Found]:
    own = {role.id for role in plan.roles}
    for field, role in _role_uses(plan):
        if role not in own:
            yield _Found(field, "unknown_role", f"预案没有角色“{role}”", f"the plan has no role {role!r}")
    for i, part in enumerate(plan.roles):
        if part.department not in known and part.department != LOCAL_TOWN:
            yield _Found(
                f"roles[{i}].department",
                "unknown_department",
                f"没有部门“{part.department}”",
                f"there is no department {part.department!r}",
            )


def _tasks(plan: Plan) -> Iterable[_Found]:
    by_id = {task.id: task for task in plan.tasks}
    keys: dict[tuple[str, str, str], str] = {}
    for i, task in enumerate(plan.tasks):
        for j, other in enumerate(task.after):
            if other not in by_id:
                yield _Found(f"tasks[{i}].after[{j}]", "unknown_task", f"没有任务“{other}”", f"there is no task {other!r}")
            elif task.starts is TaskStart.ACTIVATION and by_id[other].starts is TaskStart.TERMINATION:
                yield _Found(
                    f"tasks[{i}].after[{j}]",
                    "task_order",
                    f"“{other}”在终止后才开始",
                    f"{other!r} starts only after the response has ended",
                )
        key = (task.action, task.role, task.object)
        if key in keys:
            yield _Found(
                f"tasks[{i}]",
                "same_task_twice",
                f"与任务“{keys[key]}”动作、角色、对象相同",
                f"same action, role and object as {keys[key]!r}",
            )
        keys.setdefault(key, task.id)
    cycle = find_cycle({task.id: task.after for task in plan.tasks})
    if cycle:
        i = next(n for n, task in enumerate(plan.tasks) if task.id == cycle[0])
        chain = " → ".join((*cycle, cycle[0]))
        yield _Found(f"tasks[{i}].after", "task_cycle", f"任务先后成环：{chain}", f"the tasks wait for each other: {chain}")
    for i, stage in enumerate(plan.on_scene):
        for j, leave in enumerate(stage.exit):
            for k, name in enumerate(leave.tasks):
                if name not in by_id:
                    yield _Found(f"on_scene[{i}].exit[{j}].tasks[{k}]", "unknown_task", f"没有任务“{name}”", f"there is no task {name!r}")


def find_cycle(after: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The first cycle of a precedence graph, beginning at its smallest name; empty where there is none."""
    state: dict[str, int] = {}
    for root in sorted(after):
        trail: list[str] = []
        stack: list[tuple[str, bool]] = [(root, False)]
        while stack:
            name, leaving = stack.pop()
            if leaving:
                state[name] = 2
                trail.pop()
                continue
            if state.get(name) == 1:
                cycle = trail[trail.index(name) :]
                start = cycle.index(min(cycle))
                return tuple(cycle[start:] + cycle[:start])
            if state.get(name) == 2 or name not in after:
                continue
            state[name] = 1
            trail.append(name)
            stack.append((name, True))
            stack.extend((other, False) for other in after[name])
    return ()


_TEXTUAL = (FieldKind.TEXT, FieldKind.CODE, FieldKind.HAZARD_CLASS)
_STRUCTURED = ("event_types", "place.position")


def _named_field(leaf: Leaf) -> tuple[str, tuple[FieldKind, ...]] | None:
    match leaf:
        case OneOf():
            return leaf.field, _TEXTUAL
        case Flag():
            return leaf.field, (FieldKind.FLAG,)
        case AtLeast() | AtMost():
            return leaf.field, (FieldKind.NUMBER,)
        case _:
            return None


def _conditions(plan: Plan) -> Iterable[_Found]:
    for root, condition in conditions(plan):
        for below, leaf in leaves(condition):
            yield from _leaf(root + below, leaf)


def _leaf(where: str, leaf: Leaf) -> Iterable[_Found]:
    named = _named_field(leaf)
    if named is not None:
        path, kinds = named
        spec = FIELDS.get(path)
        if spec is None:
            yield _Found(f"{where}.field", "unknown_field", f"没有事实字段“{path}”", f"there is no fact {path!r}")
        elif spec.kind not in kinds or path in _STRUCTURED:
            yield _Found(f"{where}.field", "wrong_condition", f"“{path}”不能用这种条件", f"{path!r} cannot be asked this way")
        elif isinstance(leaf, OneOf) and (allowed := closed_values(path)):
            for j, value in enumerate(leaf.values):
                if value not in allowed:
                    yield _unknown_value(f"{where}.values[{j}]", value, allowed)
    if isinstance(leaf, Under):
        for j, family in enumerate(leaf.families):
            if family not in closed_values("family"):
                yield _unknown_value(f"{where}.families[{j}]", family, closed_values("family"))
    if isinstance(leaf, Warned):
        for j, warning in enumerate(leaf.kinds):
            if warning not in closed_values("weather.warnings"):
                yield _unknown_value(f"{where}.kinds[{j}]", warning, closed_values("weather.warnings"))
    if isinstance(leaf, OneOf) and leaf.field == "hazmat.un":
        for j, value in enumerate(leaf.values):
            if value not in _known_un():
                yield _Found(f"{where}.values[{j}]", "unknown_un", f"没有 UN 编号“{value}”", f"there is no UN number {value!r}")
    if isinstance(leaf, RoadSection) and leaf.from_km is not None and leaf.to_km is not None and leaf.from_km > leaf.to_km:
        yield _Found(f"{where}.from_km", "range", "起点桩号大于终点桩号", "from_km is beyond to_km")
    if isinstance(leaf, Inside):
        yield from _polygon(f"{where}.polygon", leaf.polygon)


def _unknown_value(where: str, value: str, allowed: Iterable[str]) -> _Found:
    """A value that no incident can have: the plan would silently never match by it."""
    return _Found(where, "unknown_value", f"“{value}”不在取值范围内", f"{value!r} is none of {', '.join(allowed)}")


def closed_values(field: str) -> tuple[str, ...]:
    """The values of a fact that takes no others; empty for one that may be anything."""
    return FIELDS[field].values or _closed().get(field, ())


@cache
def _closed() -> Mapping[str, tuple[str, ...]]:
    """The facts whose values are those of a table, with these: hazard classes and divisions, guides, containers, families of events,
    kinds of weather warnings."""
    from plans.hazmat import lookup
    from plans.triage.text import data

    divisions = {placard.class_ for placard in lookup.placards()}
    return {
        "hazmat.class": tuple(sorted(divisions | {division.split(".")[0] for division in divisions})),
        "hazmat.guide": tuple(sorted(lookup.guides())),
        "hazmat.container": tuple(sorted(lookup.container_codes())),
        "family": tuple(sorted(data("families.yaml")["families"])),
        "weather.warnings": tuple(kind.value for kind in WarningKind),
    }


@cache
def _known_un() -> frozenset[str]:
    from plans.hazmat import lookup

    return frozenset(lookup.substances())


def _polygon(where: str, ring: Sequence[tuple[float, float]]) -> Iterable[_Found]:
    crossing = self_crossing(ring)
    if crossing is not None:
        i, j = crossing
        yield _Found(where, "polygon_crosses_itself", f"第 {i + 1} 条边与第 {j + 1} 条边相交", f"edge {i + 1} crosses edge {j + 1}")


def self_crossing(ring: Sequence[tuple[float, float]]) -> tuple[int, int] | None:
    """The first two edges (from 0) of a ring that cross or touch where they should not; None for a simple ring."""
    points = list(ring[:-1]) if len(ring) > 1 and ring[0] == ring[-1] else list(ring)
    count = len(points)
    edges = [(points[i], points[(i + 1) % count]) for i in range(count)]
    for i in range(count):
        if edges[i][0] == edges[i][1]:
            return i, i
        for j in range(i + 1, count):
            neighbours = j == i + 1 or (i == 0 and j == count - 1)
            if neighbours and count > 3:
                first, second = (edges[i], edges[j]) if j == i + 1 else (edges[j], edges[i])
                if _turn(*first, second[1]) == 0 and _on(first[0], first[1], second[1]):
                    return i, j
            elif not neighbours and _cross(edges[i], edges[j]):
                return i, j
    if count < 3 or all(_turn(points[0], points[1], p) == 0 for p in points[2:]):
        return 0, min(1, count - 1)
    return None


_Point = tuple[float, float]


def _turn(a: _Point, b: _Point, c: _Point) -> int:
    cross = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return (cross > 0) - (cross < 0)


def _on(a: _Point, b: _Point, p: _Point) -> bool:
    return min(a[0], b[0]) <= p[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= p[1] <= max(a[1], b[1])


def _cross(e: tuple[_Point, _Point], f: tuple[_Point, _Point]) -> bool:
    a, b, c, d = *e, *f
    t1, t2, t3, t4 = _turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)
    if t1 != t2 and t3 != t4:
        return True
    return any(t == 0 and _on(*edge, p) for t, edge, p in ((t1, e, c), (t2, e, d), (t3, f, a), (t4, f, b)))


def _rest(plan: Plan) -> Iterable[_Found]:
    if plan.valid_until is not None and plan.valid_until < plan.valid_from:
        yield _Found("valid_until", "range", "失效日期早于生效日期", "valid_until is before valid_from")
    for i, zone in enumerate(plan.zones):
        ways = (zone.radius_m is not None) + bool(zone.polygon) + zone.computed
        if ways != 1:
            yield _Found(
                f"zones[{i}]", "zone_shape", "半径、多边形、按物质计算三者取一", "give one of radius_m, polygon or computed, and only one"
            )
        if zone.radius_m is not None and not zone.source:
            yield _Found(f"zones[{i}].source", "distance_without_source", "距离必须注明来源", "a distance must name its source")
        if zone.polygon:
            yield from _polygon(f"zones[{i}].polygon", zone.polygon)
    if plan.automatic is not None and plan.levels and plan.automatic.level not in {r.level for r in plan.levels}:
        yield _Found("automatic.level", "unknown_level", "预案没有这一级响应", "the plan has no such level")
    if plan.tasks and not plan.levels:
        yield _Found("levels", "no_levels", "有任务的预案必须写明响应分级", "a plan with tasks must say its response levels")


def _meaning(plan: Plan) -> list[_Found]:
    known = departments()
    return [*_duplicates(plan), *_roles(plan, known), *_tasks(plan), *_conditions(plan), *_rest(plan)]


# -- the doors -------------------------------------------------------------------------------------


class Reading(msgspec.Struct, frozen=True):
    """What an editor is told of a text: the plan (None where its shape is wrong), its faults, and where each field stands.

    `spans` gives the first and last character (offsets, the last exclusive) of the value of every plain field, by its dotted name.
    """

    plan: Plan | None
    faults: tuple[Fault, ...]
    lines: Mapping[_Path, int]
    spans: Mapping[str, tuple[int, int]]

    def line_of(self, field: str) -> int:
        """The line of a field, or of the nearest part around it."""
        return _line_of(self.lines, _path_of(field))


def read_text(text: str, *, file: str = "<text>") -> Reading:
    """Read one plan for an editor; never raises for what is wrong in the text."""
    lines: dict[_Path, int] = {}
    spans: dict[str, tuple[int, int]] = {}
    plan, faults = _decode(text, file, lines, spans)
    return Reading(plan, tuple(faults), lines, spans)


def _spans(node: yaml.Node, path: _Path, found: dict[str, tuple[int, int]]) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            _spans(value, (*path, str(key.value)), found)
    elif isinstance(node, yaml.ScalarNode):
        found[_dotted(path)] = (node.start_mark.index, node.end_mark.index)


def plain_yaml(text: str, file: str, spans: dict[str, tuple[int, int]] | None = None) -> tuple[object, dict[_Path, int]]:
    """The plain values of one YAML mapping and the line of every field. Raises PlanRejected for what is not the plain subset, or too much."""
    lines: dict[_Path, int] = {}
    try:
        if len(text.encode("utf-8", "surrogatepass")) > MAX_FILE_BYTES:
            raise _Broken(1, "$", "yaml_too_large", f"文件超过 {MAX_FILE_BYTES} 字节", f"the file is larger than {MAX_FILE_BYTES} bytes")
        _check_characters(text)
        _check_events(text)
        node = yaml.compose(text, Loader=_LOADER)
        if node is None:
            raise _Broken(1, "$", "yaml_shape", "文件是空的", "the file is empty")
        if not isinstance(node, yaml.MappingNode):
            raise _Broken(1, "$", "yaml_shape", "文件应由“字段: 值”的行组成", "the file must consist of lines `field: value`")
        if spans is not None:
            _spans(node, (), spans)
        return _plain(node, (), lines), lines
    except _Broken as broken:
        fault = broken.fault(file)
    except (yaml.YAMLError, UnicodeError) as error:
        mark = getattr(error, "problem_mark", None)
        what = str(getattr(error, "problem", None) or "unreadable text")
        line = mark.line + 1 if mark is not None else 1
        if _starts_with_tab(text, line):
            what = "found a tab character that violates indentation"
        fault = Fault(file, line, "$", "yaml_syntax", f"YAML 语法错误：{syntax_in_chinese(what)}", f"not valid YAML: {what}")
    raise PlanRejected([fault])


def _decode(
    text: str, file: str, lines: dict[_Path, int] | None = None, spans: dict[str, tuple[int, int]] | None = None,
) -> tuple[Plan | None, list[Fault]]:
    lines = {} if lines is None else lines
    try:
        raw, read = plain_yaml(text, file, spans)
        lines.update(read)
        plan = msgspec.convert(raw, Plan)
    except PlanRejected as error:
        return None, list(error.faults)
    except msgspec.ValidationError as error:
        return None, [type_fault(str(error), lines, file)]
    found = _meaning(plan)
    return plan, [Fault(file, _line_of(lines, _path_of(f.field)), f.field, f.code, f.zh, f.en) for f in found]


def type_fault(message: str, lines: Mapping[_Path, int], file: str) -> Fault:
    """What the decoder says of a value of the wrong shape, with its line and in both languages."""
    what, _, where = message.partition(" - at `")
    path = _path_of(where.rstrip("`"))
    unknown = re.search(r"unknown field `([^`]+)`", what)
    if unknown:
        path = (*path, unknown.group(1))
    return Fault(file, _line_of(lines, path), _dotted(path), "schema", f"与格式不符：{in_chinese(what)}", f"does not fit the schema: {what}")


def load_text(text: str, *, file: str = "<text>") -> Plan:
    """Read one plan from YAML text. Raises PlanRejected naming every fault with file, line and field."""
    plan, faults = _decode(text, file)
    if faults or plan is None:
        raise PlanRejected(faults)
    return plan


def load_bytes(raw: bytes, *, file: str = "<text>") -> Plan:
    """Read one plan from a file's bytes. Raises PlanRejected naming every fault with file, line and field."""
    return load_text(text_of(raw, file=file), file=file)


def load_files(files: Sequence[Path]) -> tuple[Plan, ...]:
    """Read plan files, all or none; the same id and version twice is a fault. Raises PlanRejected with the faults of all files."""
    plans: list[Plan] = []
    faults: list[Fault] = []
    seen: dict[tuple[str, int], str] = {}
    for path in files:
        plan, found = _read(path)
        faults += found
        if plan is None:
            continue
        key = (plan.id, plan.version)
        if key in seen:
            faults.append(
                Fault(str(path), 1, "id", "duplicate_plan", f"与 {seen[key]} 的编号和版本相同", f"same id and version as {seen[key]}")
            )
        seen.setdefault(key, str(path))
        plans.append(plan)
    if faults:
        raise PlanRejected(faults)
    return tuple(plans)


def _read(path: Path) -> tuple[Plan | None, list[Fault]]:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            en = f"the file is larger than {MAX_FILE_BYTES} bytes"
            return None, [Fault(str(path), 1, "$", "yaml_too_large", f"文件超过 {MAX_FILE_BYTES} 字节", en)]
        text = text_of(path.read_bytes(), file=str(path))
    except PlanRejected as refused:
        return None, list(refused.faults)
    except OSError as error:
        return None, [Fault(str(path), 1, "$", "unreadable", f"读不出：{why_zh(error)}", f"cannot be read: {why_en(error)}")]
    return _decode(text, str(path))


def edition_of(folder: Path = CATALOGUE) -> str:
    """SHA-256 over the plan files of a folder, names and contents: another one is another edition."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.yaml")):
        for part in (path.relative_to(folder).as_posix().encode(), path.read_bytes()):
            digest.update(len(part).to_bytes(8) + part)
    return digest.hexdigest()


def load_folder(folder: Path = CATALOGUE) -> tuple[Plan, ...]:
    """Read every `*.yaml` of a folder and its subfolders in the order of names, all or none. Raises PlanRejected, also where there is no folder."""
    if not folder.is_dir():
        raise PlanRejected([Fault(str(folder), 1, "$", "unreadable", "没有这个文件夹", "there is no such folder")])
    return load_files(sorted(folder.rglob("*.yaml")))


class _Dumper(yaml.SafeDumper):
    pass


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    number_like = bool(_INTEGER.match(value) or _NUMBER.match(value)) or value in ("", "~", "null", "true", "false")
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"' if number_like else None)


_Dumper.add_representer(str, _represent_text)
_Dumper.ignore_aliases = lambda self, data: True  # type: ignore[method-assign]


def export_text(plan: Plan) -> str:
    """The plan as YAML that `load_text` reads back to the same value."""
    return yaml.dump(
        _small_flow(msgspec.to_builtins(plan)), Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=140, default_flow_style=False
    )


class _Flow(dict[str, object]):
    pass


class _FlowList(list[object]):
    pass


_Dumper.add_representer(_Flow, lambda d, v: d.represent_mapping("tag:yaml.org,2002:map", v, flow_style=True))
_Dumper.add_representer(_FlowList, lambda d, v: d.represent_sequence("tag:yaml.org,2002:seq", v, flow_style=True))


def _small_flow(value: object) -> object:
    """Write small maps and lists on one line, so that a plan reads as a table."""
    if isinstance(value, Mapping):
        inner = {k: _small_flow(v) for k, v in value.items()}
        flat = all(not isinstance(v, dict | list) or isinstance(v, _Flow | _FlowList) for v in inner.values())
        return _Flow(inner) if flat and len(str(inner)) <= 150 else inner
    if isinstance(value, list | tuple):
        items = [_small_flow(v) for v in value]
        short = all(isinstance(v, str | int | float | _FlowList) for v in items)
        return _FlowList(items) if short and len(str(items)) <= 110 else items
    return value


def condition_from(value: object) -> Condition:
    """A condition from plain values (the console's editor). Raises Rejected."""
    try:
        condition: Condition = msgspec.convert(value, Condition)
    except msgspec.ValidationError as error:
        raise Rejected("schema", f"条件格式不符：{error}", f"not a condition: {error}", field="condition") from None
    for below, leaf in leaves(condition):
        for found in _leaf(f"condition{below}", leaf):
            raise Rejected(found.code, found.zh, found.en, field=found.field)
    return condition
