"""The board of daily reports over HTTP: today, the statistics of months and quarters, and both as a sheet."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

from aiohttp import web
from msgspec import Struct

from hub.documents.sheets import TYPE, statistics_sheet
from hub.domain.access import HUB, Action
from hub.domain.calendar import local_day, needs_table
from hub.errors import Rejected
from hub.store.access import reach
from hub.store.board import Board, Statistics, as_rows, board, statistics
from hub.store.organisation import list_departments
from hub.web.obligations import rules_of
from hub.web.route import Ask, Route

LONGEST_DAYS = 400


class BoardQuery(Struct, frozen=True, kw_only=True):
    """Which day; today where null."""

    day: date | None = None


class BoardView(Struct, frozen=True, kw_only=True):
    """A day's board; `needs_table` is the year whose holiday table is asked for; `seq` is the feed's head before reading."""

    board: Board
    today: str
    needs_table: int | None
    seq: int


class SpanQuery(Struct, frozen=True, kw_only=True):
    """From when to when, both inclusive; the present month where null."""

    first: date | None = None
    last: date | None = None


async def show(ask: Ask) -> BoardView:
    """Where every department stands on a day."""
    ask.require(Action.DAILY_BOARD, HUB)
    calendar = rules_of(ask).calendar
    today = local_day(calendar, ask.now)
    seq = await ask.store.head()
    near = reach(ask.actor, Action.DAILY_READ, ask.now)
    async with ask.store.read() as conn:
        found = await board(conn, (ask.query.day or today).isoformat(), ask.now, whole=near.whole, reach=near.departments)
    return BoardView(board=found, today=today.isoformat(), needs_table=needs_table(calendar, ask.now), seq=seq)


async def _statistics(ask: Ask) -> Statistics:
    ask.require(Action.STATISTICS_READ, HUB)
    query: SpanQuery = ask.query
    today = local_day(rules_of(ask).calendar, ask.now)
    first, last = query.first or today.replace(day=1), query.last or today
    if last < first or (last - first) > timedelta(days=LONGEST_DAYS):
        raise Rejected("bad_span", f"起止日期有误（最长 {LONGEST_DAYS} 天）", f"the span is wrong (at most {LONGEST_DAYS} days)", field="last")
    async with ask.store.read() as conn:
        return await statistics(conn, first, last, ask.now)


async def show_statistics(ask: Ask) -> Statistics:
    """Completeness, timeliness, ranking and trend; drills are not in it."""
    return await _statistics(ask)


async def sheet(ask: Ask) -> web.Response:
    """The statistics as an Excel sheet."""
    found = await _statistics(ask)
    async with ask.store.read() as conn:
        names = {d.id: d.zh for d in await list_departments(conn)}
    body = await asyncio.to_thread(statistics_sheet, found.first, found.last, as_rows(found, names))
    name = f"daily-{found.first}-{found.last}.xlsx"
    return web.Response(body=body, content_type=TYPE, headers={"Content-Disposition": f'attachment; filename="{name}"'})


ROUTES = [
    Route("GET", "/api/v1/board", show, Action.DAILY_BOARD, query=BoardQuery, returns=BoardView, zh="报送看板", en="the board"),
    Route("GET", "/api/v1/board/statistics", show_statistics, Action.STATISTICS_READ, query=SpanQuery, returns=Statistics, zh="报送统计", en="statistics"),
    Route("GET", "/api/v1/board/statistics.xlsx", sheet, Action.STATISTICS_READ, query=SpanQuery, export=True, zh="报送统计（Excel）", en="statistics as a sheet"),
]
