"""What `make check` says of known vulnerabilities: one is named and fails it, and data that could not be reached is never called clean."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit_parts", ROOT / "scripts" / "audit_parts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pip(*parts: dict[str, object]) -> str:
    return json.dumps({"dependencies": [*parts, {"name": "tocsin", "skip_reason": "distribution marked as editable"}], "fixes": []})


GOOD = {"name": "aiohttp", "version": "3.14.5", "vulns": []}
BAD = {"name": "jinja2", "version": "2.4.1", "vulns": [{"id": "PYSEC-2021-66", "fix_versions": ["2.11.3"], "aliases": [], "description": "…"}]}
UNKNOWN = {"name": "amqtt", "skip_reason": "Dependency not found on PyPI and could not be audited: amqtt (0.12.1)"}
NPM = {"auditReportVersion": 2, "vulnerabilities": {}, "metadata": {"vulnerabilities": {"total": 0}, "dependencies": {"prod": 66, "dev": 200}}}
FAULT = {"vite": {"name": "vite", "severity": "high", "range": "<=6.1.1", "fixAvailable": True}}


@pytest.mark.parametrize(("said", "expected"), [
    (pip(GOOD, GOOD), "pip-audit: 2 parts, no known vulnerability"),
    (pip(GOOD, BAD), "pip-audit: VULNERABLE jinja2 2.4.1: PYSEC-2021-66, mended in 2.11.3"),
    (pip(GOOD, UNKNOWN), "pip-audit: STALE, 1 of 2 parts not looked up: the index has no data on them. Run it again where the index can be reached."),
    (pip(UNKNOWN, BAD), "pip-audit: VULNERABLE jinja2 2.4.1: PYSEC-2021-66, mended in 2.11.3"),
    ("", "pip-audit: STALE, nothing looked up: pip-audit gave no answer. Run it again where the index can be reached."),
])
def test_what_pip_audit_says_in_a_line(audit: ModuleType, said: str, expected: str) -> None:
    assert audit.sentence("pip-audit", audit.of_pip(said)) == expected


@pytest.mark.parametrize(("said", "expected"), [
    (json.dumps(NPM), "npm audit: 66 parts, no known vulnerability"),
    (json.dumps(NPM | {"vulnerabilities": FAULT}), "npm audit: VULNERABLE vite <=6.1.1: high, mended by npm audit fix"),
    (json.dumps({"message": "405 Method Not Allowed", "error": {"summary": "", "detail": ""}}),
     "npm audit: STALE, nothing looked up: the registry gave no answer. Run it again where the index can be reached."),
])
def test_what_npm_says_in_a_line(audit: ModuleType, said: str, expected: str) -> None:
    assert audit.sentence("npm audit", audit.of_npm(said)) == expected


def test_a_known_vulnerability_fails_the_check_and_stale_data_do_not(
        audit: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for answers, status in (((pip(GOOD), ""), 0), ((pip(BAD), ""), 1), (("", json.dumps(NPM | {"vulnerabilities": FAULT})), 1)):
        said = iter(answers)
        monkeypatch.setattr(audit, "_said", lambda *_, said=said: next(said))
        assert audit.main() == status
    assert "VULNERABLE" in capsys.readouterr().out
