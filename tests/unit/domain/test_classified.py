"""涉密勿录: what is refused, what only warns, what passes; and that looking costs one pass."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.classified import ClassifiedGuard, ClassifiedWord, Severity, packaged_guard
from hub.domain.data import packaged
from hub.errors import Rejected

GUARD = packaged_guard()
WORDS = msgspec.convert(packaged("classified_words")["words"], tuple[ClassifiedWord, ...])
REFUSING, WARNING = ([word.pattern for word in WORDS if word.severity is severity] for severity in (Severity.REFUSE, Severity.WARN))


@pytest.mark.parametrize("text", ["机密★10年", "此件秘密☆", "密级：秘密", "按机密文件办理", "绝密", "机 密 ★ 长期"])
def test_marked_texts_are_refused_with_the_field(text: str) -> None:
    with pytest.raises(Rejected) as caught:
        GUARD.refuse({"title": "正常", "text": f"前文 {text} 后文"})
    assert (caught.value.code, caught.value.field) == ("classified", "text")
    assert text not in caught.value.message, "the answer does not repeat it"


@pytest.mark.parametrize("text", ["液氨泄漏，3人受伤", "非涉密信息，可上报", "非机密设备起火", "秘书值班", "密封圈老化", "罐体密度 0.6", None, ""])
def test_ordinary_texts_pass(text: str | None) -> None:
    GUARD.refuse({"text": text})
    assert GUARD.look({"text": text}) == ()


def test_doubtful_texts_only_warn_and_say_where() -> None:
    GUARD.refuse({"text": "涉密会议，涉及部队番号请核"})
    assert [(h.severity, h.start, h.end) for h in GUARD.look({"text": "涉及部队番号请核"})] == [(Severity.WARN, 2, 6)]


@given(st.sampled_from(REFUSING).flatmap(lambda pattern: st.from_regex(pattern, fullmatch=True)))
def test_the_signs_clear_no_text_that_a_pattern_refuses(text: str) -> None:
    assert any(sign in text for sign in packaged("classified_words")["signs"])


@given(st.sampled_from(WARNING).flatmap(lambda pattern: st.from_regex(pattern, fullmatch=True)))
def test_nor_do_the_signs_of_warnings(text: str) -> None:
    assert any(sign in text for sign in packaged("classified_words")["warning_signs"])


def test_a_warning_is_named_by_its_word_and_field_wherever_in_the_text_it_stands() -> None:
    first, moved = (GUARD.warnings({"text": text, "title": "正常"}) for text in ("部队番号不明", "请核：部队番号不明"))
    assert [hit.mark for hit in first] == [hit.mark for hit in moved]
    assert {hit.mark for hit in first}.isdisjoint(hit.mark for other in ({"text": "部队部署"}, {"title": "部队番号"}) for hit in GUARD.warnings(other))
    plain = msgspec.json.encode({"text": "部队番号不明"})
    for payload in (plain, plain.decode().encode("ascii", "backslashreplace")):
        assert [hit.mark for hit in GUARD.message_warnings(payload)] == [hit.mark for hit in first]
    assert GUARD.message_warnings(b'{"text": "\xe9\x83\xa8') == ()


def test_nobody_is_asked_about_a_text_that_is_refused_as_it_is() -> None:
    assert GUARD.warnings({"text": "部队番号", "title": "机密★"}) == () == GUARD.message_warnings('{"text": "部队番号，机密★"}'.encode())


@pytest.mark.parametrize(("message", "field"), [
    ({"text": "绝密"}, "text"), ({"hazmat": [{"un": "1005"}, {"name": "机密★"}]}, "hazmat.1.name"), ({"values": {"绝密": 1}}, "values.keys"),
    ({"reporter": {"name": "密级：秘密"}}, "reporter.name"), ("绝密", None),
])
def test_a_message_is_refused_by_the_path_of_its_text_however_it_is_written(message: object, field: str | None) -> None:
    plain = msgspec.json.encode(message)
    escaped = plain.decode().encode("ascii", "backslashreplace")
    for payload in (plain, escaped):
        for decoded in (message, None):
            with pytest.raises(Rejected) as caught:
                GUARD.refuse_message(payload, decoded)
            assert caught.value.field == field


@pytest.mark.parametrize("payload", ["{绝密", "绝密", '{"text": "绝密"'])
def test_what_no_decoder_takes_is_refused_by_its_characters(payload: str) -> None:
    with pytest.raises(Rejected):
        GUARD.refuse_message(payload.encode() + b"\xff")


def test_an_exception_counts_only_where_it_covers_the_word() -> None:
    hits = GUARD.look({"text": "非机密设备，机密文件"})
    assert [(h.start, h.end) for h in hits] == [(6, 10)]


def test_a_text_full_of_words_and_exceptions_is_one_pass() -> None:
    """What is counted is comparisons: each exception is passed once, so that a long text cannot hold up the hub."""
    word = ClassifiedWord(pattern="机密", severity=Severity.REFUSE, zh="", en="", unless=("非机密",))
    text = "非机密" * 50_000 + "机密" * 3
    assert len(ClassifiedGuard([word]).look({"text": text})) == 3
