"""Writes what the console takes from the hub: kinds of change and roles in Chinese and English, which kinds are mere routine, what the data of duties may say.

    python scripts/console_words.py           writes hub/console/src/i18n/{zh,en}/{kinds,roles}.json, parts/{routine,units}.json
                                              and views/duties/rules.json
    python scripts/console_words.py --check   only says whether they are up to date
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "hub" / "console" / "src" / "i18n"
PACKAGES = ("hub", "streams", "plans")
LEFT_OUT = (".bench_camera_child", "__main__", ".migrations", ".console")


def import_all() -> None:
    """Import every module that may declare a kind of change."""
    for name in PACKAGES:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, name + "."):
            if not any(part in module.name for part in LEFT_OUT):
                importlib.import_module(module.name)


def words() -> dict[Path, str]:
    """What each file should hold. A kind's dot becomes an underscore, since the console's keys are paths."""
    import yaml

    from hub.domain.change import KINDS, routine_kinds

    roles = yaml.safe_load((ROOT / "hub" / "data" / "roles.yaml").read_text("utf-8"))["roles"]
    units = yaml.safe_load((ROOT / "hub" / "data" / "units.yaml").read_text("utf-8"))["units"]
    files = {FOLDER.parent / "parts" / "routine.json": json.dumps(routine_kinds()) + "\n",
             FOLDER.parent / "parts" / "units.json": json.dumps(units, ensure_ascii=False) + "\n",
             FOLDER.parent / "views" / "duties" / "rules.json": json.dumps(duty_rules()) + "\n"}
    for locale in ("zh", "en"):
        kinds = {kind.replace(".", "_"): getattr(found, locale) for kind, found in sorted(KINDS.items())}
        named = {role: found[locale] for role, found in roles.items()}
        for name, table in (("kinds", kinds), ("roles", named)):
            files[FOLDER / locale / f"{name}.json"] = json.dumps(table, ensure_ascii=False, indent=2) + "\n"
    return files


def duty_rules() -> dict[str, object]:
    """What the data of duties may name, the longest time of a step in minutes, and what is taken for granted where a row says nothing."""
    from hub.domain.clocks import UNGRADED, Duty, Limit, StartsFrom
    from hub.domain.data import packaged
    from hub.domain.duty_rules import CHANNELS
    from hub.domain.ladder import LONGEST_MIN, Step, Whom
    from hub.domain.notice import FIELDS
    from hub.domain.obligation import Kind

    return {
        "whom": list(Whom), "channels": CHANNELS, "longest_min": LONGEST_MIN, "duties": list(Duty), "clocks": list(StartsFrom), "fields": sorted(FIELDS),
        "grades": [UNGRADED, *(grade["id"] for grade in reversed(packaged("grades")["grades"]))],
        "usual": {"step": usual(Step), "kind": usual(Kind), "limit": usual(Limit)},
    }


def usual(struct: type) -> dict[str, object]:
    """What the fields of a row hold where it does not say."""
    import msgspec

    return {field.name: field.default for field in msgspec.structs.fields(struct) if not field.required}


def stale() -> list[Path]:
    """The files that do not hold what they should."""
    return [path for path, text in words().items() if not path.is_file() or path.read_text("utf-8") != text]


def main() -> None:
    """Write, or check."""
    sys.path.insert(0, str(ROOT))
    import_all()
    if "--check" in sys.argv:
        old = stale()
        for path in old:
            print(f"out of date: {path.relative_to(ROOT)}; run python scripts/console_words.py")
        raise SystemExit(1 if old else 0)
    for path, text in words().items():
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
