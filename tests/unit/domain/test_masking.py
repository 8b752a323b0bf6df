"""The one mask: what an informed department sees of personal data, whatever the shape of the view."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from hub.domain.access import Tier
from hub.domain.masking import mask, mask_name, mask_phone, mask_plate, scrub
from hub.domain.sharing import packaged_sharing
from hub.ids import new_id
from hub.wire import Hazmat, Place, Report, Reporter, ReportKind
from tests.support.district import NOW

FIELDS = packaged_sharing().fields
PRIVATE = ("张三丰", "13812345678", "0518-86212345", "32072119800101123X", "苏G12345")


def report() -> Report:
    return Report(
        id=new_id(), kind=ReportKind.INITIAL, occurred_at=NOW, place=Place(text="G204", lon=119.1, lat=34.8),
        text="联系人电话13812345678，身份证32072119800101123X，值班0518-86212345。", reporter=Reporter(name="张三丰", post="班长", phone="13812345678"),
        signed_off_by="张三丰", hazmat=(Hazmat(un="1005", vehicle_plate="苏G12345"),),
    )


def test_an_informed_department_reads_no_personal_data_of_a_report() -> None:
    seen = msgspec.json.encode(mask(report(), Tier.INFORMED, FIELDS)).decode()
    assert not [secret for secret in PRIVATE if secret in seen]
    assert '"un":"1005"' in seen and "G204" in seen


@pytest.mark.parametrize("tier", [Tier.ASSIST, Tier.LEAD])
def test_an_assisting_or_leading_department_sees_the_same_object(tier: Tier) -> None:
    view = report()
    assert mask(view, tier, FIELDS) is view


def test_no_tier_sees_no_more_than_the_lowest() -> None:
    view = report()
    assert mask(view, None, FIELDS) == mask(view, Tier.INFORMED, FIELDS)


def test_a_struct_a_mapping_and_its_json_are_masked_alike() -> None:
    view = report()
    typed = msgspec.to_builtins(mask(view, Tier.INFORMED, FIELDS))
    assert mask(msgspec.to_builtins(view), Tier.INFORMED, FIELDS) == typed


def test_masking_leaves_what_is_stored_alone() -> None:
    view = report()
    before = msgspec.json.encode(view)
    mask(view, Tier.INFORMED, FIELDS)
    assert msgspec.json.encode(view) == before


class Deep(Struct, frozen=True):
    items: tuple[Any, ...]


def test_personal_data_is_found_at_any_depth() -> None:
    view = Deep(items=({"more": [{"reporter": Reporter(name="张三丰", phone="13812345678")}]}, {"caller": {"name": "李四", "phone": "13812345678"}},
                       {"victims": ["王五", "赵六"]}, {"caller": "李四"}))
    seen = msgspec.json.encode(mask(view, Tier.INFORMED, FIELDS)).decode()
    assert not [secret for secret in ("张三丰", "13812345678", "李四", "王五", "赵六") if secret in seen]


def test_ids_hashes_receipt_numbers_and_times_survive_scrubbing() -> None:
    for text in (new_id(), "a" * 20 + "13812345678" + "b" * 33, "20261123-000042", "2026-11-23T06:07:12.345Z", "119.1381234567", "UN1005"):
        assert scrub(text) == text


@given(st.text(max_size=300))
def test_scrubbing_twice_is_scrubbing_once(text: str) -> None:
    assert scrub(scrub(text)) == scrub(text)


@given(st.integers(min_value=13000000000, max_value=19999999999), st.text(alphabet="电话：联系人，。 ", max_size=8))
def test_no_mobile_number_in_running_text_survives(number: int, before: str) -> None:
    assert str(number) not in scrub(f"{before}{number}，谢谢")


def test_names_numbers_and_plates_keep_what_helps_to_tell_them_apart() -> None:
    assert mask_name("张三丰") == "张**" and mask_name("张") == "*" and mask_name("") == ""
    assert mask_phone("13812345678") == "138****5678" and mask_phone("12345") == "****"
    assert mask_plate("苏G12345") == "苏G***45" and mask_plate("苏") == "***"
