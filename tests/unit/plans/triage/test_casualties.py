"""People as real news counts them."""

import pytest

from plans.triage import triage


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        ("双台风致5省受灾，29人死亡，15人失踪。标题说44人死亡失踪。", "dead", 29),
        ("感染儿童超过3300人,死亡病例增加到26起。", "dead", 26),
        ("一辆载有12人的中巴车因强降雨失联。", "missing", 12),
        ("歹徒持刀杀死5人捅伤3人后逃窜。", "injured", 3),
        ("嫌疑人将15人捅伤，其中2人在送往医院途中死亡，随后又有一名重伤者救治无效死亡。", "dead", 3),
        ("机上共有十七人,机长重伤,六人轻伤,其它人员安全。", "injured", 7),
        ("山火逼近，共转移群众540户1500余人。", "evacuated", 1500),
        ("养鸡场四天死了三千多只鸡，确诊禽流感。", "dead", None),
        ("连环爆炸造成至少两人死亡21人受伤。", "dead", 2),
        ("男孩出门未归，两天后在桥下打捞出小瑞的遗体。", "dead", 1),
        ("特大暴雨带走了5条鲜活的生命，5751名群众受灾。", "dead", 5),
        ("受灾群众1000多户5690人，家禽家畜死亡600多只，轻伤2人。", "dead", None),
        ("死者周某光（男，66岁）、周某安（男，50岁）及周某洪（男，26岁），系沼气中毒。", "dead", 3),
        ("截至今日0时，遇难总人数已升至230人。", "dead", 230),
    ],
)
def test_a_figure_belongs_to_the_words_it_is_said_with(text: str, field: str, expected: int | None) -> None:
    assert getattr(triage(text).casualties, field) == expected
