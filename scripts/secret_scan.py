"""Looks through every file of the repository for secrets: keys, tokens, passwords in URLs and in assignments. Exit 1 where one is found.

    python scripts/secret_scan.py [FILE …]      # without files: everything that git tracks or would track

A line that must look like one says why: `secret-scan: REASON` in the same line.
"""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LARGEST_BYTES = 4_000_000
PATTERNS = {
    "private key": re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----\s*\S{40}"),
    "private key in one line": re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----(?:\\n|\s)*[A-Za-z0-9+/]{40}"),
    "cloud access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bLTAI[0-9A-Za-z]{16,24}\b|\bAKID[0-9A-Za-z]{32}\b"),
    "token of a code host": re.compile(r"\b(?:gh[pousr]_[0-9A-Za-z]{36}|github_pat_[0-9A-Za-z_]{60,}|glpat-[0-9A-Za-z_-]{20})\b"),
    "token of a package index": re.compile(r"\b(?:pypi-[0-9A-Za-z_-]{80,}|npm_[0-9A-Za-z]{36})\b"),
    "chat token": re.compile(r"\bxox[abposr]-[0-9A-Za-z-]{20,}|qyapi\.weixin\.qq\.com/cgi-bin/webhook/send\?key=[0-9a-f-]{36}"
                             r"|oapi\.dingtalk\.com/robot/send\?access_token=[0-9a-f]{64}"),
    "JSON web token": re.compile(r"\beyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{20,}"),
    "password in a URL": re.compile(r"\b[a-z][a-z0-9+]{2,20}://[^\s/:@'\"<>{}$]{1,60}:(?P<value>[^\s/:@'\"<>{}$]{6,})@[^\s'\"]+"),
}
ASSIGNED = re.compile(r"""(?ix)\b(?:password|passwd|passphrase|secret|api_?key|token|credential)s?\b["']?\s*[:=]\s*["'](?P<value>[^"'\s{}$<>]{12,})["']""")
SAID = re.compile(r"secret-scan: \S")
SKIP = re.compile(r"(?:^|/)(?:node_modules|\.venv|\.git|dist)/|\.(?:png|jpg|jpeg|woff2?|pmtiles|mp4|db|ico|gz|zip|lock)$|package-lock\.json$")
BITS_A_CHARACTER = 3.5
"""Random base64 of 24 characters has more than 3.9 bits a character, words and identifiers have less than 3.5 (measured on this repository)."""


def entropy(text: str) -> float:
    """Shannon's entropy of the characters, in bits a character."""
    counts = Counter(text)
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values())


def looks_random(text: str) -> bool:
    """Is this long, mixed and unordered enough to be a secret rather than words?"""
    kinds = sum(bool(re.search(kind, text)) for kind in (r"[a-z]", r"[A-Z]", r"[0-9]"))
    return len(text) >= 16 and kinds >= 3 and entropy(text) >= BITS_A_CHARACTER


def findings(text: str) -> Iterator[tuple[int, str]]:
    """Line number and kind of each secret in a text."""
    lines = text.splitlines()
    for kind, pattern in PATTERNS.items():
        for match in pattern.finditer(text):
            number = text.count("\n", 0, match.start()) + 1
            value = match.groupdict().get("value")
            if value is not None and not looks_random(value):
                continue
            if not SAID.search(lines[number - 1]):
                yield number, kind
    for number, line in enumerate(lines, 1):
        for match in ASSIGNED.finditer(line):
            if looks_random(match["value"]) and not SAID.search(line):
                yield number, "secret in an assignment"


def tracked() -> list[Path]:
    """What git tracks, and what it would track."""
    done = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=False)
    if done.returncode == 0:
        return [ROOT / name for name in done.stdout.decode().split("\0") if name]
    return [path for path in ROOT.rglob("*") if path.is_file()]  # an unpacked source archive


def main(given: list[str]) -> int:
    """Scan; print each finding as FILE:LINE: KIND."""
    files = [Path(name) for name in given] or tracked()
    bad = looked = 0
    for path in files:
        if SKIP.search(path.as_posix()) or not path.is_file() or path.stat().st_size > LARGEST_BYTES:
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        looked += 1
        for number, kind in findings(text):
            bad += 1
            print(f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}:{number}: {kind}")
    print(f"secret scan: {looked} files, {bad} findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
