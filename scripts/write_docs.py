"""Writes the tables of docs/ that the code knows best: settings, routes, kinds of change, commands, and the wire's JSON Schema.

    python scripts/write_docs.py            # write them
    python scripts/write_docs.py --check    # say which are out of date, and exit 1 where one is
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import json
import pkgutil
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import typer
from typer.main import get_command

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
NOTE = "<!-- Written by scripts/write_docs.py from the code; edit the code. -->\n"


def cell(text: str) -> str:
    """A text as one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def settings() -> str:
    """Every setting with its default and its docstring."""
    from hub import settings as module

    body = next(node for node in ast.parse(inspect.getsource(module)).body if isinstance(node, ast.ClassDef) and node.name == "Settings").body
    about = {node.target.id: str(after.value.value) for node, after in pairwise(body)
             if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and isinstance(after, ast.Expr)
             and isinstance(after.value, ast.Constant)}
    rows = []
    for field in msgspec.structs.fields(module.Settings):
        default = "empty" if field.default == "" else f"`{json.dumps(field.default, ensure_ascii=False)}`"
        rows.append(f"| `{field.name}` | {default} | {cell(about[field.name])} |")
    return f"""{NOTE}
# Settings of the hub

Read in this order, the later winning: the default, a TOML file (`tocsin up --settings FILE`), the environment (`TOCSIN_` and the name in
capitals: `TOCSIN_WEB_PORT=8900`), the command line. Unknown names in the file and values out of range end the start with the setting's name.
A secret is never a setting: it is made at the first start below `data_dir/secrets` (mode 0600), or a setting that ends in `_file` names the
file it stands in. The settings of an agent are in [agent.md](agent.md).

```toml
# tocsin.toml
hub_name = "赣榆区突发事件信息共享中心"
data_dir = "/var/lib/tocsin"
web_port = 8800
```

| setting | default | meaning |
|---|---|---|
{chr(10).join(rows)}
"""


def routes() -> str:
    """Every route of the hub, by noun."""
    from hub.web.app import all_routes
    from hub.web.openapi import document

    found = all_routes()
    described = document(found)["paths"]
    parts: dict[str, list[str]] = defaultdict(list)
    for route in found:
        noun = route.handler.__module__.rpartition(".")[2]
        path = route.path.split(":")[0] + "}" if ":" in route.path else route.path
        operation = described.get(path, {}).get(route.method.lower(), {})
        query = ", ".join(f"`{p['name']}`" for p in operation.get("parameters", ()) if p["in"] == "query")
        body = "bytes" if route.body is bytes else f"`{route.body.__name__}`" if hasattr(route.body, "__name__") else "list" if route.body else ""
        acts = ", ".join(f"`{act}`" for act in (route.action, *route.also))
        said = (inspect.getdoc(route.handler) or "").split("\n\n")[0]
        parts[noun].append(f"| `{route.method}` | `{route.path}` | {acts} | {query} | {body} | {cell(route.zh)} — {cell(said or route.en)} |")
    tables = "\n".join(f"## {noun}\n\n| | path | act | query | body | what |\n|---|---|---|---|---|---|\n" + "\n".join(rows) + "\n"
                       for noun, rows in parts.items())
    return f"""{NOTE}
# Routes of the hub

REST below `/api/v1/`, JSON in UTF-8. The whole description with every schema is the OpenAPI 3.1 document, generated from the same types:
`tocsin openapi`, or `GET /api/v1/openapi.json` of a running hub.

People sign in and carry the cookie `tocsin` (HttpOnly, SameSite=Strict); whatever is not a GET also needs the header `x-tocsin` (any value), so
that another site cannot post in their name. Agents use HTTP Basic with their agent id and credential. The act is what the caller must be
permitted; `public` is for everybody. An answer that is not a success is `{{"code", "message": {{"zh", "en"}}, "field", "id", "retry_after_s"}}`:
401 not signed in, 403 not permitted, 404 not there (or not for this caller), 409 changed meanwhile, 422 refused with the field, 429 too many,
503 try again later.

{tables}"""


def changes() -> str:
    """Every kind of change, with the fields of its body."""
    import hub.domain
    from hub.domain.change import KINDS

    for module in pkgutil.walk_packages(hub.domain.__path__, "hub.domain."):
        importlib.import_module(module.name)
    rows = [f"| `{kind.kind}` | {cell(kind.zh)} | {cell(kind.en)} | {', '.join(f'`{name}`' for name in kind.body.__struct_fields__)} |"
            for _, kind in sorted(KINDS.items())]
    return f"""{NOTE}
# Kinds of change

Everything that happens is a change: one row of an append-only table, with a gap-free sequence number, the hash of the row before it, the time,
the actor (`person:ID`, `agent:ID`, `system:NAME`), the subject (`incident:ID`, `report:ID`, …) and a body. The body carries the whole resulting
view of its subject, so that a reader who replaces what it holds by id ends where a fresh snapshot would. The feed is read at
`GET /api/v1/changes?after=N` or followed at `/api/v1/live?after=N` (frames in [wire.md](wire.md)). A body destroyed by law is `null`; the
chain still verifies (`tocsin audit verify`).

| kind | 中文 | English | fields of the body |
|---|---|---|---|
{chr(10).join(rows)}
"""


def walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """A command and the commands below it, leaves only."""
    if hasattr(command, "commands"):
        for name in sorted(command.commands):
            yield from walk(command.commands[name], f"{path} {name}")
    else:
        yield path, command


def all_commands() -> list[tuple[str, Any]]:
    """Every command of `tocsin` that is a leaf, by its whole name."""
    from hub import cli

    found: list[tuple[str, Any]] = []
    for name, command in get_command(cli.app).commands.items():  # type: ignore[attr-defined] # a group: it has commands
        found += walk(command, f"tocsin {name}")
    for name, (target, _) in cli.PARTS.items():
        module, _, attribute = target.partition(":")
        if importlib.util.find_spec(module) is None:
            continue
        part = getattr(importlib.import_module(module), attribute)
        if isinstance(part, typer.Typer):
            found += walk(get_command(part), f"tocsin {name}")
        else:
            inner = typer.Typer(add_completion=False)
            inner.command(name)(part)
            found += walk(get_command(inner), f"tocsin {name}")
    return sorted(found, key=lambda one: one[0])


def commands() -> str:
    """Every command with its arguments and options."""
    rows = []
    for path, command in all_commands():
        takes = []
        for parameter in command.params:
            if parameter.param_type_name == "argument":
                takes.append(parameter.name.upper() if parameter.required else f"[{str(parameter.name).upper()}]")
            elif parameter.name != "help":
                takes.append(max(parameter.opts, key=len))
        given = " ".join(f"`{one}`" for one in takes)
        said = (command.help or "").split("\n\n")[0]
        rows.append(f"| `{path}` | {given} | {cell(said)} |")
    return f"""{NOTE}
# Commands

`tocsin COMMAND --help` says the same with the meaning of each option. Exit status: 0 done, 1 a check failed or a bug, 2 the input was refused
(one line with the reason and the field), 3 try again later. Two have numbers of their own: `tocsin agent`, `tocsin report` and `tocsin drill` say 3
for what the hub rejected and 4 for later ([agent.md](agent.md)), `tocsin evidence verify` says 3 for what was altered ([video.md](video.md)).

| command | takes | what it does |
|---|---|---|
{chr(10).join(rows)}
"""


def schema() -> str:
    """The wire's JSON Schema."""
    from hub import wire

    return json.dumps(wire.schema(), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


WRITTEN: dict[str, Callable[[], str]] = {
    "settings.md": settings, "routes.md": routes, "changes.md": changes, "commands.md": commands, "wire.schema.json": schema,
}


def main() -> None:
    """Write, or with --check compare."""
    stale: list[str] = []
    for name, write in WRITTEN.items():
        file, text = ROOT / "docs" / name, write()
        if file.is_file() and file.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in sys.argv:
            file.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"docs/{name}", "is out of date: python scripts/write_docs.py" if "--check" in sys.argv else "written")
    sys.exit(1 if stale and "--check" in sys.argv else 0)


if __name__ == "__main__":
    main()
