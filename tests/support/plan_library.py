"""Small plans and posts for the tests of plans; every part can be overridden by plain values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from plans.activate import Bindings, Post
from plans.load import departments, towns_by_adcode
from plans.model import Plan

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


def text(words: str) -> dict[str, str]:
    """The same words in both languages."""
    return {"zh": words, "en": words}


def task(task_id: str, role: str = "fire-rescue", due_min: int = 10, **more: Any) -> dict[str, Any]:
    """A task whose action and object are its id unless told otherwise."""
    return {
        "id": task_id,
        "action": task_id,
        "object": "site",
        "role": role,
        "due_min": due_min,
        "stage": "handle",
        "text": text(task_id),
        **more,
    }


def raw_plan(plan_id: str = "fire", **more: Any) -> dict[str, Any]:
    """A whole small plan as plain values."""
    plan: dict[str, Any] = {
        "id": plan_id,
        "version": 1,
        "title": text(f"plan {plan_id}"),
        "kind": "special",
        "status": "in_force",
        "source": {"document": "test", "edition": "2026", "issuing_body": "test"},
        "valid_from": "2026-01-01",
        "applies": {"is": "under", "codes": ["12G"]},
        "levels": [
            {"level": "I", "criteria": {"is": "grade_at_least", "grade": "特别重大"}, "text": text("I"), "activated_by": text("x")},
            {
                "level": "III",
                "criteria": {"is": "at_least", "field": "casualties.trapped", "value": 3},
                "text": text("III"),
                "activated_by": text("x"),
            },
            {"level": "IV", "criteria": {"is": "always"}, "text": text("IV"), "activated_by": text("x")},
        ],
        "roles": [
            {"id": "fire-rescue", "department": "fire-rescue", "duty": text("d")},
            {"id": "command", "department": "district-office", "duty": text("d")},
            {"id": "local-town", "department": "local-town", "duty": text("d")},
        ],
        "tasks": [task("look"), task("hose", due_min=20, after=["look"]), task("help", from_level="III")],
        "grants": {"lead": ["fire-rescue"], "informed": ["command"], "video": ["command"]},
    }
    return {**plan, **more}


def plan(plan_id: str = "fire", **more: Any) -> Plan:
    """A whole small plan."""
    return msgspec.convert(raw_plan(plan_id, **more), Plan)


def everybody() -> Bindings:
    """Every department's post manned."""
    posts = {name: Post(name, f"{name}/desk", f"officer of {name}", "0518-000") for name in departments()}
    return Bindings(posts=posts, towns=towns_by_adcode())
