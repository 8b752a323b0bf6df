"""What is written to the log."""

from __future__ import annotations

import logging

from hub.operate.logs import A_MINUTE_OF_EACH, Sparing


def record(name: str, line: int = 7, text: str = "Timeout waiting for PUBACK for packet ID %d", *args: object) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, "handler.py", line, text, args or (1,), None)


def test_a_library_that_repeats_itself_is_cut_short_and_how_often_is_said_in_the_next_minute() -> None:
    now = [100.0]
    sparing = Sparing(lambda: now[0])
    assert sum(sparing.filter(record("amqtt.broker")) for _ in range(5_000)) == A_MINUTE_OF_EACH
    assert sparing.filter(record("amqtt.broker", 8)), "another statement has its own ten"
    now[0] += 61
    later = record("amqtt.broker")
    assert sparing.filter(later)
    assert later.getMessage() == f"Timeout waiting for PUBACK for packet ID 1 (and {5_000 - A_MINUTE_OF_EACH} more since)"


def test_what_the_hub_itself_says_is_written_whole() -> None:
    sparing = Sparing()
    assert all(sparing.filter(record("hub.broker")) for _ in range(100))


def test_a_message_that_somebody_is_slow_to_acknowledge_is_told_without_a_traceback_and_a_fault_with_one() -> None:
    for error, kept in ((TimeoutError("no PUBACK"), False), (ValueError("a bug"), True)):
        said = record("amqtt.broker")
        said.exc_info = (type(error), error, None)
        assert Sparing().filter(said)
        assert bool(said.exc_info) is kept
