"""The OpenAPI 3.1 document, generated from the same routes and types that serve."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from hub import __version__
from hub.web.route import PUBLIC, Done, Problem, Route
from hub.wire import Receipt

_PART = re.compile(r"{([^}:]+)(:[^}]*)?}")


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """OpenAPI 3.1 of the given routes."""
    routes = list(routes)
    kinds = [kind for route in routes for kind in (route.body, route.returns) if kind is not None and kind is not bytes]
    schemas, components = msgspec.json.schema_components([*kinds, Problem, Done], ref_template="#/components/schemas/{name}")
    by_kind = {id(kind): schema for kind, schema in zip([*kinds, Problem, Done], schemas, strict=True)}
    paths: dict[str, Any] = {}
    for route in routes:
        path = _PART.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, path, by_kind)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tocsin", "version": __version__, "description": "突发事件信息共享中心 / emergency incident information-sharing hub"},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": "tocsin"},
                "agent": {"type": "http", "scheme": "basic"},
            },
        },
    }


def _operation(route: Route, path: str, by_kind: dict[int, Any]) -> dict[str, Any]:
    handler = route.handler
    operation: dict[str, Any] = {
        "operationId": f"{handler.__module__.rpartition('.')[2]}_{handler.__name__}",
        "summary": " / ".join(part for part in (route.zh, route.en) if part),
        "description": (handler.__doc__ or "").strip(),
        "x-action": str(route.action),
        "parameters": [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name, _ in _PART.findall(route.path)]
        + _query(route),
        "responses": _responses(route, by_kind),
    }
    if route.action != PUBLIC:
        operation["security"] = [{"session": []}, {"agent": []}]
    if route.body is bytes:
        operation["requestBody"] = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
    elif route.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": by_kind[id(route.body)]}}}
    return operation


def _query(route: Route) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    [schema], components = msgspec.json.schema_components([route.query], ref_template="#/components/schemas/{name}")
    properties = components[schema["$ref"].rpartition("/")[2]]
    required = set(properties.get("required", ()))
    return [{"name": name, "in": "query", "required": name in required, "schema": _inline(value, components)}
            for name, value in properties.get("properties", {}).items()]


def _inline(schema: Any, components: dict[str, Any]) -> Any:
    """A parameter's schema without references: its components are not among the document's."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _inline(components[schema["$ref"].rpartition("/")[2]], components)
        return {key: _inline(value, components) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_inline(item, components) for item in schema]
    return schema


def _responses(route: Route, by_kind: dict[int, Any]) -> dict[str, Any]:
    def problem(text: str) -> dict[str, Any]:
        return {"description": text, "content": {"application/json": {"schema": by_kind[id(Problem)]}}}

    if route.returns is None:
        good: dict[str, Any] = {"description": "done"}
    else:
        good = {"description": "done", "content": {"application/json": {"schema": by_kind[id(route.returns)]}}}
    answers = {
        str(route.status): good,
        "401": problem("not signed in"), "403": problem("not permitted"), "404": problem("not found"),
        "409": problem("changed meanwhile"), "422": problem("refused"), "429": problem("too many"), "503": problem("try again later"),
        "default": problem("not this time"),
    }
    if route.own_refusal:
        answers["422"] = {"description": "refused", "content": {"application/json": {"schema": {
            "anyOf": [by_kind[id(route.returns)], by_kind[id(Problem)]]}}}}
    if route.returns is Receipt:  # a message is answered by its receipt, also where it is a duplicate, refused or to come again
        for status, text in (("200", "duplicate"), ("422", "refused"), ("503", "try again later")):
            either = [by_kind[id(Receipt)]] + ([] if status == "200" else [by_kind[id(Problem)]])
            answers[status] = {"description": text, "content": {"application/json": {"schema": {"anyOf": either}}}}
    return answers
