"""What suits and in which order, the steps of a request, and what is wrong with a stock."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.resource import (
    STEPS,
    Request,
    RequestState,
    Resource,
    ResourceKind,
    check_offer,
    shortcomings,
    suitable,
    take_step,
    unit_en,
)
from hub.errors import Rejected
from plans.model import Text
from tests.support.district import NOW

TODAY = date(2026, 11, 23)


def stock(id: str, quantity: float = 5, **given: Any) -> Resource:
    values: dict[str, Any] = {"lon": 119.1, "lat": 34.8} | given
    return Resource(id=id, kind=ResourceKind.STOCK, name_zh=id, department_id="fire-rescue", capability=values.pop("capability", "lime"),
                    quantity=quantity, unit=values.pop("unit", "吨"), **values)


def best(*resources: Resource, quantity: float = 4) -> list[str]:
    found = suitable(resources, capability="lime", quantity=quantity, unit="吨", lon=119.1, lat=34.8, today=TODAY)
    return [s.resource_id for s in found]


def test_enough_comes_before_too_little_near_before_far_and_unknown_distance_last() -> None:
    assert best(stock("little", 1), stock("far", lon=119.3), stock("nowhere", lon=None), stock("near")) == ["near", "far", "nowhere", "little"]


def test_what_expired_is_out_counted_otherwise_or_cannot_is_left_out() -> None:
    assert best(stock("old", expires_on=TODAY - timedelta(days=1)), stock("out", out=5.0), stock("bags", unit="袋"), stock("foam", capability="foam"),
                stock("gone", active=False), stock("last-day", expires_on=TODAY)) == ["last-day"]


def test_the_reason_says_how_much_and_how_far() -> None:
    (only,) = suitable([stock("a", 3)], capability="lime", quantity=4, unit="吨", lon=119.1, lat=34.8, today=TODAY)
    assert "少 1 吨" in only.zh and "0.0 公里" in only.zh and only.en.startswith("3 t free, 1 short")
    (other,) = suitable([stock("b", 3)], capability="lime", quantity=1, unit="吨", lon=None, lat=None, today=TODAY)
    assert unit_en("筐") == "筐" and "吨" not in other.en


def request(state: RequestState) -> Request:
    return Request(id="r", key="k", incident_id="i", activation_id=None, capability="lime", quantity=1, unit="吨", text=Text("石灰", "lime"),
                   asked_by="a", department_id="b", due_at=NOW, state=state, suggestions=(), steps=())


@given(st.sampled_from(RequestState), st.sampled_from(RequestState))
def test_a_request_takes_only_the_steps_of_the_table_each_with_its_time(before: RequestState, after: RequestState) -> None:
    held = request(before)
    if after is before:
        assert take_step(held, after, by="p", at="t") is held
    elif after in STEPS[before]:
        assert take_step(held, after, by="p", at="t").steps[-1].at == "t"
    else:
        with pytest.raises(Rejected):
            take_step(held, after, by="p", at="t")


@pytest.mark.parametrize(
    ("resource", "amount", "code"),
    [
        (stock("old", expires_on=TODAY - timedelta(days=1)), 1, "expired"), (stock("bags", unit="袋"), 1, "unknown_resource"),
        (stock("gone", active=False), 1, "unknown_resource"), (stock("foam", capability="foam"), 1, "unknown_resource"),
        (stock("few", 5, out=4.0), 2, "not_enough"), (stock("none"), 0, "not_enough"), (stock("less"), -1, "not_enough"),
        (stock("nan"), float("nan"), "not_enough"),
    ],
)
def test_what_cannot_serve_is_not_offered(resource: Resource, amount: float, code: str) -> None:
    with pytest.raises(Rejected, match=code):
        check_offer(resource, request(RequestState.REQUESTED), amount, TODAY)


def test_what_is_free_may_be_offered_to_the_last_and_on_its_last_day() -> None:
    check_offer(stock("last", 5, out=3.0, expires_on=TODAY), request(RequestState.REQUESTED), 2, TODAY)


def test_low_and_expiring_stock_is_told_once_each() -> None:
    found = shortcomings(stock("a", 1, low_below=2, expires_on=TODAY + timedelta(days=10)), TODAY, ahead=timedelta(days=30))
    assert [code.partition("-")[0] for code, _, _ in found] == ["low", "expiry"] and found[0][2].endswith("1 of at least 2 t")
    assert "已过期" in shortcomings(stock("c", expires_on=TODAY - timedelta(days=1)), TODAY, ahead=timedelta(days=30))[0][1]
    assert shortcomings(stock("b", 5, low_below=2), TODAY, ahead=timedelta(days=30)) == ()


def test_a_refused_step_is_told_in_words_of_each_language() -> None:
    with pytest.raises(Rejected) as refused:
        take_step(request(RequestState.REQUESTED), RequestState.ARRIVED, by="p", at="t")
    assert "“已请求”" in refused.value.zh and "“已到场”" in refused.value.zh and not set(refused.value.zh) & set("abcdefghijklmnopqrstuvwxyz")
