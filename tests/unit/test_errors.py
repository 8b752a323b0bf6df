"""The system's reasons as people read them."""

from __future__ import annotations

import json
import re
import sqlite3
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.errors import why_en, why_zh

ROOT = Path(__file__).resolve().parents[2]


def raised(act: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as caught:
        act()
    return caught.value


@pytest.mark.parametrize(("act", "zh", "en"), [
    (lambda: Path("/no/such/file").read_bytes(), "没有这个文件或目录", "No such file or directory"),
    (lambda: Path("/").read_bytes(), "这是目录，不是文件", "Is a directory"),
    (lambda: (ROOT / "pyproject.toml" / "x").read_bytes(), "不是目录", "Not a directory"),
    (lambda: "中文".encode("gbk").decode(), "不是 UTF-8 文本", "not text in UTF-8"),
    (lambda: json.loads('{"a":\n 1,}'), "第 2 行第 4 列不是有效的 JSON", "line 2, column 4 is not valid JSON"),
    (lambda: tomllib.loads("a = 1\nb = = 2\n"), "第 2 行第 5 列有误", "Invalid value (at line 2, column 5)"),
    (lambda: sqlite3.connect("/no/such/folder/x.db"), "无法打开数据库文件", "unable to open database file"),
])
def test_what_the_system_says_is_told_in_both_languages(act: Callable[[], object], zh: str, en: str) -> None:
    error = raised(act)
    assert (why_zh(error), why_en(error)) == (zh, en)


def test_no_sentence_carries_the_system_s_bare_words() -> None:
    bare = re.compile(r"[\u4e00-\u9fff][^\"]*\{(?:error|reason|e)\.strerror|无法(?:读取|写入|读写|打开)[^\"]*\{error\}")
    found = [f"{path.relative_to(ROOT)}:{n}" for folder in ("hub", "agents", "streams", "plans") for path in sorted((ROOT / folder).rglob("*.py"))
             if "node_modules" not in path.parts for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if bare.search(line)]
    assert not found
