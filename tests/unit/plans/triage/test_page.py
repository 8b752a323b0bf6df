"""What stands around the text of a web page is no part of it."""

from plans.triage import triage

_NEWS = "昨天傍晚，城西一家鞋店起火，过火面积二十平方米，一名店员手部烧伤，已送医院治疗，火势四十分钟后被扑灭。原因还在调查。"


def test_headlines_behind_the_text_tell_of_other_events() -> None:
    page = _NEWS + "\n责任编辑：王晓\n平川一化工厂液氨泄漏致3死5伤\n省道油罐车侧翻 20吨汽油外泄\n台风登陆 转移群众3万人"
    draft, alone = triage(page), triage(_NEWS)
    assert (draft.family, draft.casualties, draft.substances) == (alone.family, alone.casualties, [])


def test_headlines_with_bullets_are_links_also_behind_a_source() -> None:
    page = _NEWS + "（来源：晨报）\n· 一煤矿瓦斯爆炸 12人遇难\n· 货船相撞 7人失踪"
    assert triage(page).casualties == triage(_NEWS).casualties


def test_a_note_written_line_by_line_is_all_its_own() -> None:
    note = "旧桥镇化工园区甲醇储罐起火\n死亡2人\n受伤5人\n周边三个村的村民正在转移"
    draft = triage(note)
    assert (draft.casualties.dead, draft.casualties.injured) == (2, 5)


def test_what_goes_on_about_the_event_behind_the_first_full_stop_is_read() -> None:
    note = "今天早上七点，旧桥镇石桥村一处鞭炮作坊爆炸，两间平房倒塌，附近房屋门窗震坏，路面全是碎砖。\n目前确认死亡3人\n受伤4人送到县医院"
    draft = triage(note)
    assert (draft.casualties.dead, draft.casualties.injured) == (3, 4)


def test_the_path_to_a_page_is_no_title() -> None:
    page = "您现在的位置：首页 > 新闻中心 > 安全生产\n利民县一酒店起火 无人伤亡\n3月2日上午，利民县一酒店厨房油锅起火，半小时后扑灭，无人伤亡。"
    draft = triage(page)
    assert (draft.family, draft.place) == ("fire", "利民县")


def test_buttons_and_links_around_a_page_are_no_part_of_it() -> None:
    text = "昨晚八时许，城东一户人家厨房起火，老人被救出，一人受轻伤，火已扑灭"
    page = (
        f"首页 新闻 国内 国际 财经 体育\n分享到： 微信 微博 QQ空间\n{text}\n责任编辑：王某\n收藏\n相关新闻\n某地化工厂爆炸致5人死亡\n液氯泄漏3人中毒\n©2026 版权所有"
    )

    alone, pasted = triage(text), triage(page)

    assert (pasted.family, pasted.grade, pasted.casualties, pasted.substances) == (alone.family, alone.grade, alone.casualties, [])
