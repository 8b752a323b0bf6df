"""`tocsin hazmat`: look a substance up and draw its zones from the command line, with no network. Prints, and holds no rules."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer

from hub.clock import parse_utc
from hub.errors import Rejected
from plans.hazmat import card as cards
from plans.hazmat import lookup
from plans.hazmat import wind as winds
from plans.hazmat.model import Container, HazmatCard, HazmatFacts, MatchKind, Point, Shape, Sourced, SpillSize, Substance

app = typer.Typer(help="危险货物：查物质、画区域（离线） / Dangerous goods: lookup and zones, offline", no_args_is_help=True)


def _refuse(error: Rejected) -> typer.Exit:
    typer.echo(f"{error.code}: {error.message}" + (f" [{error.field}]" if error.field else ""), err=True)
    return typer.Exit(2)


def _line(substance: Substance) -> str:
    classes = "/".join(dict.fromkeys(c.class_ for c in substance.classes)) or "-"
    hins = "/".join(dict.fromkeys(c.hin for c in substance.classes if c.hin)) or "-"
    guide = substance.guides[0]
    return f"UN{substance.un} {substance.name_zh or ''} {substance.name_en} | class {classes} | HIN {hins} | guide {guide.value} ({guide.edition})"


@app.command("lookup")
def look_up(
    text: Annotated[str, typer.Argument(help="UN、橙色牌268/1005、危险识别号、名称、别名、CAS / UN, plate, HIN, name, alias, CAS")],
    limit: Annotated[int, typer.Option(min=1, max=100, help="最多几条 / at most")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON / print JSON")] = False,
) -> None:
    """查物质 / Find a substance; exit 1 when nothing was found, 2 for a number that does not exist."""
    try:
        matches = lookup.search(text, limit)
    except Rejected as error:
        raise _refuse(error) from error
    if as_json:
        typer.echo(msgspec.json.encode(matches).decode())
    else:
        if matches and all(match.why is MatchKind.LIKE for match in matches):
            typer.echo("没有这个名称，写法相近的有（请核对）： / no such name; written alike (check which it is):", err=True)
        for match in matches:
            typer.echo(_line(match.substance))
    if not matches:
        typer.echo("没有找到：按指南111，隔离100米 / nothing found: guide 111, isolate 100 m", err=True)
        raise typer.Exit(1)


@app.command("placard")
def by_placard(
    class_: Annotated[str | None, typer.Argument(metavar="CLASS", help="菱形标志底角的类别，如 2.3、第3类 / class on the diamond")] = None,
    colour: Annotated[str | None, typer.Option(help="底色，如 红、白黑 / colours, e.g. red, white black")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON / print JSON")] = False,
) -> None:
    """不知何物时按菱形标志查 / By the diamond, for a load nobody can name; both left out lists every diamond."""
    try:
        found = lookup.by_placard(class_, colour) if class_ or colour else lookup.placards()
    except Rejected as error:
        raise _refuse(error) from error
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    for one in found:
        typer.echo(f"{one.class_}\t{one.background.zh} {one.symbol.zh} {one.name.zh} / {one.background.en}, {one.symbol.en}: {one.name.en}\tguide {one.guide.value}")


@app.command("zones")
def draw(
    lon: Annotated[float, typer.Option(help="经度 WGS-84 / longitude")],
    lat: Annotated[float, typer.Option(help="纬度 WGS-84 / latitude")],
    un: Annotated[str | None, typer.Option(help="UN编号 / UN number; without it guide 111")] = None,
    hin: Annotated[str | None, typer.Option(help="危险识别号 / hazard identification number")] = None,
    placard: Annotated[str | None, typer.Option(help="只看见菱形标志时的类别，如 2.3 / class on the diamond where nothing else is known")] = None,
    wind: Annotated[str | None, typer.Option(help="风，如 东南风3级、SE、135° / wind")] = None,
    container: Annotated[Container, typer.Option(help="容器 / container")] = Container.UNKNOWN,
    leak: Annotated[bool | None, typer.Option("--leak/--no-leak", help="泄漏 / leak")] = None,
    fire: Annotated[bool, typer.Option("--fire", help="着火 / fire")] = False,
    in_water: Annotated[bool | None, typer.Option("--in-water/--not-in-water", help="入水 / spilled in water")] = None,
    quantity_kg: Annotated[float | None, typer.Option(help="数量，千克 / quantity")] = None,
    spill: Annotated[SpillSize | None, typer.Option(help="泄漏大小，现场说了算 / size of the spill as told from the scene")] = None,
    material: Annotated[str | None, typer.Option(help="表1同一编号下的哪种物质（原书写法） / which material of Table 1 under the number, as the book writes it")] = None,
    hazard_zone: Annotated[str | None, typer.Option(help="吸入危害区 A 到 D / inhalation hazard zone A to D")] = None,
    shape: Annotated[Shape, typer.Option(help="楔形或原书方形 / wedge or the square of the book")] = Shape.WEDGE,
    at: Annotated[str | None, typer.Option(help="时间 ISO 8601 / time; now by default")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="整张卡片 / the whole card")] = False,
) -> None:
    """画区域 / Distances, zones, people inside and the way in."""
    try:
        moment = _moment(at)
        facts = HazmatFacts(
            un=un, hin=hin, placard_class=placard, leak=leak, fire=fire, container=container, in_water=in_water, quantity_kg=quantity_kg,
            spill=spill, hazard_zone=hazard_zone, material=material,
            point=Point(lon, lat), wind=winds.parse(wind, moment) if wind else None,
        )  # fmt: skip
        card = cards.card(facts, at=moment, shape=shape)
    except Rejected as error:
        raise _refuse(error) from error
    if as_json:
        typer.echo(msgspec.json.encode(card).decode())
    else:
        _print(card)


def _moment(at: str | None) -> datetime:
    if at is None:
        return datetime.now(UTC)
    try:
        return parse_utc(at)
    except ValueError as error:
        raise Rejected("bad_time", "时间格式不对，应带时区。", "Not a time with an offset.", field="at") from error


def _metres(value: Sourced | None) -> str:
    return "-" if value is None else f"{value.value:g}{'+' if value.plus else ''} {value.unit} ({value.source}; {value.conversion})"


def _print(card: HazmatCard) -> None:
    typer.echo(card.title.zh + "\n" + card.title.en)
    typer.echo(f"隔离 isolate: {_metres(card.distances.isolation)}")
    typer.echo(f"防护 protect ({card.distances.daylight}, {card.distances.direction}): {_metres(card.distances.protective)}")
    typer.echo(f"火灾隔离 isolate a fire: {_metres(card.distances.fire_isolation)}")
    typer.echo(f"火灾疏散 evacuate a fire: {_metres(card.distances.fire_evacuation)}")
    for zone in card.zones:
        facing = "" if zone.downwind_deg is None else f" towards {zone.downwind_deg:.0f}° ± {zone.half_angle_deg or 0:.0f}°"
        typer.echo(f"{zone.kind} {zone.shape} {zone.radius.value:g} m, {zone.area_m2 / 1e4:.1f} ha{facing}")
    if card.staging is not None:
        typer.echo(card.staging.approach.zh + card.staging.reason.zh + " / " + card.staging.approach.en)
    for affected in card.affected:
        receptor = affected.receptor
        typer.echo(f"  {affected.distance_m:.0f} m {affected.bearing_deg:.0f}° {receptor.name_zh} {receptor.population or '?'}{' [DEMO]' if receptor.demo else ''}")
    for words in (*card.distances.notes, *card.warnings, *card.limits):
        typer.echo(f"! {words.zh} / {words.en}")
