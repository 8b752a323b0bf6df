"""`tocsin bench NAME`: measures one promise on this machine and prints a table, or with `--json` one object. Figures are ratios to a
yardstick measured in the same run wherever that is possible, since machines are noisy."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import platform
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hub.errors import Rejected

BENCHES: dict[str, tuple[str, str]] = {
    "ingest": ("hub.operate.bench_ingest:run", "每秒入库报告数，对照仅确认的客户端 / reports stored a second against a client that stores nothing"),
    "latency": ("hub.operate.bench_latency:run", "发布到回执、到屏幕 / publish to receipt and to the screen"),
    "growth": ("hub.operate.bench_growth:run", "一万与一百万报告时的耗时比 / times at 1,000,000 over 10,000 reports"),
    "start": ("hub.operate.bench_start:run", "启动与空闲内存 / start and idle memory"),
    "fairness": ("hub.operate.bench_fairness:run", "一个终端洪泛时其他终端 / the others while one agent floods"),
    "isolation": ("hub.operate.bench_isolation:run", "坏视频流不影响报告 / bad video against reports"),
    "video": ("hub.operate.bench_video:run", "视频延迟与占用 / video latency and cost"),
    "cameras": ("hub.operate.bench_cameras:run", "二百路无人观看的摄像头 / two hundred cameras that nobody watches"),
    "linkage": ("hub.operate.bench_linkage:run", "报告到首帧 / report to the first frame"),
    "suggestion": ("hub.operate.bench_suggestion:run", "报告到屏幕上的建议预案 / report to the suggested plan on the screen"),
    "duties": ("hub.operate.bench_duties:run", "日报送义务 / the daily duty"),
    "match": ("plans.bench:run", "预案匹配 / plan matching"),
    "triage": ("plans.triage.bench:run", "文本研判准确率 / triage accuracy"),
    "access": ("hub.operate.bench_access:run", "访问控制的代价 / what access checks cost"),
}


def bench(
    name: Annotated[str, typer.Argument(help=f"测量什么 / which: {', '.join(BENCHES)}")],
    json_only: Annotated[bool, typer.Option("--json", help="只输出一个 JSON 对象 / one JSON object")] = False,
    store: Annotated[str, typer.Option(help="sqlite 或 postgres（ingest）/ sqlite or postgres")] = "sqlite",
    workers: Annotated[int, typer.Option(min=1, max=8, help="入库进程数（ingest）/ ingest workers")] = 1,
    size: Annotated[int, typer.Option(min=0, help="规模，0 为文档所述 / size, 0 as documented")] = 0,
) -> None:
    """测量 / measure."""
    if name not in BENCHES:
        raise Rejected("unknown_bench", f"没有 {name}；可选：{'、'.join(BENCHES)}", f"there is no {name}; choose of {', '.join(BENCHES)}", field="name")
    console = Console(stderr=True)
    target, about = BENCHES[name]
    module, _, function = target.partition(":")
    try:
        run = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise Rejected("not_written", f"{name} 的测量尚未编写", f"the benchmark {name} is not written yet", field="name") from None
    given = {"store": store, "workers": workers, "size": size}
    wanted = {key: value for key, value in given.items() if key in inspect.signature(run).parameters}
    with console.status(about) as status:
        result = run(lambda text: status.update(f"{name}: {text}"), **wanted)
        figures: dict[str, Any] = asyncio.run(result) if inspect.iscoroutine(result) else result
    if json_only:
        typer.echo(json.dumps({"bench": name, "command": "tocsin " + " ".join(sys.argv[1:]), "machine": machine(), "figures": figures},
                              ensure_ascii=False))
        return
    table = Table(title=f"tocsin bench {name} — {about}")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for key, value in figures.items():
        table.add_row(key, f"{value:,.3f}" if isinstance(value, float) else str(value))
    console.print(table)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {"system": platform.platform(terse=True), "python": platform.python_version(), "cores": os.cpu_count() or 1}
