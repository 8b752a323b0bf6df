"""Which device codes of GB/T 28181 are those of cameras, and what is said of the others."""

from __future__ import annotations

import pytest

from hub.device_code import device_types, type_of
from hub.domain.camera import CameraPlace, CameraView, placed
from hub.errors import Rejected

CAMERA = CameraView(id="a/c", agent_id="a", camera_id="c", name="c", department_id=None, enterprise_id=None, place=CameraPlace())


def of_type(number: str) -> str:
    return f"3402000000{number}0000001"


@pytest.mark.parametrize("number", ["131", "132"])
def test_a_camera_s_code_is_taken(number: str) -> None:
    assert placed(CAMERA, CameraPlace(gb28181=of_type(number))).place.gb28181 == of_type(number)


@pytest.mark.parametrize(("number", "says"), [("118", "NVR"), ("111", "DVR"), ("134", "报警输入"), ("139", "其他外围设备"), ("200", "中心信令"), ("215", "业务分组"),
                                              ("130", "混合硬盘录像机"), ("150", "标准未定义"), ("999", "标准未定义")])
def test_another_device_s_code_is_refused_with_what_it_is(number: str, says: str) -> None:
    with pytest.raises(Rejected, match="not_a_camera") as refused:
        placed(CAMERA, CameraPlace(gb28181=of_type(number)))
    assert says in refused.value.zh and number in refused.value.en and refused.value.field == "place.gb28181"
    assert ("其通道" in refused.value.zh) is (number in ("111", "118", "130"))


@pytest.mark.parametrize("text", ["", "3402000000132000001", "340200000013200000012", "3402000000132000000x", "\uff13402000000132000000"])
def test_what_is_no_code_is_refused_as_such(text: str) -> None:
    with pytest.raises(Rejected, match="wrong_code"):
        placed(CAMERA, CameraPlace(gb28181=text))


def test_the_types_say_where_they_come_from_and_each_has_a_name_in_both_languages() -> None:
    assert "28181" in device_types().source
    assert all(len(number) == 3 and known.zh and known.en for number, known in device_types().types.items())
    assert type_of(of_type("144")) is None
