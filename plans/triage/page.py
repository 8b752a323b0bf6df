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
    r"|二维码|关注|微信|[上下]一篇|标签|关键词|相关|更多|网友|广告|猜你|热点|推荐|专题|举报|^\d{1,2}(?:分钟|小时|天|日)前$"
)
# 分享到：微信 微博: a line of nothing but these
_FURNITURE = re.compile(
    r"分享(?:到|至)?|微信好友|朋友圈|微信|微博|QQ空间|QQ|空间|豆瓣|字号|字体|[大中小]号|打印(?:本页|文章)?|收藏|手机版|用手机看|扫一扫|扫码|访问|设为首页|点击|关注|官方公众号|公众号"
    r"|客户端|下载APP|APP|打开|登录|注册|退出|评论|点赞|举报|订阅|历史|首页|导航|返回|新闻|国内|国际|社会|军事|财经|体育|娱乐|视频|图片|滚动|频道|移动版|繁体|简体|搜索|[^\u4e00-\u9fff]"
)
_REST = 2  # characters of a line of furniture that are none of these
# the line over a list of links
_OVER_LINKS = re.compile(
    r"(?:相关|更多|延伸|推荐|热门|精彩|最新|猜你|往期|其他|大家都在)[^，。：\n]{0,8}(?:新闻|阅读|报道|推荐|文章|链接|内容|资讯|喜欢|看|精彩)[:：>]?"
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
    while (end := _furniture(text, start)) is not None and end < len(text):
        start = end
    return start, _links(text, start)


def _furniture(text: str, start: int) -> int | None:
    """The end of a line at `start` that is the path to the page or made of buttons; None where it is neither."""
    if (path := _PATH.match(text, start)) is not None:
        return path.end()
    end = text.find("\n", start)
    return end + 1 if end > start and len(_FURNITURE.sub("", text[start:end])) <= _REST and _DAY_OR_HOUR.search(text, start, end) is None else None


_DAY_OR_HOUR = re.compile(r"\d[日时点:：.-]\d?|\d{4}")


def _links(text: str, start: int) -> int:
    """Where the list of links begins with which a page ends; the length of the text where it has none."""
    end, headlines, over = len(text.rstrip("\n")), 0, 0
    while (low := text.rfind("\n", start, end)) >= 0:
        line = text[low + 1 : end]
        if not _OF_THE_PAGE.search(line) and not _is_headline(line):
            break
        headlines += not _OF_THE_PAGE.search(line)
        end = low
        over = low if _OVER_LINKS.fullmatch(line) and headlines else over
    last = text[max(start, text.rfind("\n", start, end) + 1) : end]
    ended = end - start >= _LEAST_BODY and "。" in text[start:end] and ("。" in last or last.endswith(_ENDS))
    return end if headlines >= _LINKS and ended else over or len(text)


def _is_headline(line: str) -> bool:
    mark = _MARK.match(line)
    bare = line[mark.end() :] if mark is not None else line
    if not 8 <= len(bare) <= 44 or "。" in bare or bare.endswith(("；", "：", "，", "、", '"')):
        return False
    return _OWN.match(bare) is None
