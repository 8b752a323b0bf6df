"""`tocsin agent-code AGENT`: a one-time enrolment code made by whoever stands at the machine, as the system administrator makes one on the page
of the agents. The making is in the change chain."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from hub.errors import Rejected
from hub.operate.stored import stored
from hub.settings import load_settings
from hub.store.agents import make_code
from hub.store.organisation import list_departments

BY = "system:cli"


def agent_code(
    agent_id: Annotated[str, typer.Argument(help="终端标识：小写字母、数字、连字符 / the agent's id: a–z, 0–9, hyphens")],
    department: Annotated[str, typer.Option(help="所属部门标识 / the department it belongs to")],
    name: Annotated[str, typer.Option(help="名称 / its name")] = "",
    kind: Annotated[str, typer.Option(help="种类 / kind")] = "field",
    trusted: Annotated[bool, typer.Option("--trusted", help="其首报即视为核实 / its first reports count as verified")] = False,
    must_sign: Annotated[bool, typer.Option("--must-sign", help="其报告须签名，否则拒收 / its reports are refused unless it has signed them")] = False,
    settings: Annotated[Path | None, typer.Option(help="设置文件 / settings file")] = None,
    data_dir: Annotated[str | None, typer.Option(help="数据目录 / data folder")] = None,
) -> None:
    """签发一次性入网码（24 小时内有效）并打印 / make a one-time enrolment code, good for a day, and print it."""

    async def run() -> str:
        async with stored(load_settings(settings, data_dir=data_dir)) as store:
            async with store.read() as conn:
                known = {one.id for one in await list_departments(conn)}
            if department not in known:
                raise Rejected("unknown_department", f"没有部门 {department}", f"there is no department {department}", field="department")
            async with store.transaction() as tx:
                return await make_code(tx, agent_id=agent_id, name=name or agent_id, kind=kind, department_id=department, trusted=trusted,
                                       must_sign=must_sign, by=BY)

    typer.echo(asyncio.run(run()))
