"""Known vulnerabilities of what the product is built on: Python's parts by pip-audit, the console's by npm audit. Exit 1 where one is known.

Where the data cannot be reached (no network, a mirror that has none) that proves nothing: it says so, and how many parts it is true of, and exits 0.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PIP = [sys.executable, "-m", "pip_audit", "--progress-spinner", "off", "--skip-editable", "--format", "json"]
NPM = [str(ROOT / "scripts" / "with-node"), "npm", "audit", "--omit=dev", "--json"]


class Outcome(NamedTuple):
    """What was found (a line each), of how many parts it could be known, and of how many not (None: of none of them, for this reason)."""

    found: list[str]
    audited: int
    unknown: int
    reason: str = ""


def of_pip(said: str) -> Outcome:
    """Read pip-audit's JSON; a part that its service does not know is unknown. Our own package, which stands in no index, is none."""
    try:
        parts: list[dict[str, Any]] = [part for part in json.loads(said)["dependencies"] if part["name"] != "tocsin"]
    except (ValueError, KeyError, TypeError):
        return Outcome([], 0, 0, "pip-audit gave no answer")
    found = [f"{part['name']} {part['version']}: {fault['id']}, mended in {', '.join(fault['fix_versions']) or 'no version yet'}"
             for part in parts for fault in part.get("vulns", ())]
    unknown = sum("skip_reason" in part for part in parts)
    return Outcome(found, len(parts) - unknown, unknown, "the index has no data on them" if unknown else "")


def of_npm(said: str) -> Outcome:
    """Read npm's JSON (auditReportVersion 2); whatever has no report in it is an error of the registry."""
    try:
        told = json.loads(said)
        parts, count = told["vulnerabilities"], int(told["metadata"]["dependencies"]["prod"])
    except (ValueError, KeyError, TypeError):
        return Outcome([], 0, 0, "the registry gave no answer")
    mended = {True: "npm audit fix", False: "no version yet"}
    return Outcome([f"{name} {part['range']}: {part['severity']}, mended by {mended[bool(part['fixAvailable'])]}" for name, part in parts.items()], count, 0)


def sentence(name: str, outcome: Outcome) -> str:
    """The outcome in one line, or one for each vulnerability."""
    if outcome.found:
        return "\n".join(f"{name}: VULNERABLE {line}" for line in outcome.found)
    if not outcome.reason:
        return f"{name}: {outcome.audited} parts, no known vulnerability"
    which = f"{outcome.unknown} of {outcome.audited + outcome.unknown} parts" if outcome.unknown else "nothing"
    verb = "not looked up" if outcome.unknown else "looked up"
    return f"{name}: STALE, {which} {verb}: {outcome.reason}. Run it again where the index can be reached."


def _said(command: list[str], folder: Path) -> str:
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def main() -> int:
    """Ask both, say what came out."""
    outcomes = {"pip-audit": of_pip(_said(PIP, ROOT)), "npm audit": of_npm(_said(NPM, ROOT))}
    for name, outcome in outcomes.items():
        print(sentence(name, outcome))
    return int(any(outcome.found for outcome in outcomes.values()))


if __name__ == "__main__":
    sys.exit(main())
