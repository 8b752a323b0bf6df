"""The desk's list when reports come faster than anybody takes them."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.support.screens import Screen, eventually

Screens = Callable[..., Screen]
MANY = 40
PLACE_JS = "(id) => document.querySelector(`[data-id='${id}']`)?.getBoundingClientRect().top"
IN_SIGHT_JS = """(id) => {
  const row = document.querySelector(`[data-id='${id}']`)?.getBoundingClientRect()
  const view = document.querySelector('[data-test=incidents]').parentElement.getBoundingClientRect()
  return !!row && row.top >= view.top - 1 && row.bottom <= view.bottom + 1
}"""


def mounted(page: Page) -> list[str]:
    """The ids of the rows that are in the page, from the top."""
    return page.evaluate("() => [...document.querySelectorAll('[data-test=incident]')].map((row) => row.dataset.id)")  # type: ignore[no-any-return]


def scroll(page: Page, to: int) -> None:
    """Scroll the list to so many pixels from its top."""
    page.evaluate("(to) => { document.querySelector('[data-test=incidents]').parentElement.scrollTop = to }", to)


def test_a_long_list_draws_what_is_in_sight_and_says_how_long_it_is(new_screen: Screens) -> None:
    screen = new_screen()
    page = screen.open()
    ids = [screen.report(f"第 {n} 起") for n in range(MANY)]
    expect(page.locator("[data-test=incident]").first).to_have_attribute("data-id", ids[-1])
    assert len(mounted(page)) < MANY
    first = page.locator("[data-test=incident]").first
    assert first.get_attribute("aria-posinset") == "1"
    assert int(first.get_attribute("aria-setsize") or 0) >= MANY
    scroll(page, 1_000_000)
    eventually(lambda: ids[0] in mounted(page) or page.locator("[data-test=incident]").last.get_attribute("aria-posinset") ==
               page.locator("[data-test=incident]").last.get_attribute("aria-setsize"), 5)


def test_what_somebody_reads_stays_where_it_is_and_new_ones_are_counted(new_screen: Screens) -> None:
    screen = new_screen()
    page = screen.open()
    ids = [screen.report(f"第 {n} 起") for n in range(MANY)]
    expect(page.locator("[data-test=incident]").first).to_have_attribute("data-id", ids[-1])
    drawn = len(mounted(page))
    scroll(page, 1000)
    eventually(lambda: len(mounted(page)) > drawn, 20)  # the page hears of the scrolling with its next picture
    read = eventually(lambda: next((id for id in mounted(page) if page.evaluate(IN_SIGHT_JS, id)), None), 5)
    before = page.evaluate(PLACE_JS, read)
    new = screen.report("新到的")
    expect(page.locator("[data-test=unseen]")).to_contain_text("1")
    assert abs(page.evaluate(PLACE_JS, read) - before) <= 2
    page.click("[data-test=unseen]")
    expect(page.locator("[data-test=unseen]")).to_have_count(0)
    eventually(lambda: page.evaluate(IN_SIGHT_JS, new), 5)


def test_the_keyboard_walks_beyond_what_is_drawn(new_screen: Screens) -> None:
    screen = new_screen()
    page = screen.open()
    ids = [screen.report(f"第 {n} 起") for n in range(MANY)]
    expect(page.locator("[data-test=incident]").first).to_have_attribute("data-id", ids[-1])
    scroll(page, 0)
    page.click(f"[data-test=incident][data-id='{ids[-1]}']", position={"x": 5, "y": 5})
    for _ in range(MANY - 10):
        page.keyboard.press("j")
    chosen = page.locator(".incident.selected")
    expect(chosen).to_have_attribute("data-id", ids[9])
    eventually(lambda: page.evaluate(IN_SIGHT_JS, ids[9]), 5)
