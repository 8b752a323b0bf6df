"""The bench of duties runs whole at a small size and gives the figures it promises."""

from pathlib import Path

from hub.operate.bench_duties import run


async def test_the_bench_measures_what_it_says(tmp_path: Path) -> None:
    said: list[str] = []
    figures = await run(said.append, departments=30, many=2_000)
    assert {"make_day_s", "tick_10000_s", "idle_tick_ratio"} <= set(figures)
    assert figures["rows_of_a_day"] == 150
    assert all(figures[name] > 0 for name in ("make_day_s", "tick_10000_s", "idle_tick_ratio"))
    assert any("150 due rows" in line for line in said)
