"""Where the text of a web page begins and ends: the path that leads to it and the links to other news behind it are no part of it. Pure.

What is told of a note that is written line by line, without full stops, is all its own.
"""

from __future__ import annotations

import re

# 首页>新闻>社会, 您现在的位置：首页
_PATH = re.compile(
    r"(?:[^\n。]{0,60}(?:当前位置|您的位置|所在位置|现在的位置)|首页|[^\n。]{0,30}[\u4e00-\u9fff](?:>|»|›|＞)[\u4e00-\u9fff])[^\n。]{0,80}\n"
)
_MARK = re.compile(r"(?:[•.●■◆▪►▶◇○※*·|-]){1,3}")
# 责任编辑、分享、上一篇: what a page says of itself
_OF_THE_PAGE = re.compile(
    r"责任?编辑|责编|编辑[:：]|作者[:：]|来源[:：]|版权|分享|打印|关闭窗口|点击|排行|收藏|返回|评论|浏览|ICP|©|Copyright|转载|免责|客户端|扫码"
    r"|二维码|关注|微信|[上下]一篇|标签|关键词|相关|更多|网友|广告|猜你|热点|推荐|专题|举报"
)
# how a line of a note goes on about its own event: 死亡2人, 目前正在处置, 地点：…
_OWN = re.compile(
    r"目前|现场|已|经|据|死|伤|受|造成|致|截至|截止|现已|正在|救援|消防|地点|时间|接报|接警|处置|原因|初步|另|其中|无|没有|有|疏散|转移|事故|事发|事件"
    r"|警方|民警|最新|通报|请|注意|失|被困|损失|附近|当地|当天|当日|当晚|今|昨|目击|提醒|[\d一二两三四五六七八九十]{1,5}余?(?:人|名|日|月|时|点)"
)
_ENDS = ("。", "！", "？", '"', "）", "】", "…", "；")
_LEAST_BODY = 30  # characters that end in a full stop before the first link
_LINKS = 2  # headlines in a row that make a list of links; a single line without a full stop may be the last of the text


def body(text: str) -> tuple[int, int]:
    """The stretch of a prepared text that is the text itself."""
    start = 0
    while (path := _PATH.match(text, start)) is not None and path.end() < len(text):
        start = path.end()
    return start, _links(text, start)


def _links(text: str, start: int) -> int:
    """Where the list of links begins with which a page ends; the length of the text where it has none."""
    end, headlines = len(text.rstrip("\n")), 0
    while (low := text.rfind("\n", start, end)) >= 0:
        line = text[low + 1 : end]
        if not _OF_THE_PAGE.search(line) and not _is_headline(line):
            break
        headlines += not _OF_THE_PAGE.search(line)
        end = low
    last = text[max(start, text.rfind("\n", start, end) + 1) : end]
    ended = end - start >= _LEAST_BODY and "。" in text[start:end] and ("。" in last or last.endswith(_ENDS))
    return end if headlines >= _LINKS and ended else len(text)


def _is_headline(line: str) -> bool:
    mark = _MARK.match(line)
    bare = line[mark.end() :] if mark is not None else line
    if not 8 <= len(bare) <= 44 or "。" in bare or bare.endswith(("；", "：", "，", "、", '"', "…")):
        return False
    return _OWN.match(bare) is None
