"""People as real news counts them."""

import pytest

from plans.triage import triage


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        ("两个台风前后脚到，17人死亡，6人失踪，通稿标题写的是23人死亡失踪。", "dead", 17),
        ("感染的孩子超过4100人,死亡病例增加到12起。", "dead", 12),
        ("一辆载有8人的面包车过漫水桥后失联。", "missing", 8),
        ("凶手先后杀死4人捅伤2人。", "injured", 2),
        ("行凶者刺伤9人，其中2人在送医途中死亡，随后又有一名伤员救治无效死亡。", "dead", 3),
        ("机上共有十一人,机长重伤,四人轻伤,余下的人没事。", "injured", 5),
        ("火头逼近村子，转移群众210户700余人。", "evacuated", 700),
        ("养鸡场四天死了三千多只鸡，确诊禽流感。", "dead", None),
        ("接连两声爆炸造成至少两人死亡17人受伤。", "dead", 2),
        ("孩子两天没回家，今早从桥墩下打捞出小周的遗体。", "dead", 1),
        ("一场山洪带走了7条鲜活的生命，全乡停电。", "dead", 7),
        ("受灾群众800多户3100人，鸡鸭猪羊死亡四百多只，轻伤2人。", "dead", None),
        ("死者李某（男，61岁）、李某强（男，38岁）及赵某梅（女，35岁），系一家人。", "dead", 3),
        ("现场已有2人死亡，另有1人送医后不治。", "dead", 3),
        ("核载47人、实载31人的客车侧翻，4人受伤。", "trapped", None),
        ("到今天零时，遇难总人数已升至86人。", "dead", 86),
    ],
)
def test_a_figure_belongs_to_the_words_it_is_said_with(text: str, field: str, expected: int | None) -> None:
    assert getattr(triage(text).casualties, field) == expected
